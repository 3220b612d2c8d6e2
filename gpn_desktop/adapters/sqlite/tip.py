"""How far the journal of own statements has come, written beside it: what tells a journal that lost its end.

SQLite takes a write-ahead log that is gone or garbled for one that was never written, and a database of
yesterday for today's; both look whole. A node that went on from there could contradict itself. The note says
no more than the number of the last own statement. It is never ahead of the journal, and not worth a wait for
the disk: after a power cut it may be behind, which is no harm.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from gpn_desktop.adapters.sqlite.codec import CodecError, seal, unseal

NUMBER_BYTES = 8


class Tip:
    """The note beside the database at ``path``. Raises OSError where the disk does."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_suffix(".tip")
        self._number = 0

    def read(self) -> int:
        """The number noted; 0 where there is no note, or none that can be read."""
        self._number = 0
        with suppress(FileNotFoundError, CodecError):
            self._number = int.from_bytes(unseal(self.path.read_bytes()), "big")
        return self._number

    def reached(self, number: int) -> None:
        """The journal has an own statement of this number, for good."""
        if number <= self._number:
            return
        file = os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            os.write(file, seal(number.to_bytes(NUMBER_BYTES, "big")))
        finally:
            os.close(file)
        self._number = number
