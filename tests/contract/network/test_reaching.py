"""The way to peers: contacts that come late, stale addresses, IPv6, connections that carry nothing."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gpn_desktop.adapters.p2p import book, patches
from gpn_desktop.adapters.p2p.identity import peer_of_secret
from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.core.errors import PortInUse
from gpn_desktop.ports.network import PeerDown, PeerUp
from tests.contract.network.world import DOMAIN, LibP2PWorld, Node, joined, key

Start = Callable[[int, NetworkOptions], Awaitable[Node]]
CHUNK = 16 * 1024
no_ipv6 = not socket.has_ipv6


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def address(number: int, port: int) -> str:
    return f"/ip4/127.0.0.1/tcp/{port}/p2p/{peer_of_secret(key(number).secret)}"


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    world = LibP2PWorld()

    async def begin(number: int, options: NetworkOptions) -> Node:
        made = Node(LibP2PNetwork(key(number), DOMAIN, options), key(number), DOMAIN)
        world.nodes.append(made)
        await made.start()
        return made

    yield begin
    await world.close()


@dataclass
class Line:
    """A wire to a node that can go dead: connections stay, and nothing comes through."""

    port: int
    dead: bool = False
    pause: float = 0.0  # seconds after each 16 KiB that go out
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.dead:
            self._writers.add(writer)
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port, limit=CHUNK)
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            if not self.dead:
                writer.write(data)
            await asyncio.sleep(self.pause)
        if not self.dead:
            writer.close()

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def line(port: int, dead: bool = False, pause: float = 0.0) -> AsyncIterator[tuple[Line, int]]:
    """A wire to a port, and the port at this end of it."""
    made = Line(port, dead, pause)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)  # little is on its way at a time
    listening.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(made.serve, sock=listening, limit=CHUNK)
    try:
        yield made, int(server.sockets[0].getsockname()[1])
    finally:
        made.close()
        server.close()


async def test_a_bootstrap_peer_that_comes_late_is_found(start: Start) -> None:
    port = free_port()
    early = await start(2, NetworkOptions(bootstrap=(address(1, port),)))
    assert not early.connections()
    late = await start(1, NetworkOptions(port=port))
    await early.until(lambda: late.address in early.connections())


async def test_one_good_address_among_stale_ones_is_enough(start: Start, tmp_path: Path) -> None:
    kept = tmp_path / "peers.json"
    there = await start(1, NetworkOptions())
    stale = [address(number, free_port()) for number in range(10, 40)]
    kept.write_text(json.dumps([*stale, *there.network.listen_addresses()]))
    here = await start(2, NetworkOptions(book=kept))
    await here.until(lambda: there.address in here.connections())


async def test_a_peer_that_moved_is_found_where_it_is_now(start: Start) -> None:
    """Its old places take connections and never answer."""
    there = await start(1, NetworkOptions())
    (good,) = there.network.listen_addresses()
    async with (
        line(0, dead=True) as (_, one),
        line(0, dead=True) as (_, two),
        line(0, dead=True) as (_, three),
    ):
        old = [address(1, port) for port in (one, two, three)]
        here = await start(2, NetworkOptions(bootstrap=(*old, good)))
        await here.until(lambda: there.address in here.connections())


async def test_who_knows_a_peer_that_moved_tells_the_others(start: Start) -> None:
    first = await start(1, NetworkOptions())
    contact = NetworkOptions(bootstrap=first.network.listen_addresses())
    moving, third = await start(2, contact), await start(3, contact)
    await third.until(lambda: moving.address in third.connections())
    await moving.close()
    await third.until(lambda: moving.address not in third.connections())
    await start(2, contact)  # on another port
    await third.until(lambda: moving.address in third.connections())


async def test_a_connection_that_carries_nothing_is_given_up(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patches, "PULSE", 0.2)
    monkeypatch.setattr(patches, "PULSE_PAUSE", 0.2)
    monkeypatch.setattr(patches, "PULSE_WITHIN", 0.5)
    there = await start(1, NetworkOptions())
    port = int(there.network.listen_addresses()[0].split("/")[4])
    async with line(port) as (wire, near):
        here = await start(2, NetworkOptions(bootstrap=(address(1, near),)))
        await joined(here, there)
        await asyncio.sleep(1)  # several times the pulse: a line that is well is left alone
        assert PeerDown(there.address) not in here.seen
        wire.dead = True
        for one, other in ((here, there), (there, here)):
            await one.until(lambda a=one, b=other: PeerDown(b.address) in a.seen)  # type: ignore[misc]


async def test_a_slow_connection_is_not_taken_for_a_dead_one(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pings wait behind what is uploaded, for longer than their answers may take."""
    monkeypatch.setattr(patches, "PULSE", 0.1)
    monkeypatch.setattr(patches, "PULSE_PAUSE", 0.1)
    monkeypatch.setattr(patches, "PULSE_WITHIN", 0.5)
    there = await start(1, NetworkOptions())
    port = int(there.network.listen_addresses()[0].split("/")[4])
    async with line(port, pause=0.1) as (_, near):
        here = await start(2, NetworkOptions(bootstrap=(address(1, near),)))
        await there.until(lambda: here.address in there.connections())
        blob = bytes(768 * 1024)
        assert await there.network.fetch(here.shelf.put(blob), len(blob), [here.address], 20) == blob
        assert PeerDown(here.address) not in there.seen
        assert PeerDown(there.address) not in here.seen


