"""Setting a damaged journal aside, because its operator said so. Nothing is ever deleted."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from gpn_desktop.adapters.sqlite.lock import ProcessLock
from gpn_desktop.adapters.sqlite.schema import blob_path, lock_path, translate
from gpn_desktop.adapters.sqlite.tip import Tip


def set_aside(path: Path) -> list[Path]:
    """Rename all files of the store at ``path``; where they are now. The next one to open it begins anew.

    Raises:
        StoreLocked: a node is running on it.
        StoreFull, StoreForbidden: the files cannot be renamed.
    """
    try:
        lock = ProcessLock(lock_path(path))
        lock.acquire()
        try:
            files = [file for file in _files(path) if file.exists()]
            ending = next(e for e in map(".damaged-{}".format, count(1)) if not any(_taken(files, e)))
            return [file.rename(file.with_name(file.name + ending)) for file in files]
        finally:
            lock.release()
    except OSError as error:
        raise translate(error, path) from error


def _files(path: Path) -> list[Path]:
    databases = (path, blob_path(path))
    return [
        Tip(path).path,
        *(file.with_name(file.name + more) for file in databases for more in ("", "-wal", "-shm")),
    ]


def _taken(files: list[Path], ending: str) -> list[bool]:
    return [file.with_name(file.name + ending).exists() for file in files]
