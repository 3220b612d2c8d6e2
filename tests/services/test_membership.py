"""The operator's duties: committing from the window, taking it back, leaving with the stake."""

from __future__ import annotations

import pytest

from gpn_desktop.adapters.chain.memory import MemoryChain
from gpn_desktop.adapters.sqlite import MemoryStore
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import (
    AlreadyLeaving,
    ConsumerUnknown,
    NotAMember,
    StakeTooSmall,
    TransactionFailed,
    WalletShort,
)
from gpn_desktop.core.types import Address, Wei
from gpn_desktop.ports.calls import RegisterConsumer
from gpn_desktop.services.membership import Membership
from gpn_desktop.services.views import Phase
from tests.services.test_settling import settled_everywhere
from tests.services.world import ETHER, PARAMS, Member, World, key_of, until, world

DAY = 24 * 3600


def duties(member: Member) -> Membership:
    found = member.node.membership
    assert found is not None
    return found


async def newcomer(net: World, name: str = "newcomer", **options: object) -> Member:
    """A node that serves nobody and has staked nothing."""
    return await net.add(name, **{"serve": (), "stake": Wei(0), **options})


async def test_a_newcomer_commits_is_seated_and_works() -> None:
    async with world(3) as net:
        member = await newcomer(net)
        assert member.sent("register") == []
        cost = await duties(member).cost(net.consumer)
        assert cost.stake == PARAMS.min_stake
        assert cost.total == cost.stake + cost.fee
        assert cost.affordable

        await duties(member).commit(net.consumer)
        assert net.consumer in member.node.ctx.serve
        assert (await duties(member).cost(net.consumer)).stake == 0
        await net.commit()
        order = await net.order()
        assert member.address in order.snapshot.members
        await net.send(order)
        await settled_everywhere(net, order)
        assert member.phase(order) is Phase.SETTLED


async def test_a_commitment_of_the_window_outlives_a_restart_and_is_sent_once() -> None:
    async with world(3) as net:
        member = await newcomer(net)
        await duties(member).commit(net.consumer)
        await member.restart()
        assert net.consumer in member.node.ctx.serve
        assert len(member.sent("commit:")) == 1
        assert len(member.sent("register")) == 1


async def test_who_takes_it_back_ends_what_it_has_begun() -> None:
    async with world(4) as net:
        order = await net.order()
        first, *others = await net.ranked(order)
        first.bench.may_prove.clear()
        await net.send(order)
        await until(first.bench.proving.is_set, "the proof")
        await duties(first).uncommit(net.consumer)
        with pytest.raises(AlreadyLeaving):
            await duties(first).uncommit(net.consumer)
        assert net.consumer in first.node.ctx.serve
        first.bench.may_prove.set()
        await settled_everywhere(net, order)
        await others[0].reach(order, Phase.SETTLED)
        assert others[0].view(order).prover == first.address
        await net.advance(2)
        await until(lambda: net.consumer not in first.node.ctx.serve, "the end of its duty")
        assert duties(first).leaving == set()

        await first.restart()
        assert net.consumer not in first.node.ctx.serve  # though the settings name it
        await duties(first).commit(net.consumer)  # a later one is another one
        assert len(first.sent("commit:")) == 2
        assert net.consumer in first.node.ctx.serve


async def test_a_restart_while_leaving_goes_on_leaving() -> None:
    async with world(4) as net:
        order = await net.order()
        first, *_ = await net.ranked(order)
        first.bench.may_prove.clear()
        await net.send(order)
        await until(first.bench.proving.is_set, "the proof")
        await duties(first).uncommit(net.consumer)
        await first.restart()
        assert duties(first).leaving == {net.consumer}
        assert net.consumer in first.node.ctx.serve
        assert len(first.sent("uncommit:")) == 1


async def test_leaving_takes_the_commitments_back_first_and_then_waits() -> None:
    async with world(3) as net:
        member = net.members[-1]
        with pytest.raises(NotAMember):
            await duties(member).withdraw_stake()
        with pytest.raises(TransactionFailed):
            await duties(member).unbond()
        await duties(member).uncommit(net.consumer)
        assert net.consumer not in member.node.ctx.serve
        at = await duties(member).unbond()
        assert at > net.clock.unix()
        with pytest.raises(AlreadyLeaving):
            await duties(member).unbond()
        with pytest.raises(TransactionFailed):
            await duties(member).withdraw_stake()
        await net.advance(at - net.clock.unix() + 1)
        before = net.ledger.state.balances.get(member.options.payout, 0)
        assert await duties(member).withdraw_stake() == Wei(ETHER)  # the refusal was no last word
        assert net.ledger.state.balances[member.options.payout] - before == ETHER


async def test_what_cannot_be_committed_to_changes_nothing() -> None:
    async with world(3) as net:
        member = await newcomer(net)
        with pytest.raises(ConsumerUnknown):
            await duties(member).commit(Address(bytes(19) + b"\x01"))
        poor = await newcomer(net, "poor")
        net.ledger.state.balances[poor.address] = Wei(10**15)
        with pytest.raises(WalletShort, match="Send at least"):
            await duties(poor).commit(net.consumer)
        stingy = await newcomer(net, "stingy", stake=Wei(0))
        stingy.node.ctx.options = type(stingy.options)(  # type: ignore[misc]
            "test", "test", stingy.options.payout, (), stake=Wei(1)
        )
        with pytest.raises(StakeTooSmall):
            await duties(stingy).commit(net.consumer)
        for one in (member, poor, stingy):
            assert one.node.ctx.serve == ()
            assert one.sent("") == []


async def test_several_consumers_at_once() -> None:
    async with world(3) as net:
        key = key_of("second consumer")
        net.ledger.fund(key.address, Wei(10 * ETHER))
        journal = MemoryStore()
        await journal.open()
        chain = MemoryChain(net.ledger, key, journal)
        await chain.start(0)
        await chain.submit("consumer", RegisterConsumer("test/second", keccak(b"second"), Wei(ETHER)))
        member = net.members[0]
        await duties(member).commit(key.address)
        assert set(member.node.ctx.serve) == {net.consumer, key.address}
        assert set(duties(member).expiry) == {net.consumer, key.address}
        assert all(at > net.clock.unix() + 29 * DAY for at in duties(member).expiry.values())
        await chain.aclose()
