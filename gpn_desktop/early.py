"""The window's first moments: the bare arguments tell whether one is coming, before anything is imported."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from gpn_desktop.core import jsontext

if TYPE_CHECKING:
    from gpn_desktop.ui.shell import Shell

WINDOWED: Final = ("", "demo")
NO_WINDOW: Final = frozenset({"-h", "--help", "--version", "--headless"})
WINDOW_FILE: Final = "window.json"
MAX_FILE: Final = 1024 * 1024


def early_shell(argv: Sequence[str]) -> Shell | None:
    """The painted window, or None where these arguments show none."""
    if not wants_window(argv):
        return None
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    from gpn_desktop.ui.shell import has_display, open_shell

    if not has_display():
        return None
    # Looking for garbage among imports is a tenth of the start. The window has a collector of its own.
    gc.disable()
    return open_shell(early_look(argv), "--startup-report" in argv)


def wants_window(argv: Sequence[str]) -> bool:
    """As far as it can be told without reading them in earnest; wrong arguments are refused later."""
    command = next((word for word in _words(argv) if not word.startswith("-")), "")
    return command in WINDOWED and not NO_WINDOW & set(argv)


def early_look(argv: Sequence[str]) -> str:
    """ "light", "dark" or "system", as the window's preferences have it; damaged ones say so later."""
    try:
        with (_settings(argv).parent / WINDOW_FILE).open("rb") as file:
            look = jsontext.parse(file.read(MAX_FILE))["look"]
    except (OSError, ValueError, KeyError, TypeError):
        return "system"
    return look if look in ("light", "dark") else "system"


def _settings(argv: Sequence[str]) -> Path:
    for word, value in zip(argv, [*argv[1:], ""], strict=False):
        if word == "--config":
            return Path(value)
        if word.startswith("--config="):
            return Path(word.partition("=")[2])
    if named := os.environ.get("GPN_CONFIG"):
        return Path(named)
    from platformdirs import user_config_path

    return user_config_path("gpn-desktop") / "config.toml"


def _words(argv: Sequence[str]) -> list[str]:
    """Without the values of options before the command."""
    return [word for before, word in zip(["", *argv], argv, strict=False) if before != "--config"]


def _leave(number: int, frame: FrameType | None) -> None:
    """Nothing is open yet that would have to be closed in order.

    Without an exception: in a weak reference's callback, as each import runs one, it would end there unheard.
    """
    os._exit(0)
