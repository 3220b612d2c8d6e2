"""The blocking end of the stream into a sandbox: one HTTP exchange at a time, bounded in time and size.

It blocks because the SDK hands out a socket of whatever kind reaches the engine (Unix, TLS, ssh, a Windows
pipe) and only their blocking interface is common. It runs on a worker thread; ``abort`` ends it from another.
"""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import dataclass
from typing import Any, Protocol

from gpn_desktop.adapters.docker import frames, http

RECEIVE = 256 * 1024
LEFTOVERS = 16 * 1024 * 1024  # of an earlier exchange, before the stream counts as broken
DIAGNOSTICS = 2048


class StreamLost(Exception):
    """The stream broke. ``begun``: whether part of a reply had come."""

    def __init__(self, reason: str, begun: bool) -> None:
        super().__init__(reason)
        self.begun = begun


class ProverGone(Exception):
    """Nothing listens in the sandbox, or it hung up before its reply was complete."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes


class Socket(Protocol):
    """What all of the SDK's sockets can do."""

    def sendall(self, data: bytes, /) -> Any: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


class RelayStream:
    """An exec of ``relay stdio``, attached.

    Args:
        sock: the attached socket.
        owner: whatever must stay referenced for the socket to stay open (the SDK's response).
    """

    def __init__(self, sock: Socket, owner: object = None) -> None:
        self._sock = sock
        self._owner = owner
        self._connection = 0
        self._docker = frames.DockerDemux()
        self._relay = frames.RelayFrames()
        self._stderr = b""

    def exchange(self, request: bytes, limit: int, deadline: float, patience: float = 0.0) -> Reply:
        """Sends one request and reads its reply.

        Args:
            limit: the largest reply body, in bytes.
            deadline: by ``time.monotonic()``, for all of it.
            patience: seconds during which a refused connection is tried again.

        Raises:
            StreamLost, ProverGone, http.ReplyError, http.ReplyTooLarge
            TimeoutError: the stream is unusable afterwards.
        """
        self._connection += 1
        parser = http.ReplyParser(limit)
        try:
            for piece in frames.request_frames(self._connection, patience, request):
                self._arm(deadline)
                self._sock.sendall(piece)
            reply = self._read_reply(parser, deadline)
            self._sock.sendall(frames.close_frame(self._connection))
        except TimeoutError:
            raise
        except (OSError, ValueError, frames.FramingError) as error:
            raise StreamLost(f"{error} {self.diagnostics}".strip(), parser.begun) from error
        return reply

    @property
    def diagnostics(self) -> str:
        return self._stderr.decode("utf-8", "replace").strip()

    def abort(self) -> None:
        """Ends the stream, and with it an exchange on another thread."""
        with contextlib.suppress(OSError, AttributeError):
            self._sock.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):
            self._sock.close()

    def _read_reply(self, parser: http.ReplyParser, deadline: float) -> Reply:
        stale = 0
        while True:
            self._arm(deadline)
            data = self._sock.recv(RECEIVE)
            if not data:
                raise OSError("the relay ended")
            for frame in self._frames(data):
                if frame.connection != self._connection:
                    stale += len(frame.payload) + 1
                    if stale > LEFTOVERS:
                        raise frames.FramingError("endless leftovers of an earlier reply")
                    continue
                if self._take(frame, parser):
                    return Reply(parser.status, bytes(parser.body))

    def _take(self, frame: frames.Frame, parser: http.ReplyParser) -> bool:
        """Feeds the parser; True once the reply is complete."""
        if frame.kind is frames.Kind.REFUSED:
            raise ProverGone("nothing listens on port 3000")
        if frame.kind is frames.Kind.DATA:
            parser.feed(frame.payload)
        elif not parser.done:
            try:
                parser.eof()
            except http.ReplyError as error:
                raise ProverGone(str(error)) from None
        return parser.done

    def _frames(self, data: bytes) -> list[frames.Frame]:
        found: list[frames.Frame] = []
        for stream, payload in self._docker.feed(data):
            if stream == frames.STDOUT:
                found.extend(self._relay.feed(payload))
            else:
                self._stderr = (self._stderr + payload)[-DIAGNOSTICS:]
        return found

    def _arm(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
