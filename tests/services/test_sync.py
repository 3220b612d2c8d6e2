"""What gossip did not bring is asked of a peer."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gpn_desktop.core import errors
from gpn_desktop.core.types import Address
from gpn_desktop.services import intake, node
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.views import Phase
from tests.services.world import Member, World, until, world


@asynccontextmanager
async def behind_a_cut() -> AsyncIterator[tuple[World, Member, Order]]:
    """A member of four that is cut off, and a request that the others have; the hub's ``heal`` ends it."""
    async with world(4) as net:
        order = await net.order()
        # The last to have its turn, so that the others need not wait for it; the gateway stays.
        away = [member for member in await net.ranked(order) if member is not net.members[0]][-1]
        for other in net.members:
            if other is not away:
                net.hub.cut(away.address, other.address)
        await net.send(order)
        yield net, away, order


async def test_what_gossip_lost_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that stays connected and hears nothing; no peer appears that would be synced with."""
    monkeypatch.setattr(node, "RESYNC_SECONDS", 0.1)
    async with world(4) as net:
        deaf = net.members[3]
        await deaf.network.leave(net.consumer)
        order = await net.order()
        await net.send(order)
        await until(lambda: deaf.knows(order), "the request by sync")


async def test_a_peer_that_came_back_without_an_answer_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake, "SYNC_PAUSES", (0.01, 0.01, 0.01))
    async with behind_a_cut() as (net, away, order):
        ask = away.network.sync
        asked: Counter[Address] = Counter()

        async def broken(peer: Address, consumer: Address, cursor: int) -> object:
            asked[peer] += 1
            if asked[peer] < 4:
                raise errors.FetchFailed("The connection ended.")
            return await ask(peer, consumer, cursor)

        away.network.sync = broken  # type: ignore[method-assign, assignment]
        net.hub.heal()
        await until(lambda: away.knows(order), "the request by sync")


async def test_a_request_that_was_settled_behind_a_cut_is_voted_on_once_it_heals() -> None:
    """The verdict may be settled before the slower ones have asked: their votes are added to it."""
    async with behind_a_cut() as (net, away, order):
        for member in net.members:
            if member is not away:
                await member.reach(order, Phase.SETTLED)
        seat = order.snapshot.members[away.address]

        def counted() -> list[int]:
            return [b.entries[0].counted >> seat & 1 for b in net.ledger.state.batches.values()]

        assert not away.knows(order)
        assert counted() == [0]
        net.hub.heal()
        await away.reach(order, Phase.SETTLED)
        await until(lambda: len(away.entry(order).tally().valid_votes()) == 3, "the vote, beside two others")
        await net.advance(1)  # what was left out is looked at with each block
        await until(lambda: counted() == [1], "the vote on the chain")
