"""GossipSub: its frames, its notes, and messages that are none."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import trio
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2

from gpn_desktop.adapters.p2p.identity import LENGTH, PREFIX
from gpn_desktop.adapters.p2p.topics import Kind
from gpn_desktop.core.eip712 import address_of_secret, keccak
from gpn_desktop.core.messages import CastVote, RequestMessage, Signed, VotesMessage
from gpn_desktop.core.types import Address, Details, Gwei, Hash32, Request, Vote
from tests.attacks.peer import Hostile, Target, hostile

PERIOD = 0.005  # seconds between messages of a flood: two hundred a second
ELSEWHERE = Address(b"\x55" * 20)  # another consumer


async def garbage(target: Target) -> None:
    frames = (
        b"\xff" * 32,
        b"\x05" + b"\xff" * 5,
        b"\xff\xff\xff\xff\x0f" + b"x" * 100,
        b"\x7f" + b"\x0a" * 20,
    )
    async with hostile(target) as peer:
        while not peer.cut_off:
            for data in frames:
                stream = await peer.stream("/meshsub/1.1.0")
                await stream.write(data)
            await trio.sleep(0.02)


async def empty(target: Target) -> None:
    """A frame without content costs one byte; sixty thousand of them fit into one write."""
    async with hostile(target) as peer:
        while not peer.cut_off:
            await peer.raw_rpc(bytes(60_000))


async def graft_and_prune(target: Target) -> None:
    """Topics that do not exist, back-offs that never end, and addresses of others to be dialled."""
    async with hostile(target) as peer:
        number = 0
        while not peer.cut_off:
            number += 1
            made_up = [f"topic {number} {n}" for n in range(100)]
            record = _record(peer, target)
            px = [rpc_pb2.PeerInfo(peerID=_anybody().to_bytes(), signedPeerRecord=record) for _ in range(10)]
            prunes = [rpc_pb2.ControlPrune(topicID=t, peers=px, backoff=2**62) for t in made_up[:10]]
            ours = rpc_pb2.ControlPrune(topicID=target.topic(Kind.VOTES), peers=px, backoff=2**62)
            grafts = [rpc_pb2.ControlGraft(topicID=topic) for topic in made_up]
            await peer.rpc(
                rpc_pb2.RPC(
                    control=rpc_pb2.ControlMessage(graft=grafts, prune=[*prunes, ours]), senderRecord=record
                )
            )
            await trio.sleep(PERIOD)


def _record(peer: Hostile, target: Target) -> bytes:
    """A signed record of the attacker's own whose addresses are a bystander's."""
    from libp2p.peer.envelope import seal_record
    from libp2p.peer.peer_record import PeerRecord
    from multiaddr import Multiaddr  # type: ignore[import-untyped]

    ports = (*range(1, 9), target.bystander)
    addresses = [Multiaddr(f"/ip4/{target.source}/tcp/{port}") for port in ports]
    record = PeerRecord(peer.stack.host.get_id(), addresses, time.time_ns())
    return seal_record(record, peer.stack.host.get_private_key()).marshal_envelope()


def _anybody() -> ID:
    from gpn_desktop.adapters.p2p.identity import peer_of_secret

    return peer_of_secret(os.urandom(32))


async def ihave(target: Target) -> None:
    async with hostile(target) as peer:
        while not peer.cut_off:
            ids = [os.urandom(47).hex().encode() for _ in range(500)]
            notes = [rpc_pb2.ControlIHave(topicID=target.topic(Kind.VOTES), messageIDs=ids)]
            await peer.rpc(rpc_pb2.RPC(control=rpc_pb2.ControlMessage(ihave=notes)))
            await trio.sleep(PERIOD)


async def iwant(target: Target) -> None:
    """One message that the victim remembers, asked for a thousand times in each note."""
    async with hostile(target) as peer:
        heard = peer.signed(peer.envelope(peer.decline("heard")))
        await peer.rpc(rpc_pb2.RPC(publish=[heard]))
        name = (heard.seqno + heard.from_id).hex().encode()
        while not peer.cut_off:
            notes = [rpc_pb2.ControlIWant(messageIDs=[name] * 1000)]
            await peer.rpc(rpc_pb2.RPC(control=rpc_pb2.ControlMessage(iwant=notes)))
            await trio.sleep(0.05)


async def subscriptions(target: Target) -> None:
    """Topics without number, topics of a quarter of a megabyte, and real ones joined and left."""
    async with hostile(target) as peer:
        number = 0
        while not peer.cut_off:
            number += 1
            subs = rpc_pb2.RPC.SubOpts
            many = [subs(subscribe=True, topicid=f"t{number} {n}") for n in range(300)]
            await peer.rpc(rpc_pb2.RPC(subscriptions=many))
            await peer.rpc(
                rpc_pb2.RPC(subscriptions=[subs(subscribe=True, topicid=f"{number}" + "x" * 200_000)])
            )
            both = [subs(subscribe=s, topicid=target.topic(Kind.VOTES)) for s in (True, False) * 100]
            await peer.rpc(rpc_pb2.RPC(subscriptions=both))
            await trio.sleep(0.02)


async def malformed(target: Target) -> None:
    async with hostile(target) as peer:
        while not peer.cut_off:
            await peer.rpc(rpc_pb2.RPC(publish=[peer.signed(os.urandom(300))]))
            await trio.sleep(PERIOD)


async def oversize(target: Target) -> None:
    async with hostile(target) as peer:
        while not peer.cut_off:
            await peer.rpc(rpc_pb2.RPC(publish=[peer.signed(os.urandom(200_000))]))
            await trio.sleep(0.02)


async def bad_signatures(target: Target) -> None:
    """Good messages under signatures of nobody, and under the names of others."""
    async with hostile(target) as peer:
        number = 0
        while not peer.cut_off:
            number += 1
            message = peer.signed(peer.envelope(peer.decline(f"forged {number}")))
            if number % 3 == 0:
                message.signature = os.urandom(70)
            elif number % 3 == 1:
                message.from_id = _anybody().to_bytes()
            else:
                message.from_id = (PREFIX + b"\x02" + b"\xff" * 32)[:LENGTH]
            await peer.rpc(rpc_pb2.RPC(publish=[message]))
            await trio.sleep(PERIOD)


async def stale(target: Target) -> None:
    async with hostile(target) as peer:
        number = 0
        while not peer.cut_off:
            number += 1
            old = peer.envelope(peer.decline(f"old {number}"), age=3600 if number % 2 else -3600)
            await peer.rpc(rpc_pb2.RPC(publish=[peer.signed(old)]))
            await trio.sleep(PERIOD)


async def replay(target: Target) -> None:
    """One message again and again: as it was, and signed anew under other numbers."""
    async with hostile(target) as peer:
        message = peer.signed(peer.envelope(peer.decline("again")))
        while not peer.cut_off:
            again = rpc_pb2.Message()
            again.CopyFrom(message)
            again.seqno = os.urandom(8)
            await peer.rpc(rpc_pb2.RPC(publish=[message, peer.resigned(again)]))
            await trio.sleep(PERIOD)


async def wrong_topics(target: Target) -> None:
    """A vote among the requests, and what concerns another consumer."""
    async with hostile(target) as peer:
        number = 0
        while not peer.cut_off:
            number += 1
            other = peer.envelope(peer.decline(f"elsewhere {number}", ELSEWHERE))
            mine = peer.envelope(peer.decline(f"here {number}"))
            topics = target.topic(Kind.PROOFS), target.topic(Kind.VOTES)
            await peer.rpc(rpc_pb2.RPC(publish=[peer.signed(other, topics[0]), peer.signed(mine, topics[1])]))
            await trio.sleep(PERIOD)


async def impersonation(target: Target) -> None:
    """Statements that others signed, gossiped as one's own."""
    async with hostile(target) as peer:
        secret = os.urandom(32)
        other = Hostile(
            target, peer.stack, replace(peer.key, address=address_of_secret(secret), secret=secret)
        )
        number = 0
        while not peer.cut_off:
            number += 1
            data = peer.envelope(other.decline(f"theirs {number}"))
            await peer.rpc(rpc_pb2.RPC(publish=[peer.signed(data)]))
            await trio.sleep(PERIOD)


