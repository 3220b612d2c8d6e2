"""Settings on disk: the operator's TOML file, edited in place, and small documents of this program's own.

A file is replaced whole, so that a crash or a full disk leaves the old one; what a symbolic link leads to is
replaced, not the link.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gpn_desktop.adapters.files import replace_file
from gpn_desktop.core.errors import SettingsNotWritten, SettingsUnreadable
from gpn_desktop.ports.preferences import TomlValue

MAX_FILE: Final = 1024 * 1024
Write = Callable[[Path, str], None]


class FileDocument:
    """See ``ports.preferences.Document``."""

    def __init__(self, path: Path, write: Write = replace_file) -> None:
        self.path = path
        self._write = write

    def read_now(self) -> str:
        try:
            with self.path.open("rb") as file:
                raw = file.read(MAX_FILE + 1)
            if len(raw) > MAX_FILE:
                raise SettingsUnreadable(f"{self.path} is larger than {MAX_FILE:,} bytes.")
            return raw.decode("utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsUnreadable(f"{self.path} cannot be read: {error}.") from error

    async def read(self) -> str:
        return await asyncio.to_thread(self.read_now)

    async def write(self, text: str) -> None:
        await asyncio.to_thread(self._replace, text)

    def _replace(self, text: str) -> None:
        try:
            self._put(self.path.resolve(), text)
        except OSError as error:
            raise SettingsNotWritten(f"{self.path} cannot be written: {error}.") from error

    def _put(self, path: Path, text: str) -> None:
        # Replacing asks the folder only, and would overrule an operator who made the file read-only.
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(f"{path} is read-only")
        self._write(path, text)


class TomlFile(FileDocument):
    """See ``ports.preferences.SettingsFile``. The text before the latest change is kept beside it (.bak)."""

    def edited(self, text: str, changes: Mapping[str, TomlValue | None]) -> str:
        import tomlkit
        from tomlkit.exceptions import TOMLKitError

        try:
            document = tomlkit.parse(text)
            for key, value in changes.items():
                table, _, name = key.partition(".")
                if value is not None:
                    if table not in document:
                        document[table] = tomlkit.table()
                    document[table][name] = value
                elif table in document and name in document[table]:
                    del document[table][name]
            return tomlkit.dumps(document)
        except (TOMLKitError, TypeError, AttributeError) as error:
            raise SettingsUnreadable(f"{self.path} cannot be changed: {error}.") from error

    def _put(self, path: Path, text: str) -> None:
        if path.exists():
            self._write(path.with_name(path.name + ".bak"), self.read_now())
        super()._put(path, text)


class MemoryDocument:
    """For tests, and where nothing may be kept. ``refuse`` is raised by the next writes."""

    def __init__(self, text: str = "") -> None:
        self.path = Path("memory")
        self.text = text
        self.refuse: Exception | None = None

    def read_now(self) -> str:
        return self.text

    async def read(self) -> str:
        return self.text

    async def write(self, text: str) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.text = text
