"""What an operator sends along when asking for help: seen in full first, and without a secret.

The log is redacted where it is kept, the settings where they are read. Every text is redacted once more
here, so that no single mistake before gives anything away; and the home folder's name is cut, since it is
often a person's.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gpn_desktop.core.history import JobOrder
from gpn_desktop.core.redaction import marks, redact
from gpn_desktop.core.types import hex0x
from gpn_desktop.ports.health import BundleWriter, LogBook, LogLine
from gpn_desktop.services.health import Health

if TYPE_CHECKING:
    from gpn_desktop.services.facade import Facade

LINES: Final = 20_000
PAGE: Final = 500
HISTORY: Final = 10_000
LEVELS: Final = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}


@dataclass(frozen=True, slots=True)
class BundleFile:
    """``redactions``: how many secrets were cut out of its text, each with a mark in its place."""

    name: str
    text: str
    redactions: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """Exactly what is written when it is saved."""

    files: tuple[BundleFile, ...]
    name: str

    @property
    def redactions(self) -> int:
        return sum(file.redactions for file in self.files)


class Diagnostics:
    """Args:
    settings: the settings in force by name, as text; they may not be readable. Blocks.
    home: its name is cut out of all texts.
    """

    def __init__(
        self,
        health: Health,
        logs: LogBook,
        writer: BundleWriter,
        settings: Callable[[], Mapping[str, str]],
        home: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._health = health
        self._logs = logs
        self._writer = writer
        self._settings = settings
        self._home = home
        self._clock = clock
        self._facade: Facade | None = None

    def attach(self, facade: Facade | None) -> None:
        """The node that runs from now on, or None."""
        self._facade = facade

    async def preview(self) -> Bundle:
        """All files as they would be written; checks that were never carried out are, first."""
        if not self._health.findings:
            await self._health.recheck()
        findings = [as_json(finding) for finding in self._health.in_order()]
        settings = await asyncio.to_thread(self._read_settings)
        view = as_json(self._facade.view()) if self._facade is not None else None
        parts: dict[str, object] = {
            "findings.json": findings,
            "settings.json": settings,
            "node.json": view if view is not None else "No node runs.",
            "counts.json": await self._counts(),
        }
        texts = {name: json.dumps(part, indent=1, ensure_ascii=False) for name, part in parts.items()}
        now = self._clock()
        return await asyncio.to_thread(self._made, texts, time.strftime("%Y%m%d-%H%M%S", time.gmtime(now)))

    async def write(self, bundle: Bundle, path: Path) -> int:
        """The bundle as it was shown; its size in bytes.

        Raises:
            BundleNotWritten: nothing is left there.
        """
        files = {file.name: file.text for file in bundle.files}
        return await asyncio.to_thread(self._writer.write, path, files)

    async def export(self, lines: list[LogLine], path: Path) -> int:
        """The lines as a text file; its size in bytes. BundleNotWritten."""
        return await asyncio.to_thread(lambda: self._writer.write_text(path, log_text(lines)))

    def _made(self, texts: dict[str, str], stamp: str) -> Bundle:
        texts["log.txt"] = log_text(self._logs.since(self._logs.following - LINES, LINES))
        clean = {name: self._clean(text) for name, text in texts.items()}
        found = {name: marks(text) for name, text in clean.items()}
        about = (
            f"GPN Desktop, diagnostics of {stamp} UTC.\n"
            f"{sum(found.values())} secrets were cut out; each left a mark like this: ‹redacted›.\n"
            "Addresses and hashes are public and were kept. Read the files before you send them.\n"
        )
        files = [BundleFile("README.txt", about, 0)]
        files += [BundleFile(name, text, found[name]) for name, text in clean.items()]
        return Bundle(tuple(files), f"gpn-desktop-diagnostics-{stamp}.zip")

    def _clean(self, text: str) -> str:
        text = redact(text)
        return text.replace(self._home, "~") if len(self._home) > 1 else text

    def _read_settings(self) -> object:
        return dict(self._settings())

    async def _counts(self) -> object:
        """Of the journal: its requests by phase, the latest ones."""
        if self._facade is None:
            return "No node runs."
        phases: Counter[str] = Counter()
        offset = 0
        while offset < HISTORY:
            rows = await self._facade.jobs(offset, PAGE, "", JobOrder.NEWEST)
            phases.update(row.phase for row in rows)
            offset += len(rows)
            if len(rows) < PAGE:
                break
        peers = len(self._facade.peers())
        return {"requests": offset, "of which": dict(phases), "complete": offset < HISTORY, "peers": peers}


def log_text(lines: list[LogLine] | tuple[LogLine, ...]) -> str:
    """One line each, times in UTC, so that logs of several machines fit together."""
    return "".join(f"{line_text(line)}\n" for line in lines)


def line_text(line: LogLine) -> str:
    seconds, millis = divmod(line.time_ms, 1000)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    level = LEVELS.get(line.level, str(line.level))
    return f"{moment}.{millis:03d}Z {level:<8} {line.logger}: {line.message}"


def as_json(value: Any) -> Any:
    """Dataclasses, enums and bytes as JSON knows them; large integers as text, so that none is rounded."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return hex0x(value)
    if isinstance(value, bool | float | str) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, Mapping):
        return {str(as_json(key)): as_json(one) for key, one in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [as_json(one) for one in value]
    return str(value)
