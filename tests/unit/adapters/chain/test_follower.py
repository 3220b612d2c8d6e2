"""The follower against a chain node that is played: every event once per branch, whatever happens."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpn_desktop.adapters.chain.follower import RING, Follower
from gpn_desktop.adapters.chain.rpc import Header, Log, Refused, Rpc
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import ChainUnreachable
from gpn_desktop.core.types import ZERO_ADDRESS, Hash32
from gpn_desktop.ports.chain import Block, ChainEvent, Finalized, NewHead, Reorged


@dataclass
class FakeNode:
    """A chain of headers with one log in every block whose number is divisible by three."""

    headers: list[Header] = field(default_factory=list)
    most_blocks: int = 10_000
    lies: int = 0  # how many of the next answers about single blocks' logs are those of another branch
    asked: int = 0

    def grow(self, count: int, salt: int = 0) -> None:
        for _ in range(count):
            number = len(self.headers)
            parent = self.headers[-1].hash if self.headers else keccak(b"genesis")
            self.headers.append(Header(number, keccak(parent, b"%d" % salt), parent, 1000 + number, 1))

    def fork(self, depth: int, count: int, salt: int) -> None:
        del self.headers[len(self.headers) - depth :]
        self.grow(count, salt)

    async def header(self, number: int | None = None) -> Header | None:
        if number is None:
            return self.headers[-1]
        return self.headers[number] if number < len(self.headers) else None

    async def logs(self, contract: bytes, first: int, last: int) -> list[Log]:
        self.asked += 1
        if last - first >= self.most_blocks:
            raise Refused("query exceeds the range")
        return [_log(header) for header in self.headers[first : last + 1] if header.number % 3 == 0]

    async def logs_of(self, contract: bytes, block: Hash32) -> list[Log]:
        if self.lies:
            self.lies -= 1
            raise Refused("unknown block")
        found = [header for header in self.headers if header.hash == block]
        if not found:
            raise Refused("unknown block")
        return [_log(header) for header in found if header.number % 3 == 0]


def _log(header: Header) -> Log:
    return Log((header.hash,), b"", header.number, header.hash, 0)


def _decode(log: Log, block: Block) -> ChainEvent:
    assert log.block_hash == block.hash
    return Finalized(Hash32(log.topics[0]), block)


@dataclass
class Listener:
    """Applies what is told, as a node does; the result has to be the chain."""

    node: FakeNode
    first: int = 0
    told: list[ChainEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.follower = Follower(ZERO_ADDRESS, self.first, _decode, self.told.append)

    async def advance(self, pushed: Header | None = None) -> int | None:
        return await self.follower.advance(cast(Rpc, self.node), pushed)

    def standing(self) -> list[Block]:
        """The blocks of the logs that hold, each told once per branch."""
        blocks: list[Block] = []
        for event in self.told:
            if isinstance(event, Reorged):
                blocks = [block for block in blocks if block.number < event.first_number]
            if isinstance(event, Finalized):
                assert not blocks or event.block.number > blocks[-1].number, "out of order, or twice"
                blocks.append(event.block)
        return blocks

    def expected(self) -> list[Block]:
        """From the first block asked for, or from where the chain was shorter than that."""
        first = min([self.first, *(e.first_number for e in self.told if isinstance(e, Reorged))])
        return [h.block for h in self.node.headers if h.number >= first and h.number % 3 == 0]


async def test_events_of_a_block_come_before_its_head() -> None:
    node = FakeNode()
    node.grow(4)
    listener = Listener(node)
    await listener.advance()
    kinds = [type(event) for event in listener.told]
    assert kinds == [Finalized, NewHead, NewHead, NewHead, Finalized, NewHead]


async def test_a_long_way_behind_the_head() -> None:
    node = FakeNode(most_blocks=300)
    node.grow(5000)
    listener = Listener(node)
    await listener.advance()
    assert listener.standing() == listener.expected()
    heads = [event.block.number for event in listener.told if isinstance(event, NewHead)]
    assert heads == list(range(5000 - RING, 5000)), "the far past is told without its heads"
    assert node.asked < 40


async def test_a_long_time_without_a_connection() -> None:
    node = FakeNode()
    node.grow(10)
    listener = Listener(node)
    await listener.advance()
    node.grow(RING * 3)
    assert await listener.advance(node.headers[-1]) is None
    assert listener.standing() == listener.expected()
    node.fork(3, 4, salt=1)
    assert await listener.advance(node.headers[-1]) == len(node.headers) - 4
    assert listener.standing() == listener.expected()


async def test_a_node_that_gives_no_logs_is_given_up() -> None:
    node = FakeNode(most_blocks=0)
    node.grow(RING + 10)
    with pytest.raises(ChainUnreachable):
        await Listener(node).advance()


async def test_a_push_that_is_older_than_what_was_read_voids_nothing() -> None:
    node = FakeNode()
    node.grow(10)
    listener = Listener(node)
    await listener.advance()
    assert await listener.advance(node.headers[7]) is None
    assert await listener.advance(node.headers[9]) is None
    assert not [event for event in listener.told if isinstance(event, Reorged)]


async def test_a_branch_that_changes_while_it_is_read() -> None:
    node = FakeNode()
    node.grow(10)
    listener = Listener(node)
    await listener.advance()
    node.grow(1)
    node.lies = 2
    await listener.advance(node.headers[-1])
    assert listener.standing() == listener.expected()
    node.grow(1)
    node.lies = 100
    with pytest.raises(ChainUnreachable):
        await listener.advance(node.headers[-1])


async def test_a_restored_node_goes_back() -> None:
    node = FakeNode()
    node.grow(20)
    listener = Listener(node)
    await listener.advance()
    del node.headers[12:]
    assert await listener.advance() == 12
    node.grow(2)
    assert await listener.advance() is None
    assert listener.standing() == listener.expected()


async def test_an_earlier_run_got_further_than_this_chain() -> None:
    node = FakeNode()
    node.grow(5)
    listener = Listener(node, first=50)
    assert await listener.advance() == 5
    node.grow(3)
    await listener.advance()
    assert [event.block.number for event in listener.told if isinstance(event, NewHead)] == [5, 6, 7]


async def test_a_reorganisation_deeper_than_the_ring_tells_everything_again() -> None:
    node = FakeNode()
    node.grow(3 * RING)
    listener = Listener(node, first=7)
    await listener.advance()
    node.fork(2 * RING, 2 * RING + 1, salt=1)
    assert await listener.advance() == 7
    assert listener.standing() == listener.expected()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(0, 30))
async def test_any_history_is_told_once_per_branch(seed: int, first: int) -> None:
    rng = random.Random(seed)
    node = FakeNode()
    node.grow(rng.randint(1, 40))
    listener = Listener(node, first)
    await listener.advance()
    for salt in range(1, 25):
        match rng.randint(0, 4):
            case 0:
                depth = rng.randint(1, min(len(node.headers) - 1, 12) or 1)
                node.fork(depth, max(1, depth + rng.randint(-3, 3)), salt)
            case 1:
                node.grow(rng.randint(1, 200), salt)
            case _:
                node.grow(1, salt)
        pushed = rng.choice([None, node.headers[-1], node.headers[rng.randrange(len(node.headers))]])
        if rng.random() < 0.8:
            await listener.advance(pushed)
    await listener.advance()
    assert listener.standing() == listener.expected()
