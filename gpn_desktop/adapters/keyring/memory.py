"""Keys that are never on a disk: of a test, and of a demo node that its parent gave one by a pipe."""

from __future__ import annotations

import os
from typing import Final

from gpn_desktop.adapters.keyring.bounded import bounded
from gpn_desktop.adapters.keyring.keys import key_from_hex
from gpn_desktop.core.errors import KeyMissing, KeyUnusable
from gpn_desktop.ports.secrets import NodeKey

MAX_LINE: Final = 128
STDIN: Final = 0


class MemorySecrets:
    """``ports.secrets.Secrets`` for as long as this object lives."""

    def __init__(self, key: NodeKey | None = None) -> None:
        self._key = key

    async def load(self) -> NodeKey:
        if self._key is None:
            raise KeyMissing("There is no key yet.")
        return self._key

    async def save(self, key: NodeKey) -> None:
        self._key = key


class PipeSecrets:
    """The first line of a pipe, in hex, read once; what follows the line is left in the pipe.

    The descriptor belongs to this object, which closes it after the line, unless it is standard input.
    A command line and an environment can be read by every process of the user, a pipe cannot.
    """

    def __init__(self, fd: int = STDIN, within: float = 10.0) -> None:
        self._fd = fd
        self._within = within
        self._key: NodeKey | None = None

    async def load(self) -> NodeKey:
        if self._key is None:
            try:
                line = await bounded(self._line, self._within)
            except TimeoutError:
                raise KeyMissing(f"No key came by the pipe within {self._within:g} s.") from None
            except OSError as error:
                raise KeyMissing(f"The pipe with the key cannot be read: {error.strerror}.") from error
            if not line:
                raise KeyMissing("The pipe ended before a key came.")
            self._key = key_from_hex(line)
        return self._key

    async def save(self, key: NodeKey) -> None:
        raise KeyUnusable("A key that came by a pipe is kept by whoever sent it.")

    def _line(self) -> str:
        """Byte by byte, since the rest of the pipe may be meant for somebody else."""
        line = bytearray()
        while len(line) < MAX_LINE and (byte := os.read(self._fd, 1)) not in (b"", b"\n"):
            line += byte
        if self._fd != STDIN:
            os.close(self._fd)
        return line.decode("ascii", "replace")
