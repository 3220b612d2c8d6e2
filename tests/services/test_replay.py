"""The replay on a chain that has a past: what it reads, and that it can be left."""

from __future__ import annotations

import asyncio

import pytest

from gpn_desktop.core.errors import NotTriedYet
from gpn_desktop.core.manifest import Limits
from gpn_desktop.core.trial import Measured, Times
from gpn_desktop.core.types import Wei
from gpn_desktop.services.replay import Replay, Wanted
from tests.services.test_settling import settled_everywhere
from tests.services.world import ETHER, Member, World, world


def measured(prove: float = 1.0) -> Measured:
    times = Times(prove, prove)
    return Measured(3, 1.0, times, Times(0.1, 0.1), 100, None, None, 4, Limits())


def replay_of(member: Member) -> Replay:
    assert member.node.replay is not None
    return member.node.replay


def wanted(net: World, days: int = 1) -> Wanted:
    return Wanted(net.consumer, days, Wei(ETHER), 60.0)


async def test_what_was_settled_is_what_it_reckons_with() -> None:
    async with world(4) as net:
        for number in range(3):
            order = await net.order(f"ref {number}")
            await net.send(order)
            await settled_everywhere(net, order)
        newcomer = await net.add("newcomer", serve=(), stake=Wei(0))
        told: list[tuple[int, int]] = []
        found = await replay_of(newcomer).run(wanted(net), measured(), lambda *at: told.append(at))
        assert found.requests == 3
        assert found.proofs + found.votes == 3
        assert found.in_time
        assert told[-1][0] == told[-1][1] > 0
        # A member reckons without its own seat, so that it does not compete with itself.
        mine = await replay_of(net.members[0]).run(wanted(net), measured(), lambda *_: None)
        assert mine.proofs > found.proofs


async def test_without_a_trial_it_says_what_to_do() -> None:
    async with world(3) as net:
        with pytest.raises(NotTriedYet, match="Try the consumer's image"):
            await replay_of(net.members[0]).run(wanted(net), None, lambda *_: None)


async def test_nothing_settled_is_no_error() -> None:
    async with world(3) as net:
        found = await replay_of(net.members[0]).run(wanted(net), measured(), lambda *_: None)
        assert found.requests == 0


async def test_it_can_be_left_while_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(3) as net:
        replay = replay_of(net.members[0])

        reading = asyncio.Event()

        async def hangs(*_: object) -> list[object]:
            reading.set()
            await asyncio.Event().wait()
            return []

        monkeypatch.setattr(replay.chain, "settled", hangs)
        running = asyncio.ensure_future(replay.run(wanted(net), measured(), lambda *_: None))
        await reading.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_it_begins_with_the_first_block_of_that_time() -> None:
    async with world(3) as net:
        order = await net.order("old")
        await net.send(order)
        await settled_everywhere(net, order)
        await net.advance(3 * 24 * 3600)
        order = await net.order("young")
        await net.send(order)
        await settled_everywhere(net, order)
        replay = replay_of(net.members[0])
        assert (await replay.run(wanted(net, days=1), measured(), lambda *_: None)).requests == 1
        assert (await replay.run(wanted(net, days=7), measured(), lambda *_: None)).requests == 2
