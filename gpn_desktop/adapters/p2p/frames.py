"""Length-prefixed frames on a libp2p stream, with a cap on each and one error for everything that breaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import trio
from libp2p.abc import INetStream

READ_BYTES: Final = 65536

# What a stream, a dial or a negotiation with a hostile peer may raise is anything: errors of protobuf, of the
# cryptography and bugs of the library besides its own. Cancellation is not among them.
STREAM_ERRORS: Final = Exception


class Broken(Exception):
    """The stream ended, stalled or was reset."""


class BadFrame(Exception):
    """The peer sent what the protocol does not allow."""


class Frames:
    """One stream. ``stall`` is how long one frame may take, in seconds."""

    def __init__(self, stream: INetStream, stall: float) -> None:
        self._stream = stream
        self._stall = stall
        self._buffer = bytearray()

    async def send(self, data: bytes) -> None:
        try:
            with trio.fail_after(self._stall):
                await self._stream.write(len(data).to_bytes(4, "big") + data)
        except STREAM_ERRORS as error:
            raise Broken(f"while writing: {error or type(error).__name__}") from error

    async def receive(self, limit: int) -> bytes:
        """One frame; BadFrame when it is announced to be larger than ``limit``."""
        with self._patience():
            length = int.from_bytes(await self._take(4), "big")
        if length > limit:
            raise BadFrame(f"a frame of {length} bytes, {limit} allowed")
        with self._patience():
            return await self._take(length)

    @contextmanager
    def _patience(self) -> Iterator[None]:
        try:
            with trio.fail_after(self._stall):
                yield
        except STREAM_ERRORS as error:
            raise Broken(f"while reading: {error or type(error).__name__}") from error

    async def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = await self._stream.read(READ_BYTES)
            if not data:
                raise EOFError("the stream ended")
            self._buffer += data
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def close(self) -> None:
        """Say that nothing more comes; errors do not matter any more."""
        with trio.move_on_after(1) as scope:
            scope.shield = True
            try:
                await self._stream.close()
            except STREAM_ERRORS:
                return

    async def abort(self) -> None:
        with trio.move_on_after(1) as scope:
            scope.shield = True
            try:
                await self._stream.reset()
            except STREAM_ERRORS:
                return
