"""Where the files beside the code are: icons, translations, relays, images' sources, the contract's artifact.

They lie in one place of three: next to the package in a checkout, in the application's folder when
PyInstaller has frozen it, and under the environment's ``share`` when a wheel was installed. Nobody else needs
to know which.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

_SHARE: Final = Path("share") / "gpn-desktop"
_MARK: Final = Path("resources") / "icons"


def frozen() -> bool:
    """Whether this is the packaged application: its own executable is the program, and there is no Python."""
    return bool(getattr(sys, "frozen", False))


def base() -> Path:
    """The folder that holds ``resources`` and ``contracts``."""
    bundle = getattr(sys, "_MEIPASS", None)
    if frozen() and bundle:
        return Path(bundle)
    checkout = Path(__file__).resolve().parents[1]
    installed = Path(sys.prefix) / _SHARE
    if not (checkout / _MARK).is_dir() and (installed / _MARK).is_dir():
        return installed
    return checkout


BASE: Final = base()
RESOURCES: Final = BASE / "resources"
CONTRACTS: Final = BASE / "contracts"


def program() -> tuple[str, ...]:
    """The command line that starts another one of us."""
    return (sys.executable,) if frozen() else (sys.executable, "-m", "gpn_desktop")
