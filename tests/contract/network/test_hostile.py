"""Hostile peers against a libp2p node: after each of them it still hears, serves and answers the others."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import replace

import pytest
from libp2p.abc import INetStream
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.pubsub.pb import rpc_pb2

from gpn_desktop.adapters.p2p.frames import Frames
from gpn_desktop.adapters.p2p.identity import LENGTH, PREFIX, peer_of_secret
from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.adapters.p2p.options import Limits, NetworkOptions
from gpn_desktop.adapters.p2p.pb import peer_pb2 as pb
from gpn_desktop.adapters.p2p.topics import Kind
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import FetchFailed, NetworkDown
from gpn_desktop.core.messages import MAX_GOSSIP_BYTES, PeerMessage
from tests.contract.network.attacker import MESHSUB, NAMES, Attacker, engine_of
from tests.contract.network.world import (
    CONSUMER,
    OTHER_DOMAIN,
    LibP2PWorld,
    Node,
    eventually,
    joined,
    key,
)

STALL = 1.0
LIMITS = Limits(stall=STALL, peer_burst=600, author_burst=300, author_rate=60)


class Scene:
    """A victim, an honest peer and an attacker, all connected and in one committee."""

    def __init__(self, world: LibP2PWorld, victim: Node, honest: Node, attacker: Attacker) -> None:
        self.world, self.victim, self.honest, self.attacker = world, victim, honest, attacker
        self._count = 0

    async def still_works(self, restarts: int = 0) -> None:
        """The victim hears the honest peer, is heard, and serves what it has."""
        self._count += 1
        there, back = (n.decline(f"alive {self._count}") for n in (self.honest, self.victim))
        await self.honest.network.publish(there)
        await self.victim.gets(there)
        await self.victim.network.publish(back)
        await self.honest.gets(back)
        blob = os.urandom(100_000)
        hash32 = self.victim.shelf.put(blob)
        assert await self.honest.network.fetch(hash32, len(blob), [self.victim.address], 10) == blob
        assert engine_of(self.victim).restarts == restarts

    def heard(self) -> list[PeerMessage]:
        """What the victim took from the attacker."""
        honest = {m for m in self.victim.messages() if _is_alive(m, self.honest)}
        return [m for m in self.victim.messages() if m not in honest]


def _is_alive(message: PeerMessage, honest: Node) -> bool:
    return message in [honest.decline(f"alive {n}") for n in range(1, 9)]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    world = LibP2PWorld()
    options = NetworkOptions(limits=LIMITS)
    victim = await world.node(1, options=options)
    honest = await world.node(2, victim, options=options)
    bad = await world.node(3, victim, options=options)
    await joined(victim, honest, bad)
    yield Scene(world, victim, honest, Attacker(bad, victim))
    await world.close()


def port_of(node: Node) -> int:
    return int(node.network.listen_addresses()[0].split("/")[4])


async def test_noise_on_the_socket(scene: Scene) -> None:
    writers = []
    for garbage in (
        b"",
        b"\x00" * 100,
        os.urandom(5000),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x13/multistream/1.0.0\n",
    ):
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(scene.victim))
        writer.write(garbage)
        writers.append(writer)  # stays half open
    for _ in range(30):
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(scene.victim))
        writer.close()
    await scene.still_works()
    for writer in writers:
        writer.close()


async def test_noise_inside_the_secured_connection(scene: Scene) -> None:
    async def work() -> None:
        for connections in list(scene.attacker.stack.swarm.connections.values()):
            for connection in list(connections):
                await connection.muxed_conn.secured_conn.write(os.urandom(64))  # type: ignore[attr-defined]

    await scene.attacker.on_trio(work)
    await scene.still_works()


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 32,
        b"\x05" + b"\xff" * 5,
        b"\xff\xff\xff\xff\x0f" + b"x" * 100,
        b"\x80\x80\x80\x80\x01",
        b"\x7f" + b"\x0a" * 20,
        b"\x00" * 64,
    ],
)
async def test_garbage_on_the_gossip_stream(scene: Scene, data: bytes) -> None:
    for _ in range(3):
        await scene.attacker.send(MESHSUB, data)
    await scene.still_works()


@pytest.mark.parametrize("protocol", [NAMES.fetch, NAMES.sync, NAMES.peers, NAMES.attest])
@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x08" + b"\xff" * 8,
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x04\x0a\x02ab",
        b"\x00\x00",
    ],
)
async def test_garbage_on_a_direct_stream(scene: Scene, protocol: str, data: bytes) -> None:
    for _ in range(3):
        await scene.attacker.send(protocol, data)
    await scene.still_works()


async def test_an_offset_behind_the_end(scene: Scene) -> None:
    hash32 = scene.victim.shelf.put(b"0123456789")
    request = pb.FetchRequest(hash=hash32, offset=11).SerializeToString()
    answer = await scene.attacker.send(NAMES.fetch, len(request).to_bytes(4, "big") + request, answer=True)
    assert b"0123" not in answer
    await scene.still_works()


async def test_bogus_control_messages(scene: Scene) -> None:
    peer = rpc_pb2.PeerInfo(peerID=b"junk", signedPeerRecord=os.urandom(50))
    topic = NAMES.topic(Kind.VOTES, CONSUMER)
    control = rpc_pb2.ControlMessage(
        graft=[rpc_pb2.ControlGraft(topicID="no such topic")],
        prune=[rpc_pb2.ControlPrune(topicID=topic, peers=[peer], backoff=2**63)],
        ihave=[rpc_pb2.ControlIHave(topicID=topic, messageIDs=[b"zz", b"00", b"\xe9" * 500])],
        iwant=[rpc_pb2.ControlIWant(messageIDs=[b"zz", b"00" * 47])],
    )
    for _ in range(5):
        await scene.attacker.rpc(rpc_pb2.RPC(control=control, senderRecord=b"junk"))
        await scene.attacker.rpc(rpc_pb2.RPC(control=control))
    many = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=f"t{n}") for n in range(2000)]
    await scene.attacker.rpc(rpc_pb2.RPC(subscriptions=many))
    await scene.still_works()


async def test_leaving_and_joining_again_does_not_have_all_told_again(scene: Scene) -> None:
    attacker, victim = scene.attacker, scene.victim
    said = [scene.honest.decline(f"recent {n}") for n in range(20)]
    for message in said:
        await scene.honest.network.publish(message)
    for message in said:
        await victim.gets(message)
    heard, topic = attacker.handed_over(), NAMES.topic(Kind.PROOFS, CONSUMER)
    again = [rpc_pb2.RPC.SubOpts(subscribe=joins, topicid=topic) for joins in (False, True)]
    own, last = attacker.node.decline("after it"), victim.decline("after that")
    await attacker.rpc(
        *(rpc_pb2.RPC(subscriptions=again) for _ in range(400)),
        rpc_pb2.RPC(publish=[attacker.signed(attacker.envelope(own))]),
    )
    await victim.gets(own)
    await victim.network.publish(last)
    await attacker.node.gets(last)
    assert len(heard) < 3 * len(said)
    await scene.still_works()


async def test_forged_gossip(scene: Scene) -> None:
    good = scene.attacker.envelope(scene.attacker.node.decline("never"))
    forged = []
    for change in ("unsigned", "signature", "key", "author", "junk author", "no point", "topics", "seqno"):
        message = scene.attacker.signed(good)
        if change == "unsigned":
            message.ClearField("signature")
        elif change == "signature":
            message.signature = os.urandom(70)
        elif change == "key":
            message.from_id, message.key = os.urandom(34), b"junk"
        elif change == "author":
            message.from_id = engine_of(scene.honest).me.to_bytes()
        elif change == "junk author":
            message.from_id = os.urandom(39)
        elif change == "no point":
            message.from_id = (PREFIX + b"\x02" + b"\xff" * 32)[:LENGTH]
        elif change == "topics":
            message.topicIDs.append(NAMES.topic(Kind.VOTES, CONSUMER))
        else:
            message.seqno = b"\x01"
        forged.append(message)
    for message in forged:
        await scene.attacker.gossip(message)
    await scene.still_works()
    assert not scene.heard()


@pytest.mark.parametrize("size", [MAX_GOSSIP_BYTES + 1, 200_000, 1_000_000])
async def test_oversize_gossip(scene: Scene, size: int) -> None:
    await scene.attacker.gossip(scene.attacker.signed(os.urandom(size)))
    await scene.still_works()
    assert not scene.heard()


async def test_content_that_is_no_message(scene: Scene) -> None:
    decline = pb.Envelope()
    decline.ParseFromString(scene.attacker.envelope(scene.attacker.node.decline("x")))
    short, long, unknown = pb.Envelope(), pb.Envelope(), decline.SerializeToString() + b"\xf8\x01\x01"
    short.CopyFrom(decline)
    short.decline.request_id = b"short"
    long.CopyFrom(decline)
    long.decline.reason = "x" * 65
    wrong = pb.Envelope()
    wrong.CopyFrom(decline)
    wrong.decline.signature = bytes(65)
    for data in (
        b"",
        os.urandom(300),
        unknown,
        *(e.SerializeToString() for e in (short, long, wrong, pb.Envelope(sent_ms=1))),
    ):
        await scene.attacker.gossip(scene.attacker.signed(data))
    await scene.still_works()
    assert not scene.heard()
    assert scene.victim.network.drops().malformed >= 7


async def test_statements_of_others(scene: Scene) -> None:
    """Foreign signers, a foreign gateway, a foreign domain, and the wrong topic."""
    other = Node(scene.honest.network, key(8), scene.honest.domain)
    elsewhere = Node(scene.attacker.node.network, scene.attacker.node.key, OTHER_DOMAIN)
    mine = scene.attacker.node
    proofs, votes, requests = (NAMES.topic(k, CONSUMER) for k in (Kind.PROOFS, Kind.VOTES, Kind.REQUESTS))
    consumer = replace(key(7))
    for message, topic in (
        (other.decline("a"), proofs),
        (other.announcement("b", b"proof"), proofs),
        (other.votes("c"), votes),
        (elsewhere.decline("d"), proofs),
        (mine.votes("e"), requests),
        (other.request("f", b"x", consumer), NAMES.topic(Kind.REQUESTS, consumer.address)),
    ):
        await scene.attacker.gossip(scene.attacker.signed(scene.attacker.envelope(message), topic))
    await scene.still_works()
    assert not scene.heard()


async def test_a_replayed_message_counts_once(scene: Scene) -> None:
    mine = scene.attacker.node.decline("once")
    message = scene.attacker.signed(scene.attacker.envelope(mine))
    for _ in range(20):
        await scene.attacker.gossip(message, message)
    await scene.victim.gets(mine)
    await scene.still_works()
    assert scene.heard() == [mine]


@pytest.mark.parametrize("age", [LIMITS.max_age + 5, -LIMITS.max_skew - 5])
async def test_a_message_of_another_time(scene: Scene, age: float) -> None:
    stale = scene.attacker.envelope(scene.attacker.node.decline("old"), age)
    await scene.attacker.gossip(scene.attacker.signed(stale))
    await eventually(lambda: scene.victim.network.drops().stale == 1)
    await scene.still_works()
    assert not scene.heard()
    assert engine_of(scene.victim).standing.score(scene.attacker.node.address) == 0


async def test_a_flood_is_dropped_and_its_author_banned(scene: Scene) -> None:
    attacker, mine = scene.attacker, scene.attacker.node
    messages = [attacker.signed(attacker.envelope(mine.decline(f"flood {n}"))) for n in range(3000)]
    for first in range(0, len(messages), 200):
        await attacker.gossip(*messages[first : first + 200])
    await eventually(lambda: scene.victim.network.drops().total > 0)
    await scene.still_works()
    assert len(scene.heard()) < 1000
    await scene.victim.until(lambda: mine.address not in scene.victim.connections())


async def test_enough_malformed_messages_are_a_ban(scene: Scene) -> None:
    for _ in range(15):
        await scene.attacker.gossip(scene.attacker.signed(os.urandom(50)))
        if scene.attacker.node.address not in scene.victim.connections():
            break
    await scene.victim.until(lambda: scene.attacker.node.address not in scene.victim.connections())
    await scene.still_works()


async def test_another_key_type_is_refused(scene: Scene) -> None:
    from libp2p import new_host
    from libp2p.peer.peerinfo import info_from_p2p_addr
    from multiaddr import Multiaddr  # type: ignore[import-untyped]

    before = scene.victim.connections()

    async def work() -> bool:
        host = new_host(key_pair=create_new_key_pair())
        async with host.run([Multiaddr("/ip4/127.0.0.1/tcp/0")]):
            try:
                await host.connect(info_from_p2p_addr(Multiaddr(scene.victim.network.listen_addresses()[0])))
                stream = await host.new_stream(engine_of(scene.victim).me, [TProtocol(NAMES.peers)])
                await stream.write(b"\x00\x00\x00\x00")
                return bool(await stream.read(1))
            except Exception:  # noqa: BLE001 - refused at whichever step
                return False

    assert not await scene.attacker.on_trio(work)
    assert scene.victim.connections() == before
    await scene.still_works()


async def _answer_with(attacker: Attacker, protocol: str, *frames: bytes) -> None:
    """Have the attacker answer every request on a protocol with these frames, then hang."""

    async def handler(stream: INetStream) -> None:
        channel = Frames(stream, 5)
        await channel.receive(1 << 20)
        for frame in frames:
            await channel.send(frame)
        await channel.receive(1)

    attacker.stack.host.set_stream_handler(TProtocol(protocol), handler)


async def test_a_hostile_history(scene: Scene) -> None:
    attacker = scene.attacker
    good, decline = attacker.node.decline("good"), pb.Envelope()
    decline.ParseFromString(attacker.envelope(good))
    endless = pb.SyncPage(messages=[decline], cursor=0)
    too_long = pb.SyncPage(messages=[decline] * 65, cursor=70)
    for page in (os.urandom(100), endless.SerializeToString(), too_long.SerializeToString()):
        await _answer_with(attacker, NAMES.sync, page)
        with pytest.raises(FetchFailed):
            await scene.victim.network.sync(attacker.node.address, CONSUMER, 0)
    assert engine_of(scene.victim).standing.score(attacker.node.address) < -8
    scene.victim.network.ban(attacker.node.address, 0, "forgiven")
    mixed = pb.SyncPage(messages=[decline, pb.Envelope(sent_ms=4)], cursor=2)
    await _answer_with(attacker, NAMES.sync, mixed.SerializeToString())
    assert await scene.victim.network.sync(attacker.node.address, CONSUMER, 0) == ([good], 2)
    await scene.still_works()


@pytest.mark.parametrize(
    "reply", [b"\xff" * 8, pb.AttestReply(signature=bytes(64)).SerializeToString(), bytes(200)]
)
async def test_a_hostile_batch_vote(scene: Scene, reply: bytes) -> None:
    await _answer_with(scene.attacker, NAMES.attest, reply)
    with pytest.raises(FetchFailed):
        await scene.victim.network.attest(scene.attacker.node.address, (keccak(b"vote"),), 5)
    await scene.still_works()


async def test_a_provider_that_stalls_or_breaks_off_is_resumed_from_another(scene: Scene) -> None:
    blob = os.urandom(300_000)
    hash32 = keccak(blob)
    scene.honest.shelf.blobs[hash32] = blob
    head = pb.FetchHead(found=True, size=len(blob)).SerializeToString()
    await _answer_with(scene.attacker, NAMES.fetch, head, blob[:65536], blob[65536:131072])
    asked: list[int] = []
    serve = engine_of(scene.honest)._shelf.take

    async def take(wanted: object) -> bytes | None:
        asked.append(1)
        return await serve(hash32)

    vars(engine_of(scene.honest)._shelf)["take"] = take
    providers = [scene.attacker.node.address, scene.honest.address]
    assert await scene.victim.network.fetch(hash32, len(blob), providers, 20) == blob
    assert asked == [1]
    lies = os.urandom(131072)
    await _answer_with(scene.attacker, NAMES.fetch, head, lies[:65536], lies[65536:])
    assert await scene.victim.network.fetch(hash32, len(blob), providers, 20) == blob
    await _answer_with(scene.attacker, NAMES.fetch, head, b"")
    assert await scene.victim.network.fetch(hash32, len(blob), providers, 20) == blob
    await scene.still_works()


async def test_junk_in_the_peer_exchange(scene: Scene) -> None:
    no_point = "/ip4/127.0.0.1/tcp/1/p2p/" + _base58(PREFIX + b"\x02" + b"\xff" * 32)
    junk = ["", "x" * 9000, "/ip4/1.2.3.4/udp/1", "/ip4/127.0.0.1/tcp/99999/p2p/Qm", no_point]
    await _answer_with(scene.attacker, NAMES.peers, pb.PeersReply(addresses=junk[:1]).SerializeToString())
    request = pb.PeersRequest(addresses=junk).SerializeToString()
    await scene.attacker.send(NAMES.peers, len(request).to_bytes(4, "big") + request, answer=True)
    engine = engine_of(scene.victim)
    for address in junk:
        assert engine.book.learn(address) is None
    await scene.still_works()


async def test_a_flood_of_identities_does_not_push_out_a_connected_peer(scene: Scene) -> None:
    engine = engine_of(scene.victim)
    peers = [peer_of_secret(number.to_bytes(32, "big")) for number in range(10_000, 15_000)]
    left: Future[object] = Future()

    def flood() -> None:
        for peer in peers:
            engine.roster.address(peer)
        left.set_result(engine.roster.peer(scene.honest.address))

    # In the network's own thread, which would otherwise look at its peers in the middle of it.
    assert isinstance(scene.victim.network, LibP2PNetwork)
    scene.victim.network._thread.post(flood)
    assert await asyncio.wrap_future(left) is None
    hash32 = scene.honest.shelf.put(b"still reachable")
    assert await scene.victim.network.fetch(hash32, 15, [scene.honest.address], 5) == b"still reachable"
    await scene.still_works()


async def test_a_host_that_ends_is_started_again_where_it_was(scene: Scene) -> None:
    engine, before = engine_of(scene.victim), scene.victim.network.listen_addresses()

    async def bug() -> None:
        raise KeyError("a bug of the library")

    assert engine._nursery is not None
    assert isinstance(scene.victim.network, LibP2PNetwork)
    nursery = engine._nursery
    scene.victim.network._thread.post(nursery.start_soon, bug)
    await scene.victim.until(lambda: not scene.victim.connections())
    with pytest.raises(NetworkDown):
        await scene.victim.network.publish(scene.victim.decline("now"))
    await scene.victim.until(lambda: scene.honest.address in scene.victim.connections())
    assert engine.restarts == 1
    assert scene.victim.network.listen_addresses() == before
    await joined(scene.victim, scene.honest)
    await scene.still_works(restarts=1)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_thread_that_dies_is_replaced_where_it_was(scene: Scene, times: int) -> None:
    network = scene.victim.network
    assert isinstance(network, LibP2PNetwork)
    before = network.listen_addresses()

    def die() -> None:
        raise SystemExit("trio ends with a TrioInternalError")

    for death in range(1, times + 1):
        began = time.monotonic()
        fetching = asyncio.ensure_future(network.fetch(bytes(32), 10, [scene.honest.address], 20))
        network._thread.post(die)
        with pytest.raises((NetworkDown, FetchFailed)):
            await fetching
        await scene.victim.until(lambda: not scene.victim.connections())
        await scene.victim.until(lambda: scene.honest.address in scene.victim.connections())
        assert engine_of(scene.victim).restarts == death
        assert time.monotonic() - began < 5
    assert network.listen_addresses() == before
    await joined(scene.victim, scene.honest)
    await scene.still_works(restarts=times)


async def test_closing_while_a_dead_thread_is_replaced(scene: Scene) -> None:
    network = scene.victim.network
    assert isinstance(network, LibP2PNetwork)

    def die() -> None:
        raise SystemExit

    network._thread.post(die)
    await scene.victim.until(lambda: not scene.victim.connections())
    began = time.monotonic()
    await scene.victim.close()
    assert time.monotonic() - began < 5


def _base58(raw: bytes) -> str:
    from libp2p.peer.id import ID

    return ID(raw).to_base58()