async def strangers(target: Target) -> None:
    """Two hundred good messages a second of somebody who sits in no committee."""
    async with hostile(target) as peer:
        ready = [peer.signed(peer.envelope(peer.decline(f"stranger {n}"))) for n in range(600)]
        for message in ready:
            await peer.rpc(rpc_pb2.RPC(publish=[message]))
            await trio.sleep(PERIOD)


async def costly_votes(target: Target) -> None:
    """Messages full of votes, each of which would cost a signature check."""
    async with hostile(target) as peer:
        casts = []
        for number in range(100):
            vote = Vote(Hash32(os.urandom(32)), target.who, Hash32(os.urandom(32)), 0, valid=True)
            signed = Signed[Vote].sign(vote, peer.key.secret, peer.key.address, target.domain)
            casts.append(CastVote(signed, Hash32(keccak(b"%d" % number)), Hash32(bytes(32))))
        while not peer.cut_off:
            data = peer.envelope(VotesMessage(target.who, tuple(casts)))
            await peer.rpc(rpc_pb2.RPC(publish=[peer.signed(data, target.topic(Kind.VOTES))]))
            await trio.sleep(PERIOD)


async def unpaid_requests(target: Target) -> None:
    """Requests on the consumer's topic that the consumer never signed."""
    async with hostile(target) as peer:
        number = 0
        while not peer.cut_off:
            number += 1
            details = Details(60, Hash32(bytes(32)), 1, f"unpaid {number}")
            payload = b"x" * 1000
            request = Request(
                target.who, number, Gwei(9), int(time.time()) + 600, 2, 1, keccak(payload), details
            )
            signed = Signed[Request].sign(request, peer.key.secret, peer.key.address, target.domain)
            data = peer.envelope(RequestMessage(signed, peer.key.address, len(payload), payload))
            await peer.rpc(rpc_pb2.RPC(publish=[peer.signed(data, target.topic(Kind.REQUESTS))]))
            await trio.sleep(PERIOD)
