"""A node that dies at any instant finds itself again: nothing contradicted, nothing lost, settled once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gpn_desktop.core.messages import AnnouncementMessage, DeclineMessage, RequestMessage, VotesMessage
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.views import Phase
from tests.services import faults
from tests.services.world import SETTLE_DELAY, World, quiet, until, world

DONE = (Phase.SETTLED, Phase.PAID)


async def all_settled(net: World, order: Order) -> None:
    for member in net.members:
        await until(lambda m=member: m.knows(order), "the request")  # type: ignore[misc]
        await member.reach(order, *DONE)
    assert net.settled() == 1


async def test_after_the_request_was_kept() -> None:
    """Kept and never sent: the gateway says it again when it is back."""
    async with world(3) as net:
        gateway = net.members[0]
        order = await net.order()
        gateway.disk.cut_after(faults.keeps_request)
        with pytest.raises(asyncio.CancelledError):
            await net.send(order, gateway)
        assert not any(m.knows(order) for m in net.members[1:])
        await gateway.restart()
        await all_settled(net, order)
        assert len(await gateway.own(order, RequestMessage)) == 1
        row = await gateway.disk.platter.job(order.id)
        assert row is not None
        assert row.gateway  # its client can still ask by its own id


@pytest.mark.parametrize("killed", [True, False])
async def test_while_proving(killed: bool) -> None:
    """A proof may be what killed the node: the next prover takes over. After a clean stop it proves again."""
    async with world(3) as net:
        order = await net.order()
        first, second, _ = await net.ranked(order)
        first.bench.may_prove.clear()
        await net.send(order)
        await first.bench.proving.wait()
        first.bench.may_prove.set()
        await first.restart(killed)
        await all_settled(net, order)
        assert len(await first.own(order, DeclineMessage)) == int(killed)
        assert len(await second.own(order, AnnouncementMessage)) == int(killed)


async def test_after_the_announcement_was_kept_and_before_it_was_sent() -> None:
    async with world(3) as net:
        order = await net.order()
        first, *_ = await net.ranked(order)
        first.disk.cut_after(faults.keeps_announcement)
        await net.send(order)
        await first.disk.cut.wait()
        await first.restart()
        await all_settled(net, order)
        assert len(await first.own(order, AnnouncementMessage)) == 1
        assert await first.own(order, DeclineMessage) == []
        assert first.bench.proved == 1


async def test_after_the_vote_was_kept_and_before_it_was_sent() -> None:
    async with world(3) as net:
        order = await net.order()
        first, _, last = await net.ranked(order)
        last.disk.cut_after(faults.keeps_vote)
        await net.send(order)
        await last.disk.cut.wait()
        await last.restart()
        await all_settled(net, order)
        assert len(await last.own(order, VotesMessage)) == 1
        await until(lambda: len(first.entry(order).tally().valid_votes()) == 2)


async def test_a_kept_vote_that_completed_the_quorum_here_is_sent_after_all() -> None:
    """The others cannot know that there is a verdict: only this node has seen both votes."""
    async with world(3) as net:
        order = await net.order(quorum=2)
        first, second, last = await net.ranked(order)
        last.bench.may_validate.clear()
        await net.send(order)
        await until(lambda: last.knows(order) and second.address in last.entry(order).tally().opinions)
        last.disk.cut_after(faults.keeps_vote)
        last.bench.may_validate.set()
        await last.disk.cut.wait()
        assert first.phase(order) is Phase.VERIFYING
        await last.restart()
        await all_settled(net, order)
        assert first.sent("settle:")


async def test_after_the_verdict_and_before_the_settlement() -> None:
    async with world(3) as net:
        order = await net.order()
        first, *_ = await net.ranked(order)
        first.disk.cut_after(faults.marks("settling:"))
        await net.send(order)
        await first.disk.cut.wait()
        assert net.settled() == 0
        await first.restart()
        await all_settled(net, order)
        assert len(first.sent("settle:")) == 1


@pytest.mark.parametrize("writes", [1, 2])
async def test_after_the_settlement_was_sent(writes: int) -> None:
    """The transaction is in the journal: signed (1), or sent (2). It is never made a second time."""
    async with world(3) as net:
        order = await net.order()
        first, *_ = await net.ranked(order)
        seen = 0

        def settling(name: str, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
            nonlocal seen
            seen += name == "put_tx" and args[0].intent.startswith("settle:")
            return seen == writes

        first.disk.cut_after(settling)
        await net.send(order)
        await first.disk.cut.wait()
        await first.restart()
        await all_settled(net, order)
        assert len(first.sent("settle:")) == 1


async def test_a_settlement_that_was_lost_with_the_prover_is_sent_by_another_member() -> None:
    async with world(3) as net:
        order = await net.order(lifetime=100)
        first, *others = await net.ranked(order)
        first.disk.cut_after(faults.marks("settling:"))
        await net.send(order)
        await first.disk.cut.wait()
        await first.kill()
        for member in others:
            await member.reach(order, Phase.VERIFIED)
        await net.advance(100 + SETTLE_DELAY + 60)
        for member in others:
            await member.reach(order, *DONE)
        assert net.settled() == 1
        (batch,) = net.ledger.state.batches.values()
        seats = order.snapshot.seats
        assert seats[batch.records[0].prover_seat].address == first.address
        assert batch.records[0].tipped_seat is not None


async def test_a_stop_loses_nothing_that_is_open() -> None:
    async with world(3, capacity=8) as net:
        for member in net.members:
            member.bench.may_prove.clear()
        orders = [await net.order(f"ref {i}") for i in range(5)]
        for order in orders:
            await net.send(order)
        for member in net.members:
            await until(lambda m=member: all(m.knows(o) for o in orders))  # type: ignore[misc]
        for member in net.members:
            await member.stop()
        for member in net.members:
            member.bench.may_prove.set()
            await member.start()
        for order in orders:
            for member in net.members:
                await member.reach(order, *DONE)
        assert await net.members[0].disk.platter.job_count() == 5


async def test_finalised_and_withdrawn_once_across_a_restart() -> None:
    async with world(3) as net:
        order = await net.order()
        first, *_ = await net.ranked(order)
        await net.send(order)
        await all_settled(net, order)
        await first.restart()
        await net.advance(200)
        await until(lambda: first.count("paid") == 1)
        assert first.node.earnings is not None
        claimable = first.node.earnings.totals.claimable
        assert claimable > 0
        assert await first.node.withdraw() == claimable * 10**9
        await first.restart()
        assert await first.node.withdraw() == 0
        assert len(first.sent("withdraw:")) == 1
        await quiet()
        assert first.node.view().earnings.withdrawn == claimable * 10**9


@pytest.mark.parametrize("killed", [False, True])
async def test_a_withdrawal_that_was_in_flight_when_the_node_ended_is_done_once(killed: bool) -> None:
    async with world(3) as net:
        order = await net.order()
        first, *_ = await net.ranked(order)
        await net.send(order)
        await all_settled(net, order)
        await net.advance(200)
        await until(lambda: first.count("paid") == 1)
        assert first.node.earnings is not None
        claimable = first.node.earnings.totals.claimable
        net.ledger.hold_mining()
        withdrawing = asyncio.ensure_future(first.node.withdraw())
        await until(lambda: len(first.sent("withdraw:")) == 1, "it is sent")
        withdrawing.cancel()  # as its window does when it is closed
        await asyncio.wait({withdrawing})
        await first.restart(killed)
        net.ledger.release_mining()
        await until(lambda: first.node.view().earnings.withdrawn == claimable * 10**9, "it is known of")
        assert await first.node.withdraw() == 0
        assert len(first.sent("withdraw:")) == 1
