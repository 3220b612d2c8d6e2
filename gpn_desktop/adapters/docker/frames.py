"""The two framings of the stream into a sandbox, without I/O: Docker's around the relay's.

Whoever breaks a framing has lost the stream: nothing after a bad header can be trusted, so the containers
are replaced.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

STDOUT, STDERR = 1, 2
MAX_DOCKER_FRAME = 1024 * 1024  # the engine copies in pieces of 32 KiB
CHUNK = 64 * 1024  # the relay's buffer: no frame is larger, either way
_DOCKER = struct.Struct(">B3xI")
_RELAY = struct.Struct(">III")


class FramingError(Exception):
    """The other end does not keep to the framing."""


class DockerDemux:
    """Splits an attached stream without a terminal into stdout and stderr."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yields (STDOUT or STDERR, payload) for every frame that ``data`` completes."""
        self._buffer += data
        while len(self._buffer) >= _DOCKER.size:
            stream, length = _DOCKER.unpack_from(self._buffer)
            if stream not in (STDOUT, STDERR) or length > MAX_DOCKER_FRAME:
                raise FramingError(f"engine frame of stream {stream} with {length} bytes")
            end = _DOCKER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_DOCKER.size : end])
            del self._buffer[:end]
            yield stream, payload


class Kind(Enum):
    """Types of relay frames; the numbers are ASCII letters (relay.c)."""

    OPEN = ord("O")
    DATA = ord("D")
    CLOSE = ord("C")
    END = ord("E")
    REFUSED = ord("R")


_FROM_RELAY = {kind.value: kind for kind in (Kind.DATA, Kind.END, Kind.REFUSED)}


@dataclass(frozen=True, slots=True)
class Frame:
    kind: Kind
    connection: int
    payload: bytes = b""


class RelayFrames:
    """Reads the relay's frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        self._buffer += data
        while len(self._buffer) >= _RELAY.size:
            kind, connection, length = _RELAY.unpack_from(self._buffer)
            if kind not in _FROM_RELAY or length > CHUNK:
                raise FramingError(f"relay frame of type {kind} with {length} bytes")
            end = _RELAY.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_RELAY.size : end])
            del self._buffer[:end]
            yield Frame(_FROM_RELAY[kind], connection, payload)


def encode(frame: Frame) -> bytes:
    return _RELAY.pack(frame.kind.value, frame.connection, len(frame.payload)) + frame.payload


def request_frames(connection: int, patience: float, request: bytes) -> Iterator[bytes]:
    """The frames of one exchange: open, retrying a refusal for ``patience`` seconds, then the request."""
    yield encode(Frame(Kind.OPEN, connection, struct.pack(">I", int(patience * 1000))))
    for start in range(0, len(request), CHUNK):
        yield encode(Frame(Kind.DATA, connection, request[start : start + CHUNK]))


def close_frame(connection: int) -> bytes:
    return encode(Frame(Kind.CLOSE, connection))
