"""One page over HTTP, for a Prometheus that comes by: whatever comes instead is bounded and answered.

It runs on the loop of the services, so nothing here may wait for a client, or work for one, without an end.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final

from gpn_desktop.adapters.metrics.exporter import CONTENT_TYPE, Exporter
from gpn_desktop.core.errors import ConfigError, GpnError, PortInUse
from gpn_desktop.services.readings import Readings

log = logging.getLogger("gpn.metrics")

PATH: Final = "/metrics"
CLOSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """``seconds`` for one connection, all in all; ``fresh`` seconds the same page is given out."""

    head: int = 8 * 1024
    seconds: float = 5.0
    connections: int = 16
    fresh: float = 1.0


class MetricsServer:
    """Serves what ``read`` finds, from ``start`` to ``aclose``. Port 0: any free one."""

    def __init__(
        self, read: Callable[[], Awaitable[Readings]], host: str, port: int, limits: Limits | None = None
    ) -> None:
        self._read = read
        self._host, self._port = host, port
        self._limits = limits or Limits()
        self._exporter = Exporter()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._page = b""
        self._made = float("-inf")

    @property
    def target(self) -> str:
        """HOST:PORT as it is."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen; PortInUse, or ConfigError for an address that is not this machine's."""
        try:
            self._server = await asyncio.start_server(
                self._accept, self._host, self._port, limit=self._limits.head
            )
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise PortInUse(f"metrics.listen: cannot listen on {self.target}.") from error
            raise ConfigError(f"metrics.listen: cannot listen on {self.target}: {error.strerror}.") from error
        self._port = self._server.sockets[0].getsockname()[1]
        log.info("metrics are served on http://%s%s", self.target, PATH)
        if not ip_address(self._host).is_loopback:
            log.warning("metrics.listen: whoever reaches %s can read this node's figures", self.target)

    async def aclose(self) -> None:
        """End within a second, whoever is connected; idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None or len(self._tasks) >= self._limits.connections:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="metrics")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("the metrics could not be served", exc_info=error)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
                async with asyncio.timeout(self._limits.seconds):
                    writer.write(await self._answer(reader))
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        finally:
            writer.transport.abort()  # what was written is out, or its time is up

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        parts = head.split(b"\r\n", 1)[0].split(b" ")
        if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):
            return _refusal(HTTPStatus.BAD_REQUEST)
        if parts[1].split(b"?", 1)[0] != PATH.encode():
            return _refusal(HTTPStatus.NOT_FOUND)
        if parts[0] != b"GET":
            return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Allow: GET\r\n")
        try:
            return _answer(HTTPStatus.OK, CONTENT_TYPE, await self._current())
        except GpnError as error:
            log.warning("the metrics cannot be read: %s", error)
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE)

    async def _current(self) -> bytes:
        """Made anew when it is older than ``fresh`` seconds: to ask all the time costs this node nothing."""
        async with self._turn:
            now = asyncio.get_running_loop().time()
            if now - self._made >= self._limits.fresh:
                self._page = self._exporter.text(await self._read())
                self._made = now
            return self._page


def _refusal(status: HTTPStatus, more: str = "") -> bytes:
    return _answer(status, "text/plain; charset=utf-8", f"{status.phrase}\n".encode(), more)


def _answer(status: HTTPStatus, kind: str, body: bytes, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"{more}X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
