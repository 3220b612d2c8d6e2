"""What a committee does about lies, against running nodes on real libp2p and a real chain."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.messages import (
    AnnouncementMessage,
    CastVote,
    PeerMessage,
    Signed,
    VotesMessage,
    possession,
)
from gpn_desktop.core.types import Address, Announcement, Hash32, Vote
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.demo.stage import new_key
from gpn_desktop.services.node import Node
from gpn_desktop.services.views import JobView, Phase
from tests.e2e.world import World, eventually, world

pytestmark = pytest.mark.timeout(180)
SIZE = 4
DELAY = 3.0  # seconds of a proof: the time for foul play


class Silent:
    """What a hostile peer gives to others that ask: nothing."""

    async def blob(self, hash32: Hash32) -> bytes | None:
        return None

    async def since(self, consumer: Address, cursor: int, limit: int) -> tuple[list[PeerMessage], int]:
        return [], cursor

    async def attest(self, votes: tuple[Hash32, ...]) -> bytes | None:
        return None


@pytest.fixture
async def net() -> AsyncIterator[World]:
    async with world(SIZE, DELAY) as made:
        yield made


@pytest.fixture
async def stranger(net: World) -> AsyncIterator[LibP2PNetwork]:
    """A peer without a stake, on the consumer's topics like everybody."""
    network = net.network(new_key())
    await network.start(Silent())
    await network.join(net.consumer)
    await eventually(lambda: network.committee_peers(net.consumer) >= 1)
    yield network
    await network.aclose()


async def reach(node: Node, order: Order, *phases: Phase) -> JobView:
    async with asyncio.timeout(60):
        async for view in node.watch(order.id):
            if view.phase in phases:
                return view
    raise AssertionError("the request ended otherwise")


async def started(net: World, ref: str) -> tuple[Order, JobView]:
    """A request whose first prover is at work, everywhere known."""
    order = await net.order(ref)
    await net.send(order)
    view = await reach(net.nodes[0], order, Phase.PROVING)
    await eventually(lambda: all(order.id in node.book.entries for node in net.nodes))
    return order, view


def claim(net: World, order: Order, view: JobView, key: NodeKey, proof: bytes) -> AnnouncementMessage:
    """The first attempt's proof, as ``key`` signs it."""
    assert view.seed is not None
    said = Announcement(order.id, key.address, 0, keccak(proof), len(proof), view.seed)
    signed = Signed[Announcement].sign(said, key.secret, key.address, net.chain.domain)
    return AnnouncementMessage(net.consumer, signed, proof)


def ballot(net: World, view: JobView, key: NodeKey, vote: Vote, proof: bytes) -> VotesMessage:
    assert view.seed is not None
    signed = Signed[Vote].sign(vote, key.secret, key.address, net.chain.domain)
    return VotesMessage(net.consumer, (CastVote(signed, possession(key.address, proof), view.seed),))


async def test_an_unregistered_author_is_not_heard(net: World, stranger: LibP2PNetwork) -> None:
    order, view = await started(net, "stranger")
    key = new_key()
    proof = keccak(b"made up")
    await stranger.publish(claim(net, order, view, key, proof))
    vote = Vote(order.id, view.turns[0].prover, keccak(proof), 0, True)
    await stranger.publish(ballot(net, view, key, vote, proof))
    done = await reach(net.nodes[0], order, Phase.VERIFIED, Phase.SETTLED)
    assert done.prover == view.turns[0].prover
    for number in range(SIZE):
        entry = net.nodes[number].book.entries[order.id]
        assert key.address not in {prover for prover, _ in entry.job.announcements}
        assert key.address not in {v.voter for v in net.view(order, number).votes}


@pytest.mark.parametrize("what", ["tampered", "other data"])
async def test_a_false_proof_is_voted_down_and_the_next_proves(net: World, what: str) -> None:
    """Signed by the first prover itself, as a cheat would: only the image can tell."""
    order, view = await started(net, what)
    first = view.turns[0].prover
    data = b"another payload" if what == "other data" else order.payload
    proof = hashlib.sha256(order.signed.message.details.ref.encode() + data).digest()
    if what == "tampered":
        proof = proof[:-1] + bytes([proof[-1] ^ 1])
    culprit = net.node(first)
    entry = culprit.book.entries[order.id]
    await eventually(lambda: entry.proving is not None)  # it may hear of its turn later than the others
    assert entry.proving is not None
    entry.proving.cancel()  # it cheats instead
    await culprit.ctx.network.publish(claim(net, order, view, net.keys[first], proof))
    honest = next(node for node in net.nodes if node.ctx.me != first)
    done = await reach(honest, order, Phase.VERIFIED, Phase.SETTLED)
    assert done.prover == view.turns[1].prover
    assert done.attempt == 1
    assert {v.valid for v in done.votes if v.prover == first} == {False}


async def test_votes_by_the_prover_itself_repeated_or_without_the_proof_count_for_nothing(
    net: World,
) -> None:
    order, view = await started(net, "votes")
    first = view.turns[0].prover
    verified = await reach(net.nodes[0], order, Phase.VERIFIED, Phase.SETTLED)
    assert verified.proof_hash is not None
    proof = (await net.nodes[0].proof("votes")).proof
    await eventually(lambda: all(len(net.view(order, n).votes) == SIZE - 1 for n in range(SIZE)))
    good = Vote(order.id, first, verified.proof_hash, 0, True)
    bad = replace(good, proof_hash=keccak(b"nothing"), valid=False)
    prover, voter = net.node(first), net.node(verified.votes[0].voter)
    hostile = [
        (prover, ballot(net, view, net.keys[first], good, proof)),  # by the prover itself
        (voter, ballot(net, view, net.keys[voter.ctx.me], good, proof)),  # the same vote again
        (voter, ballot(net, view, net.keys[voter.ctx.me], bad, b"never seen")),  # without the proof
    ]
    for sender, message in hostile:
        await sender.ctx.network.publish(message)
    # A request that runs its course after them shows that they were taken and dropped.
    marker = await net.order("marker")
    await net.send(marker)
    await reach(net.nodes[0], marker, Phase.VERIFIED, Phase.SETTLED)
    for number in range(SIZE):
        votes = net.view(order, number).votes
        assert len(votes) == SIZE - 1
        assert first not in {v.voter for v in votes}
