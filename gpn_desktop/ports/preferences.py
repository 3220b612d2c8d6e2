"""What the operator set, and where it is kept: the node's settings file, and small documents beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol, TypeAlias

TomlValue: TypeAlias = "bool | int | str | list[str]"


class Source(Enum):
    """Where the value in force comes from; the later ones win."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    COMMAND_LINE = "command line"


class SettingKind(Enum):
    FLAG = "flag"
    CHOICE = "choice"
    NUMBER = "number"
    LIST = "list"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting of the node. Values are texts as people write them, lists with commas; "" is not set.

    Attributes:
        value: in force at the next start.
        default: without any setting.
        problem: why the value cannot be used.
        given_by: the environment variable or option that overrides the file, "" where none does.
    """

    key: str
    purpose: str
    kind: SettingKind
    value: str
    default: str
    source: Source
    options: tuple[str, ...] = ()
    problem: str = ""
    given_by: str = ""

    @property
    def locked(self) -> bool:
        """The file cannot change it."""
        return self.source in (Source.ENVIRONMENT, Source.COMMAND_LINE)


class SettingsTable(Protocol):
    """All settings that there are, and what may be in them."""

    def rows(self, text: str) -> tuple[SettingRow, ...]:
        """With the values of this file; SettingsUnreadable if it is not one."""
        ...

    def problems(self, text: str) -> tuple[str, ...]:
        """All that is wrong with a file, each in a sentence; SettingsUnreadable."""
        ...

    def problem_of(self, key: str, value: str) -> str:
        """Why the value cannot be used; "" if it can, and for "", which takes the setting out."""
        ...

    def toml(self, key: str, value: str) -> TomlValue:
        """As it is written into the file; only for a value without a problem."""
        ...


class Document(Protocol):
    """A small text of this program's own."""

    path: Path

    def read_now(self) -> str:
        """ "" where there is none; SettingsUnreadable. Takes a moment: only before there is a window."""
        ...

    async def read(self) -> str: ...

    async def write(self, text: str) -> None:
        """Whole or not at all; SettingsNotWritten."""
        ...


class SettingsFile(Document, Protocol):
    """The operator's own file: what they wrote into it stays, comments and all."""

    def edited(self, text: str, changes: Mapping[str, TomlValue | None]) -> str:
        """The text with these settings (as in "grpc.port") changed, or taken out where the value is None."""
        ...


class Autostart(Protocol):
    """Whether the application starts when its operator logs in."""

    async def enabled(self) -> bool: ...

    async def set_enabled(self, on: bool) -> None:
        """AutostartFailed"""
        ...


@dataclass(frozen=True, slots=True)
class EndpointFound:
    """What answered at a chain endpoint; ``head`` is its latest block's number."""

    chain_id: int
    head: int
