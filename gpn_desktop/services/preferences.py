"""What the operator sets: the node's settings file, and how the window looks and behaves.

Both are read before the first paint, so nothing heavy may be imported here. A change of the node's settings
is checked by the table that the node itself starts with, before a byte is written.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from typing import Any, Final

from gpn_desktop.core import jsontext
from gpn_desktop.core.errors import GpnError, SettingsRefused, SettingsUnreadable
from gpn_desktop.ports.preferences import (
    Autostart,
    Document,
    EndpointFound,
    SettingRow,
    SettingsFile,
    SettingsTable,
)

log = logging.getLogger("gpn")

MAX_LANGUAGE: Final = 16


class Look(Enum):
    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class Notice(Enum):
    """What notifications there are; each kind can be turned off."""

    PAID = "paid"
    LOST = "lost"  # a turn of this node came to nothing
    ALERT = "alert"
    CHAIN = "chain"


@dataclass(frozen=True, slots=True)
class UiPreferences:
    """``language`` "" is the system's; ``motion`` False is reduced motion."""

    look: Look = Look.SYSTEM
    language: str = ""
    muted: frozenset[Notice] = frozenset()
    close_to_tray: bool = True
    motion: bool = True

    def notifies(self, kind: str) -> bool:
        """Whether a notification of this kind (a value of ``Notice``) is wanted."""
        return all(notice.value != kind for notice in self.muted)


@dataclass(frozen=True, slots=True)
class SettingsView:
    """The settings file as it is now.

    Attributes:
        path: the file, there or not.
        rows: every setting; () where the file cannot be read, which ``error`` tells.
        problems: what is wrong in it already, each in a sentence.
        restart: keys whose value in force is another one than the running node started with.
    """

    path: str
    rows: tuple[SettingRow, ...] = ()
    problems: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    error: GpnError | None = None

    def row(self, key: str) -> SettingRow:
        return next(row for row in self.rows if row.key == key)


@dataclass(frozen=True)
class Doors:
    """What others do for the settings page; None is what cannot be done here.

    Attributes:
        check_endpoint: asks a chain endpoint which chain it serves; raises GpnError.
        invite: a code, good once, by which another machine joins as a worker; raises GpnError.
        restart: ends the node and starts it with the settings that are in the file by then.
    """

    check_endpoint: Callable[[str], Awaitable[EndpointFound]] | None = None
    invite: Callable[[], Awaitable[str]] | None = None
    restart: Callable[[], Awaitable[None]] | None = None
    autostart: Autostart | None = None


@dataclass
class Preferences:
    """One for an application; ``ui`` is there from the beginning."""

    table: SettingsTable
    file: SettingsFile
    looks: Document
    doors: Doors = field(default_factory=Doors)

    def __post_init__(self) -> None:
        self._started: dict[str, str] | None = None
        self._watchers: set[Callable[[], None]] = set()
        self.ui = UiPreferences()
        try:
            self.ui = read_ui(self.looks.read_now())
        except GpnError as error:
            log.warning("the window's preferences cannot be read: %s", error)

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` after every change of ``ui``; returns the undo."""
        self._watchers.add(changed)
        return lambda: self._watchers.discard(changed)

    async def set_ui(self, ui: UiPreferences) -> None:
        """In force at once, also where it cannot be kept: SettingsNotWritten."""
        if ui == self.ui:
            return
        self.ui = ui
        for watcher in list(self._watchers):
            watcher()
        await self.looks.write(write_ui(ui))

    def node_started(self) -> None:
        """A node has just started with what is in the file: none of it waits for a restart any more."""
        self._started = None

    async def read(self) -> SettingsView:
        path = str(self.file.path)
        try:
            text = await self.file.read()
            return self._view(text)
        except SettingsUnreadable as error:
            return SettingsView(path, error=error)

    def _view(self, text: str) -> SettingsView:
        rows = self.table.rows(text)
        in_force = {row.key: row.value for row in rows}
        if self._started is None:
            self._started = in_force
        changed = tuple(key for key, value in in_force.items() if self._started.get(key) != value)
        return SettingsView(str(self.file.path), rows, self.table.problems(text), changed)

    def problem_of(self, key: str, value: str) -> str:
        """Why a value cannot be used, for showing while it is typed; "" if it can."""
        return self.table.problem_of(key, value)

    async def apply(self, changes: Mapping[str, str]) -> SettingsView:
        """Write these settings, "" taking one out; all of them or none.

        Raises:
            SettingsRefused: a value cannot be used, or not together with the others.
            SettingsUnreadable, SettingsNotWritten
        """
        for key, value in changes.items():
            if problem := self.table.problem_of(key, value):
                raise SettingsRefused(f"{key}: {problem}.")
        before = await self.file.read()
        self._view(before)  # what the node started with, if nobody asked before
        edits = {
            key: self.table.toml(key, value) if value.strip() else None for key, value in changes.items()
        }
        after = self.file.edited(before, edits)
        old = set(self.table.problems(before))
        if new := [problem for problem in self.table.problems(after) if problem not in old]:
            raise SettingsRefused(" ".join(new))
        if after != before:
            await self.file.write(after)
        return self._view(after)


def write_ui(ui: UiPreferences) -> str:
    content = asdict(ui) | {"look": ui.look.value, "muted": sorted(notice.value for notice in ui.muted)}
    return json.dumps(content, indent=1) + "\n"


def read_ui(text: str) -> UiPreferences:
    """What can be used of it: how a window looks is not worth an error that keeps it closed."""
    try:
        found = jsontext.parse(text) if text.strip() else {}
    except ValueError:
        log.warning("the window's preferences are damaged; the defaults apply")
        found = {}
    if not isinstance(found, dict):
        return UiPreferences()
    readers: dict[str, Callable[[Any], Any]] = {
        "look": Look,
        "language": _language,
        "muted": lambda names: frozenset(Notice(name) for name in names),
        "close_to_tray": _flag,
        "motion": _flag,
    }
    usable: dict[str, Any] = {}
    for each in fields(UiPreferences):
        if each.name in found:
            try:
                usable[each.name] = readers[each.name](found[each.name])
            except (ValueError, TypeError):
                log.warning("the preference %s is damaged; the default applies", each.name)
    return UiPreferences(**usable)


def _language(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_LANGUAGE:
        raise ValueError("no language")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false is expected")
    return value