async def test_gossip_that_a_dead_connection_took_along_is_asked_for(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer has come back on a second connection, so it never was gone: it is told as up once more."""
    monkeypatch.setattr(patches, "PULSE_WITHIN", 0.5)
    there = await start(1, NetworkOptions())
    port = int(there.network.listen_addresses()[0].split("/")[4])
    async with line(port) as (wire, near):
        here = await start(2, NetworkOptions(bootstrap=(address(1, near),)))
        await joined(here, there)
        wire.dead = True
        assert isinstance(there.network, LibP2PNetwork)
        # As after a partition that only the other side has noticed.
        back = address(2, int(here.network.listen_addresses()[0].split("/")[4]))
        await there.network._call(dial_again, there.network, back)
        for one, other in ((here, there), (there, here)):
            await one.until(lambda a=one, b=other: a.seen.count(PeerUp(b.address)) == 2)  # type: ignore[misc]
            assert PeerDown(other.address) not in one.seen
        await joined(here, there)
        message = there.decline("after")
        await there.network.publish(message)
        await here.gets(message)


async def dial_again(network: LibP2PNetwork, where: str) -> None:
    """On the trio side: a second connection to a peer."""
    stack = network._engine.stack
    assert stack is not None
    peer, place = book.split(where)
    await stack.swarm._dial_addr_single_attempt(place, peer)


@pytest.mark.skipif(no_ipv6, reason="this machine has no IPv6")
async def test_peers_meet_by_ipv6(start: Start) -> None:
    first = await start(1, NetworkOptions(host="::1"))
    (where,) = first.network.listen_addresses()
    assert where.startswith("/ip6/::1/tcp/")
    contact = NetworkOptions(host="::1", bootstrap=(where,))
    second, third = await start(2, contact), await start(3, contact)
    await third.until(lambda: {first.address, second.address} <= third.connections())
    assert all(peer.address.startswith("/ip6/::1/tcp/") for peer in third.network.peers())


@pytest.mark.skipif(no_ipv6, reason="this machine has no IPv6")
async def test_one_node_listens_on_both_families(start: Start) -> None:
    both = await start(1, NetworkOptions(host="::"))
    assert isinstance(both.network, LibP2PNetwork)
    stack = both.network._engine.stack
    assert stack is not None
    places = [str(place) for listener in stack.swarm.listeners.values() for place in listener.get_addrs()]
    ports = {place.split("/")[1]: place.split("/")[4] for place in places}
    peer = peer_of_secret(key(1).secret)
    by_four = f"/ip4/127.0.0.1/tcp/{ports['ip4']}/p2p/{peer}"
    by_six = f"/ip6/::1/tcp/{ports['ip6']}/p2p/{peer}"
    one = await start(2, NetworkOptions(bootstrap=(by_four,)))
    other = await start(3, NetworkOptions(host="::1", bootstrap=(by_six,)))
    await both.until(lambda: {one.address, other.address} <= both.connections())


@pytest.mark.skipif(no_ipv6, reason="this machine has no IPv6")
async def test_a_taken_port_is_said_by_ipv6_too(start: Start) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken, pytest.raises(PortInUse):
        await start(1, NetworkOptions(host="::1", port=taken.getsockname()[1]))


async def test_an_announced_address_names_the_node(start: Start) -> None:
    """Whoever sets it knows the address, and hardly the peer id."""
    public = "/ip4/203.0.113.5/tcp/4410"
    me = peer_of_secret(key(1).secret)
    plain = await start(1, NetworkOptions(announce=(public, address(2, 1))))
    assert plain.network.listen_addresses() == (f"{public}/p2p/{me}",)
