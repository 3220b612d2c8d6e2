"""Starting at login, by each system's own means: a desktop entry, a launch agent, a value under Run."""

from __future__ import annotations

import asyncio
import os
import plistlib
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from gpn_desktop.adapters.files import replace_file
from gpn_desktop.core.errors import AutostartFailed

NAME: Final = "gpn-desktop"
LABEL: Final = "org.gpn.desktop"
RUN_KEY: Final = r"Software\Microsoft\Windows\CurrentVersion\Run"


class FileAutostart:
    """See ``ports.preferences.Autostart``: one file, there or not."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self._text = path, text

    async def enabled(self) -> bool:
        return await asyncio.to_thread(self.path.is_file)

    async def set_enabled(self, on: bool) -> None:
        await asyncio.to_thread(self._set, on)

    def _set(self, on: bool) -> None:
        try:
            if on:
                replace_file(self.path, self._text)
            else:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise AutostartFailed(f"{self.path} cannot be changed: {error}.") from error


class RegistryAutostart:
    """See ``ports.preferences.Autostart``, on Windows."""

    def __init__(self, command: Sequence[str]) -> None:
        self._value = run_value(command)

    async def enabled(self) -> bool:
        return await asyncio.to_thread(self._there)

    async def set_enabled(self, on: bool) -> None:
        await asyncio.to_thread(self._set, on)

    if sys.platform == "win32":

        def _there(self) -> bool:
            import winreg

            try:
                with winreg.OpenKey(winreg.HKEY_CURRENT_USER, RUN_KEY) as key:
                    winreg.QueryValueEx(key, NAME)
            except OSError:
                return False
            return True

        def _set(self, on: bool) -> None:
            import winreg

            try:
                with winreg.CreateKey(winreg.HKEY_CURRENT_USER, RUN_KEY) as key:
                    if on:
                        winreg.SetValueEx(key, NAME, 0, winreg.REG_SZ, self._value)
                    elif self._there():
                        winreg.DeleteValue(key, NAME)
            except OSError as error:
                raise AutostartFailed(f"The registry's Run key cannot be changed: {error}.") from error

    else:

        def _there(self) -> bool:
            return False

        def _set(self, on: bool) -> None:
            raise AutostartFailed("There is no registry on this system.")


def system_autostart(
    command: Sequence[str], platform: str = sys.platform, env: Mapping[str, str] = os.environ
) -> FileAutostart | RegistryAutostart:
    """``command`` starts the application."""
    if platform == "win32":
        return RegistryAutostart(command)
    if platform == "darwin":
        return FileAutostart(Path.home() / "Library/LaunchAgents" / f"{LABEL}.plist", launch_agent(command))
    config = Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return FileAutostart(config / "autostart" / f"{NAME}.desktop", desktop_entry(command))


def desktop_entry(command: Sequence[str]) -> str:
    line = " ".join(_quoted(part) for part in command)
    return (
        "[Desktop Entry]\nType=Application\nName=GPN Desktop\n"
        f"Comment=A node of the proving network\nExec={line}\nIcon={NAME}\nTerminal=false\n"
        "X-GNOME-Autostart-enabled=true\n"
    )


def _quoted(part: str) -> str:
    """As the Desktop Entry Specification wants it: % is doubled, and what a shell would read is escaped; the
    value's own backslashes count once more."""
    part = part.replace("%", "%%")
    if shlex.quote(part) == part:
        return part
    for char in '\\"`$':
        part = part.replace(char, "\\" + char)
    return '"' + part.replace("\\", "\\\\") + '"'


def launch_agent(command: Sequence[str]) -> str:
    content = {
        "Label": LABEL,
        "ProgramArguments": list(command),
        "RunAtLoad": True,
        "ProcessType": "Interactive",
    }
    return plistlib.dumps(content).decode("utf-8")


def run_value(command: Sequence[str]) -> str:
    return subprocess.list2cmdline(command)
