"""What every network does: one suite for libp2p and for the one in memory."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
import trio

from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import FetchFailed, NetworkDown, PortInUse
from gpn_desktop.core.messages import MAX_INLINE_BYTES, PeerMessage, StatusMessage
from gpn_desktop.core.types import Address
from gpn_desktop.ports.network import PeerDown
from tests.contract.network.world import (
    CONSUMER,
    DOMAIN,
    OTHER_DOMAIN,
    LibP2PWorld,
    Node,
    Shelf,
    World,
    eventually,
    hash_of,
    joined,
    key,
)

MIB = 1 << 20


async def five(world: World) -> list[Node]:
    first = await world.node(1)
    nodes = [first, *[await world.node(n, first) for n in range(2, 6)]]
    await joined(*nodes)
    return nodes


async def test_a_message_reaches_every_member_with_signer_and_author(world: World) -> None:
    nodes = await five(world)
    for speaker in (nodes[0], nodes[4]):
        messages: list[PeerMessage] = [
            speaker.decline("a"),
            speaker.announcement("b", b"proof"),
            speaker.votes("c", 64),
        ]
        for message in messages:
            await speaker.network.publish(message)
            for listener in nodes:
                if listener is not speaker:
                    assert (await listener.gets(message)).author == speaker.address
        assert not [m for m in speaker.messages() if m in messages], "an own message is not an event"


async def test_a_request_carries_its_consumers_signature_whoever_brings_it(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    consumer = key(77)
    await joined(a, b, consumer=consumer.address)
    message = a.request("r1", os.urandom(MAX_INLINE_BYTES), consumer)
    await a.network.publish(message)
    received = await b.gets(message)
    assert received.author == a.address
    assert message.signed.signer == consumer.address


async def test_status_reaches_everybody_without_joining(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await b.until(lambda: a.address in b.connections())
    seen = StatusMessage("1.2.3", 17, (CONSUMER,))

    def heard() -> bool:
        return seen in b.messages()

    async with asyncio.timeout(20):
        while not heard():  # a status is said again and again; subscriptions need a moment
            await a.network.publish(seen)
            await asyncio.sleep(0.1)
    assert heard()


async def test_only_members_of_the_topic_get_its_messages(world: World) -> None:
    a, b, c = [first := await world.node(1), await world.node(2, first), await world.node(3, first)]
    other = Address(b"\x33" * 20)
    await joined(a, b)
    await joined(a, c, consumer=other)
    mine, theirs = a.decline("mine"), a.decline("theirs", other)
    await a.network.publish(mine)
    await a.network.publish(theirs)
    await b.gets(mine)
    await c.gets(theirs)
    assert theirs not in b.messages()
    assert mine not in c.messages()


async def test_a_late_subscriber_hears_what_comes_and_syncs_what_was(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await joined(a, b)
    old = a.decline("old")
    await a.network.publish(old)
    await b.gets(old)
    a.shelf.kept.append(old)
    late = await world.node(3, b)
    await late.until(lambda: {a.address, b.address} <= late.connections())
    await joined(a, b, late)
    assert await late.network.sync(a.address, CONSUMER, 0) == ([old], 1)
    new = a.decline("new")
    await a.network.publish(new)
    assert (await late.gets(new)).author == a.address


async def test_leaving_ends_the_flow(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    c = await world.node(3, a)
    await joined(a, b, c)
    await b.network.leave(CONSUMER)
    await eventually(lambda: a.network.committee_peers(CONSUMER) == 1)
    message = a.decline("after")
    await a.network.publish(message)
    await c.gets(message)
    assert message not in b.messages()
    await b.network.leave(CONSUMER)  # idempotent
    await joined(a, b, c)
    again = a.decline("again")
    await a.network.publish(again)
    await b.gets(again)


async def test_another_domain_is_another_network(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    foreign = await world.node(3, a, domain=OTHER_DOMAIN)
    await foreign.until(lambda: a.address in foreign.connections())
    await foreign.network.join(CONSUMER)
    await joined(a, b)
    message = a.decline("x")
    await a.network.publish(message)
    await foreign.network.publish(foreign.decline("y"))
    await b.gets(message)
    foreign.shelf.kept.append(foreign.decline("z"))
    assert await a.network.sync(foreign.address, CONSUMER, 0) == ([], 1)
    assert foreign.network.committee_peers(CONSUMER) == 0
    assert not foreign.messages()
    assert not a.messages()


@pytest.mark.parametrize("size", [0, 1, 1000, MIB, 32 * MIB])
async def test_a_blob_comes_whole(world: World, size: int) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await b.until(lambda: a.address in b.connections())
    blob = os.urandom(size)
    hash32 = a.shelf.put(blob)
    assert await b.network.fetch(hash32, size, [a.address], 20) == blob


async def test_a_provider_of_other_bytes_is_passed_over(world: World) -> None:
    a = await world.node(1)
    liar, honest = await world.node(2, a), await world.node(3, a)
    await a.until(lambda: {liar.address, honest.address} <= a.connections())
    blob = os.urandom(MIB)
    hash32 = honest.shelf.put(blob)
    for lie in (os.urandom(MIB), b"", blob[:-1]):
        liar.shelf.blobs[hash32] = lie
        got = await a.network.fetch(hash32, MIB, [liar.address, honest.address], 20)
        assert got == blob


async def test_a_blob_that_comes_late_is_waited_for(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await b.until(lambda: a.address in b.connections())
    blob = os.urandom(5000)
    fetching = asyncio.create_task(b.network.fetch(keccak(blob), 5000, [a.address], 20))
    await asyncio.sleep(0)
    a.shelf.put(blob)
    assert await fetching == blob


@pytest.mark.parametrize("providers", ["nobody", "absent", "without", "unknown"])
async def test_a_blob_that_nobody_has_fails_in_time(world: World, providers: str) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await b.until(lambda: a.address in b.connections())
    names = {"nobody": [], "absent": [key(9).address], "without": [a.address], "unknown": [b.address]}
    start = time.monotonic()
    with pytest.raises(FetchFailed):
        await b.network.fetch(hash_of("nothing"), 100, names[providers], 0.5)
    assert time.monotonic() - start < 3


async def test_what_is_too_large_is_not_fetched(world: World) -> None:
    a = await world.node(1)
    with pytest.raises(FetchFailed):
        await a.network.fetch(hash_of("x"), 32 * MIB + 1, [key(2).address], 5)


async def test_history_comes_in_pages(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await b.until(lambda: a.address in b.connections())
    a.shelf.kept = [a.decline(f"n{n}") for n in range(150)]
    got: list[PeerMessage] = []
    cursor, pages = 0, 0
    while True:
        page, reached = await b.network.sync(a.address, CONSUMER, cursor)
        if not page:
            break
        got, cursor, pages = [*got, *page], reached, pages + 1
    assert got == a.shelf.kept
    assert pages > 1
    with pytest.raises(FetchFailed):
        await b.network.sync(key(9).address, CONSUMER, 0)


async def test_history_of_another_consumer_is_left_out(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await b.until(lambda: a.address in b.connections())
    good = a.decline("good")
    a.shelf.kept = [a.decline("bad", Address(b"\x44" * 20)), good]
    assert await b.network.sync(a.address, CONSUMER, 0) == ([good], 2)


async def test_a_banned_peer_is_gone_until_its_time_is_over(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await a.until(lambda: b.address in a.connections())
    a.network.ban(b.address, 1.5, "test")
    await a.until(lambda: b.address not in a.connections())
    await eventually(lambda: not a.network.peers())
    await a.until(lambda: b.address in a.connections())
    await joined(a, b)
    message = b.decline("back")
    await b.network.publish(message)
    await a.gets(message)


async def test_a_restarted_peer_is_found_again(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await joined(a, b)
    await b.close()
    await a.until(lambda: PeerDown(b.address) in a.seen)
    again = await world.node(2, a)
    await a.until(lambda: b.address in a.connections())
    await joined(a, again)
    message = again.decline("hello again")
    await again.network.publish(message)
    await a.gets(message)


async def test_a_restarted_bootstrap_peer_is_dialled_again(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await b.until(lambda: a.address in b.connections())
    port = int(a.network.listen_addresses()[0].split("/p2p/")[0].replace(":", "/").rsplit("/", 1)[1])
    await a.close()
    await b.until(lambda: a.address not in b.connections())
    await world.node(1, options=NetworkOptions(port=port))
    await b.until(lambda: a.address in b.connections())
    assert [p.peer for p in b.network.peers()] == [a.address]


async def test_one_contact_is_enough_to_meet_everybody(world: World) -> None:
    first = await world.node(1)
    others = [await world.node(n, first) for n in range(2, 6)]
    everybody = {n.address for n in (first, *others)}
    for node in (first, *others):

        def complete(node: Node = node) -> bool:
            return node.connections() == everybody - {node.address}

        await node.until(complete)
        assert {p.peer for p in node.network.peers()} == everybody - {node.address}


async def test_peers_are_described(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await joined(a, b)
    await eventually(lambda: a.network.peers()[0].latency_ms is not None)
    (peer,) = a.network.peers()
    assert peer.peer == b.address
    assert peer.consumers == (CONSUMER,)
    assert peer.address
    assert peer.score == 0
    assert peer.latency_ms is not None
    assert 0 <= peer.latency_ms < 2000


async def test_connecting_by_hand(world: World) -> None:
    a, b = await world.node(1), await world.node(2)
    await a.network.connect(b.network.listen_addresses()[0])
    await a.until(lambda: b.address in a.connections())
    for nonsense in ("", "nonsense", "/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/udp/1/p2p/Qm"):
        with pytest.raises(NetworkDown):
            await a.network.connect(nonsense)


async def test_a_taken_port_is_said(world: World) -> None:
    a = await world.node(1)
    port = int(a.network.listen_addresses()[0].split("/p2p/")[0].replace(":", "/").rsplit("/", 1)[1])
    b = await world.node(2, options=NetworkOptions(port=port), start=False)
    with pytest.raises(PortInUse):
        await b.start()


async def test_a_topic_joined_while_a_peer_is_greeted_is_told_it_too() -> None:
    world = LibP2PWorld()
    try:
        a = await world.node(1)
        assert isinstance(a.network, LibP2PNetwork)
        engine = a.network._engine
        assert engine.stack is not None
        pubsub = engine.stack.pubsub
        hello = pubsub.get_hello_packet

        def hello_and_join() -> object:
            packet = hello()
            trio.lowlevel.spawn_system_task(engine.join, CONSUMER)
            return packet

        vars(pubsub)["get_hello_packet"] = hello_and_join
        b = await world.node(2, a)
        async with asyncio.timeout(5):  # well before everything is told again
            await eventually(lambda: b.network.committee_peers(CONSUMER) == 1)
    finally:
        await world.close()


@pytest.mark.parametrize("host", ["203.0.113.1", "nonsense"])
async def test_a_host_that_is_not_this_machine_is_said(host: str) -> None:
    network = LibP2PNetwork(key(1), DOMAIN, NetworkOptions(host=host))
    with pytest.raises(NetworkDown):
        await network.start(Shelf())
    await network.aclose()


async def test_closing_twice_and_using_a_closed_network(world: World) -> None:
    a = await world.node(1)
    await a.network.join(CONSUMER)
    start = time.monotonic()
    await a.close()
    await a.network.aclose()
    assert time.monotonic() - start < 5
    for call in (
        a.network.publish(a.decline("x")),
        a.network.join(CONSUMER),
        a.network.leave(CONSUMER),
        a.network.fetch(hash_of("x"), 1, [key(2).address], 1),
        a.network.sync(key(2).address, CONSUMER, 0),
        a.network.connect("/ip4/127.0.0.1/tcp/1"),
    ):
        with pytest.raises(NetworkDown):
            await call


async def test_closing_what_never_started(world: World) -> None:
    a = await world.node(1, start=False)
    await a.network.aclose()
    with pytest.raises(NetworkDown):
        await a.network.publish(a.decline("x"))


async def test_peers_are_remembered_between_runs(tmp_path: Path) -> None:
    world = LibP2PWorld()
    try:
        a = await world.node(1)
        options = NetworkOptions(book=tmp_path / "peers.json")
        b = await world.node(2, a, options=options)
        await b.until(lambda: a.address in b.connections())
        await b.close()
        again = await world.node(2, options=options)
        await again.until(lambda: a.address in again.connections())
        assert a.network.listen_addresses()[0] in (tmp_path / "peers.json").read_text()
    finally:
        await world.close()
