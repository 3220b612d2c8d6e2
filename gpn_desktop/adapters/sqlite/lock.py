"""One process per data folder: a lock that the operating system drops when its holder dies."""

from __future__ import annotations

import sys
from io import FileIO
from pathlib import Path

from gpn_desktop.core.errors import StoreLocked

if sys.platform == "win32":
    import msvcrt

    def _lock(file: FileIO) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: FileIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class ProcessLock:
    """Held from ``acquire`` to ``release`` or to the end of the process, ``kill -9`` included."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None

    def acquire(self) -> None:
        """StoreLocked when another process, or another store of this one, holds it."""
        file = FileIO(self._path, "a+")
        try:
            _lock(file)
        except OSError as error:
            file.close()
            raise StoreLocked(f"The data folder {self._path.parent} is in use.") from error
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
