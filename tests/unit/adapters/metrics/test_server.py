"""The page of figures over HTTP: who asks for something else, or for ever, gets little and goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from gpn_desktop.adapters.metrics.server import Limits, MetricsServer
from gpn_desktop.core.errors import PortInUse, StoreClosed
from gpn_desktop.services.readings import Readings

LIMITS = Limits(head=2048, seconds=1.0, connections=4, fresh=0.0)
GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


class Source:
    def __init__(self) -> None:
        self.reads = 0
        self.broken = False

    async def read(self) -> Readings:
        self.reads += 1
        if self.broken:
            raise StoreClosed("The store is closed.")
        return Readings(peers=4)


@pytest.fixture
async def served() -> AsyncIterator[tuple[Source, MetricsServer, int]]:
    source = Source()
    server = MetricsServer(source.read, "127.0.0.1", 0, LIMITS)
    await server.start()
    yield source, server, int(server.target.rsplit(":", 1)[1])
    await server.aclose()


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 3)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_scraper_gets_the_figures(served: tuple[Source, MetricsServer, int]) -> None:
    answer = await ask(served[2], GET)
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"gpn_peers 4.0\n" in body
    assert b"process_resident_memory_bytes" in body


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /metrics/../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),
        (b"GET /metrics SPDY/9\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 4096 + b"\r\n\r\n", b"431"),
    ],
)
async def test_who_asks_for_something_else_is_told_so(
    served: tuple[Source, MetricsServer, int], request_: bytes, status: bytes
) -> None:
    source, _, port = served
    answer = await ask(port, request_)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert source.reads == 0
    assert b" 200 " in await ask(port, GET)


async def test_connections_that_say_nothing_are_bounded_and_end(
    served: tuple[Source, MetricsServer, int],
) -> None:
    _, server, port = served
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
    began = time.monotonic()
    ended = await asyncio.gather(*(asyncio.wait_for(r.read(), 3) for r, _ in silent), return_exceptions=True)
    assert time.monotonic() - began < 2.5
    assert all(e == b"" or isinstance(e, ConnectionError) for e in ended)
    assert len(server._tasks) <= LIMITS.connections
    for _, writer in silent:
        writer.close()
    assert b" 200 " in await ask(port, GET)


async def test_a_store_that_is_closed_is_no_crash(served: tuple[Source, MetricsServer, int]) -> None:
    source, _, port = served
    source.broken = True
    assert b" 503 " in await ask(port, GET)
    source.broken = False
    assert b" 200 " in await ask(port, GET)


async def test_a_port_in_use_is_said_with_the_setting(served: tuple[Source, MetricsServer, int]) -> None:
    other = MetricsServer(Source().read, "127.0.0.1", served[2])
    with pytest.raises(PortInUse, match=r"metrics\.listen"):
        await other.start()


async def test_it_closes_at_once_whoever_is_connected() -> None:
    server = MetricsServer(Source().read, "127.0.0.1", 0)
    await server.start()
    port = int(server.target.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET ")
    await asyncio.sleep(0)
    began = time.monotonic()
    await server.aclose()
    await server.aclose()
    assert time.monotonic() - began < 1.0
    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()


async def test_a_page_is_made_once_for_many_askers() -> None:
    source = Source()
    server = MetricsServer(source.read, "127.0.0.1", 0, Limits(fresh=60.0))
    await server.start()
    port = int(server.target.rsplit(":", 1)[1])
    answers = await asyncio.gather(*(ask(port, GET) for _ in range(8)))
    assert all(b" 200 " in answer for answer in answers)
    assert source.reads == 1
    await server.aclose()
