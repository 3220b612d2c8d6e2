"""How much room a folder has, and whether this user can keep a journal in it. Nothing is written."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

from gpn_desktop.core.errors import ProbeFailed
from gpn_desktop.core.health import Folder


def room(path: Path) -> tuple[int, int]:
    """Bytes free for this user and in all, on the disk where the path is or would be made. Blocks.

    Raises:
        ProbeFailed
    """
    place = _existing(path)
    try:
        usage = shutil.disk_usage(place)
    except OSError as error:
        raise ProbeFailed(f"The disk of {path} can't be asked: {error.strerror}.") from error
    return usage.free, usage.total


def folder(path: Path) -> Folder:
    """Blocks."""
    place = _existing(path)
    exists = place == path
    usable = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    if sys.platform == "win32":
        return Folder(str(path), exists, usable)
    try:
        found = place.stat()
    except OSError as error:
        raise ProbeFailed(f"{path} can't be looked at: {error.strerror}.") from error
    return Folder(str(path), exists, usable, stat.S_IMODE(found.st_mode), found.st_uid == os.getuid())


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    for place in (path, *path.parents):
        try:
            if place.exists():
                return place
        except OSError:  # a folder above may not be looked into
            continue
    return Path(path.anchor or ".")


def used(path: Path) -> int:
    """Bytes of a database and what it keeps beside itself under its name; 0 of what can't be seen. Blocks."""
    total = 0
    for file in path.parent.glob(f"{path.stem}*"):
        try:
            total += file.stat().st_size
        except OSError:  # a log that was merged meanwhile
            continue
    return total
