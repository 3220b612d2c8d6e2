"""Nodes that find each other on the local network, here the loopback interface, where both want to."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator

import pytest
from zeroconf import IPVersion, ServiceInfo, Zeroconf

from gpn_desktop.adapters.p2p import lan
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.adapters.p2p.topics import Names
from tests.contract.network.world import DOMAIN, OTHER_DOMAIN, LibP2PWorld

WANTED = NetworkOptions(mdns=True)


@pytest.fixture
async def world() -> AsyncIterator[LibP2PWorld]:
    made = LibP2PWorld()
    yield made
    await made.close()
    assert not [t.name for t in threading.enumerate() if t.name.startswith("zeroconf")]


async def test_nodes_find_each_other_without_a_bootstrap_peer(world: LibP2PWorld) -> None:
    silent = await world.node(3)
    stranger = await world.node(4, domain=OTHER_DOMAIN, options=WANTED)
    a, b = await asyncio.gather(world.node(1, options=WANTED), world.node(2, options=WANTED))
    await a.until(lambda: b.address in a.connections())
    await b.until(lambda: a.address in b.connections())
    assert a.connections() == {b.address}
    assert silent.connections() == stranger.connections() == set()


async def test_whatever_is_announced_a_node_stays_and_finds_its_peers(world: LibP2PWorld) -> None:
    service = lan.service_of(Names(DOMAIN).base)
    liar = await asyncio.to_thread(Zeroconf, ["127.0.0.1"], ip_version=IPVersion.V4Only)
    try:
        for number, text in enumerate(
            (b"\xff\x00", b"/ip4/127.0.0.1/tcp/1", b"/ip4/192.0.2.1/tcp/1/p2p/x" * 9)
        ):
            name = f"liar{number}"
            info = ServiceInfo(
                service,
                f"{name}.{service}",
                addresses=[socket.inet_aton("127.0.0.1")],
                port=1,
                properties={lan.KEY: text},
                server=f"{name}.local.",
            )
            await asyncio.to_thread(liar.register_service, info)
        a, b = await asyncio.gather(world.node(1, options=WANTED), world.node(2, options=WANTED))
        await a.until(lambda: b.address in a.connections())
        assert a.connections() == {b.address}
    finally:
        await asyncio.to_thread(liar.close)


async def test_without_multicast_a_node_does_without(
    world: LibP2PWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused = asyncio.Event()
    loop = asyncio.get_running_loop()

    def refuse(*_: object, **__: object) -> Zeroconf:
        loop.call_soon_threadsafe(refused.set)
        raise OSError("no multicast here")

    monkeypatch.setattr(lan, "Zeroconf", refuse)
    a = await world.node(1, options=WANTED)
    await refused.wait()
    b = await world.node(2, a)
    await a.until(lambda: b.address in a.connections())
    assert "no multicast here" in caplog.text
