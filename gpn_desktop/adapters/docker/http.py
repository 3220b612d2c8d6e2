"""As much HTTP/1.1 as talking to a stranger's prover takes, without I/O: one request, one bounded reply.

The standard library's parser reads from files and trusts lengths; this one is fed bytes and stops at the
first thing that is out of bounds.
"""

from __future__ import annotations

import re
from enum import Enum, auto

MAX_HEAD = 16 * 1024
MAX_INTERIM = 4  # 1xx replies before the real one
MAX_CHUNK_LINE = 256
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")


class ReplyError(Exception):
    """What came is no HTTP reply."""


class ReplyTooLarge(Exception):
    """The reply's body is larger than allowed."""


def encode_request(method: str, path: str, body: bytes = b"") -> bytes:
    """A request that ends its connection, so that no reply runs into the next one."""
    head = f"{method} {path} HTTP/1.1\r\nHost: prover\r\nConnection: close\r\n"
    if method == "POST":
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode("ascii") + b"\r\n" + body


class _Want(Enum):
    HEAD = auto()
    LENGTH = auto()  # a body of known length
    CHUNK_LINE = auto()
    CHUNK = auto()
    TRAILER = auto()
    CLOSE = auto()  # a body that ends with the connection
    NOTHING = auto()


class ReplyParser:
    """Takes one reply apart. ``done`` once it is complete; then ``status`` and ``body`` hold.

    Args:
        limit: the largest body to accept, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self.status = 0
        self.body = bytearray()
        self._limit = limit
        self._want = _Want.HEAD
        self._left = 0
        self._interim = 0
        self._buffer = bytearray()

    @property
    def done(self) -> bool:
        return self._want is _Want.NOTHING

    @property
    def begun(self) -> bool:
        """Whether any byte of a reply came."""
        return bool(self.status or self._buffer)

    def feed(self, data: bytes) -> None:
        """Takes what came; bytes after the reply's end are ignored.

        Raises:
            ReplyError, ReplyTooLarge
        """
        self._buffer += data
        while not self.done and self._step():
            pass

    def eof(self) -> None:
        """The connection ended. ReplyError unless the reply is complete by that."""
        if self._want is _Want.CLOSE:
            self._want = _Want.NOTHING
        if not self.done:
            raise ReplyError("the connection ended before the reply did")

    def _step(self) -> bool:
        """One piece of progress; False where more bytes are needed."""
        if self._want is _Want.HEAD:
            head = self._until(b"\r\n\r\n", MAX_HEAD)
            return head is not None and self._read_head(head)
        if self._want is _Want.CHUNK_LINE:
            line = self._until(b"\r\n", MAX_CHUNK_LINE)
            return line is not None and self._read_chunk_line(line)
        if self._want is _Want.CHUNK:
            return self._read_chunk()
        if self._want is _Want.TRAILER:
            line = self._until(b"\r\n", MAX_HEAD)
            if line == b"":
                self._want = _Want.NOTHING
            return line is not None
        return self._take_body(None if self._want is _Want.CLOSE else self._left)

    def _until(self, mark: bytes, limit: int) -> bytes | None:
        at = self._buffer.find(mark, 0, limit + len(mark))
        if at < 0:
            if len(self._buffer) > limit:
                raise ReplyError(f"no end of line or head within {limit} bytes")
            return None
        found = bytes(self._buffer[:at])
        del self._buffer[: at + len(mark)]
        return found

    def _read_head(self, head: bytes) -> bool:
        first, *lines = head.split(b"\r\n")
        match = _STATUS.fullmatch(first)
        if match is None:
            raise ReplyError("no HTTP status line")
        status = int(match[1])
        if status < 200:
            self._interim += 1
            if status == 101 or self._interim > MAX_INTERIM:
                raise ReplyError(f"unexpected interim replies ({status})")
            return True
        self.status = status
        self._read_length(_headers(lines))
        return True

    def _read_length(self, headers: dict[bytes, bytes]) -> None:
        coding, length = headers.get(b"transfer-encoding"), headers.get(b"content-length")
        if self.status in (204, 304):
            self._want = _Want.NOTHING
        elif coding is not None:
            if coding.lower() != b"chunked" or length is not None:
                raise ReplyError("a transfer coding that is not plain chunked")
            self._want = _Want.CHUNK_LINE
        elif length is None:
            self._want = _Want.CLOSE
        elif not re.fullmatch(rb"[0-9]{1,15}", length):
            raise ReplyError("a content length that is no number")
        else:
            self._left = int(length)
            self._check_room(self._left)
            self._want = _Want.LENGTH if self._left else _Want.NOTHING

    def _read_chunk_line(self, line: bytes) -> bool:
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise ReplyError("a chunk without a length")
        self._left = int(match[1], 16)
        self._check_room(self._left)
        self._want = _Want.CHUNK if self._left else _Want.TRAILER
        return True

    def _read_chunk(self) -> bool:
        if self._left:
            return self._take_body(self._left, then=_Want.CHUNK)
        if len(self._buffer) < 2:
            return False
        if self._buffer[:2] != b"\r\n":
            raise ReplyError("a chunk longer than its length")
        del self._buffer[:2]
        self._want = _Want.CHUNK_LINE
        return True

    def _take_body(self, most: int | None, then: _Want = _Want.NOTHING) -> bool:
        if not self._buffer:
            return False
        piece = self._buffer[:most]
        self._check_room(len(piece))
        self.body += piece
        del self._buffer[: len(piece)]
        if most is not None:
            self._left = most - len(piece)
            if self._left == 0:
                self._want = then
        return True

    def _check_room(self, more: int) -> None:
        if len(self.body) + more > self._limit:
            raise ReplyTooLarge(f"more than {self._limit} bytes")


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise ReplyError("a malformed header")
        name = match[1].lower()
        if name in headers and name in (b"content-length", b"transfer-encoding"):
            raise ReplyError("two lengths for one body")
        headers[name] = match[2]
    return headers
