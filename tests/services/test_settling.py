"""Money: a verified request is settled, extended, finalised and withdrawn once, whatever the chain does."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest

from gpn_desktop.core.errors import ChainUnreachable, InsufficientFunds, StoreFull, TransactionFailed
from gpn_desktop.core.types import Snapshot
from gpn_desktop.ports.calls import WithdrawRewards
from gpn_desktop.ports.chain import Settled, TxState
from gpn_desktop.services import jobs, settling
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.entry import Entry
from gpn_desktop.services.views import Phase
from tests.services import faults
from tests.services.faults import true_proof
from tests.services.world import WINDOW, Member, World, quiet, until, world

DONE = (Phase.SETTLED, Phase.PAID)


async def settled_everywhere(net: World, order: Order) -> None:
    for member in net.members:
        await until(lambda m=member: m.knows(order), "the request")  # type: ignore[misc]
        await member.reach(order, *DONE)


async def one_proved_by(net: World, member: Member, tag: str) -> Order:
    """A signed request whose first turn is this member's."""
    for number in range(64):
        order = await net.order(f"{tag} {number}")
        if (await net.ranked(order))[0] is member:
            return order
        await net.side.discard(order)
    raise AssertionError("no such request")


async def test_the_chain_goes_away_between_a_verdict_and_its_settlement() -> None:
    async with world(3) as net:
        order = await net.order()
        for member in net.members:
            member.bench.may_validate.clear()
        await net.send(order)
        for member in net.members:
            await until(lambda m=member: m.knows(order))  # type: ignore[misc]
            await member.reach(order, Phase.VERIFYING)
        net.ledger.go_down("away")
        for member in net.members:
            member.bench.may_validate.set()
        for member in net.members:
            await member.reach(order, Phase.VERIFIED)
        await quiet()
        net.ledger.come_up()
        net.ledger.mine()
        await settled_everywhere(net, order)
        assert net.settled() == 1


async def test_who_missed_the_verdict_names_the_prover_that_the_chain_credits() -> None:
    """It was away when the others voted; the turns that passed for it alone are nobody's concern."""
    async with world(4) as net:
        order = await one_proved_by(net, net.members[0], "missed")
        away = net.members[3]
        net.members[0].bench.may_prove.clear()
        await net.send(order)
        for member in net.members:
            await until(lambda m=member: m.knows(order))  # type: ignore[misc]
        net.hub.leave(away.network)
        net.members[0].bench.may_prove.set()
        for member in net.members:
            await member.reach(order, Phase.SETTLED)
        net.clock.ahead += 70  # another's turn, had there been no verdict
        seen = [(v.prover, v.attempt) for v in (member.view(order) for member in net.members)]
        assert seen == [(net.members[0].address, 0)] * 4
        assert away.view(order).proof_hash is None


async def test_what_waited_while_the_chain_was_away_is_settled_beside_what_was_sent_before() -> None:
    """One request's transaction is in the journal, another's is not: one batch's name must not hide both."""
    async with world(3, capacity=8) as net:
        prover = net.members[0]
        early = await one_proved_by(net, prover, "early")
        later = await one_proved_by(net, prover, "later")
        net.ledger.hold_mining()
        await net.send(early)
        await until(lambda: bool(prover.sent("settle:")), "the first transaction")
        later_known = net.members[1].bench
        for member in net.members:
            member.bench.may_validate.clear()
        await net.send(later)
        for member in net.members:
            await until(lambda m=member: m.knows(later))  # type: ignore[misc]
            await member.reach(later, Phase.VERIFYING)
        net.ledger.go_down("away")  # whoever waits for a receipt learns that it does not come
        for member in net.members:
            member.bench.may_validate.set()
        await prover.reach(later, Phase.VERIFIED)
        await quiet()
        net.ledger.come_up()
        net.ledger.release_mining()
        await settled_everywhere(net, early)
        net.ledger.mine()
        await settled_everywhere(net, later)
        assert len(prover.sent("settle:")) == 2
        assert later_known.proved == 0


async def test_a_settlement_that_could_not_be_paid_is_tried_again() -> None:
    """No ETH for gas: the operator funds the account, and nothing is lost."""
    async with world(3) as net:
        order = await net.order()
        first, *_ = await net.ranked(order)
        submit = first.chain.submit
        poor = True

        async def refuse(intent: str, call: object) -> object:
            if poor and intent.startswith("settle:"):
                raise InsufficientFunds("The account holds nothing.")
            return await submit(intent, call)  # type: ignore[arg-type]

        first.chain.submit = refuse  # type: ignore[method-assign, assignment]
        await net.send(order)
        await first.reach(order, Phase.VERIFIED)
        await until(lambda: any("Settling" in alert for alert in first.node.ctx.alerts), "the alert")
        poor = False
        net.ledger.mine()
        await settled_everywhere(net, order)


async def test_a_full_disk_holds_up_a_settlement_and_does_not_lose_it() -> None:
    async with world(3) as net:
        order = await net.order()
        first, *_ = await net.ranked(order)
        first.disk.fail(faults.marks("settling:"), StoreFull("The disk is full."))
        await net.send(order)
        await first.reach(order, Phase.VERIFIED)
        await quiet()
        first.disk.mend()
        net.ledger.mine()
        await settled_everywhere(net, order)


async def test_an_equivocation_after_the_verdict_does_not_cost_the_prover_its_pay() -> None:
    """The verdict was final; the vote under it is signed and in the journal."""
    async with world(4) as net:
        order = await net.order()
        first, _, _, last = await net.ranked(order)
        last.bench.may_validate.clear()
        first.disk.fail(faults.marks("settling:"), StoreFull("The disk is full."))
        await net.send(order)
        await first.reach(order, Phase.VERIFIED)
        await until(lambda: any("full" in alert for alert in first.node.ctx.alerts), "the failed settlement")
        cast = first.entry(order).tally().valid_votes()[0]
        liar = next(m for m in net.members if m.address == cast.signed.signer)
        proof = true_proof("ref", order.payload)
        opposite = replace(cast.signed.message, valid=False)
        await liar.network.publish(net.ballot(liar.key, opposite, proof, cast.seed))
        await until(lambda: any("contradicted" in a for a in first.node.ctx.alerts), "the alert")
        assert first.entry(order).tally().count(True) < order.signed.message.quorum
        first.disk.mend()
        net.ledger.mine()
        await first.reach(order, *DONE)


async def test_a_reorganisation_takes_a_settlement_back_and_it_is_settled_again() -> None:
    async with world(3) as net:
        order = await net.order()
        await net.send(order)
        await settled_everywhere(net, order)
        before = net.settled()
        net.ledger.hold_mining()
        phases: list[Phase] = []
        for member in net.members:
            member.node.subscribe(lambda m=member: phases.append(m.entry(order).phase))  # type: ignore[misc]
        net.ledger.reorganise(1)
        await until(lambda: Phase.VERIFIED in phases, "the step back")
        net.ledger.release_mining()
        await settled_everywhere(net, order)
        assert net.settled() == before
        first = (await net.ranked(order))[0]
        assert len(first.sent("settle:")) == 1


async def test_a_settlement_of_another_that_a_reorganisation_drops_is_due_again() -> None:
    """The transaction is gone for good with its branch: whoever can, settles."""
    async with world(3) as net:
        order = await net.order()
        first, *others = await net.ranked(order)
        await net.send(order)
        await settled_everywhere(net, order)
        await first.kill()
        chain = net.ledger._chain
        at = next(i for i, sealed in enumerate(chain) if any(isinstance(e, Settled) for e in sealed.events))
        depth = len(chain) - at
        for sealed in chain[at:]:
            sealed.mined.clear()
        net.ledger.reorganise(depth)
        for member in others:
            await member.reach(order, Phase.VERIFIED)
        await net.advance(3600)  # past the deadline and the delay after it, when others are paid for it
        for member in others:
            await member.reach(order, *DONE)


async def test_a_vote_that_came_after_the_settlement_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "COLLECT_SECONDS", 0.05)
    async with world(4) as net:
        order = await net.order()
        first, _, _, last = await net.ranked(order)
        last.bench.may_validate.clear()
        await net.send(order)
        await settled_everywhere(net, order)
        last.bench.may_validate.set()
        await until(lambda: last.address in last.entry(order).tally().opinions, "the late vote")
        net.ledger.mine()
        await until(lambda: bool(last.sent("extend:")), "the extension")
        (batch,) = net.ledger.state.batches.values()
        assert batch.records[0].counted.bit_count() == 3
        await until(lambda: last.entry(order).earned > 0, "the fee")
        assert first.sent("extend:") == []


async def test_an_extension_survives_an_absence_of_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "COLLECT_SECONDS", 0.05)
    async with world(4) as net:
        order = await net.order()
        _, _, _, last = await net.ranked(order)
        last.bench.may_validate.clear()
        await net.send(order)
        await settled_everywhere(net, order)
        net.ledger.go_down("away")
        last.bench.may_validate.set()
        await until(lambda: last.address in last.entry(order).tally().opinions, "the late vote")
        await quiet()
        net.ledger.come_up()
        net.ledger.mine()
        await until(lambda: bool(last.sent("extend:")), "the extension")


async def test_others_finalise_when_the_prover_is_gone_and_everybody_withdraws_once() -> None:
    async with world(3) as net:
        order = await net.order()
        first, *others = await net.ranked(order)
        await net.send(order)
        await settled_everywhere(net, order)
        await first.kill()
        await net.advance(WINDOW + 1)
        await quiet()
        assert net.ledger.state.batches  # it is the prover's turn first
        await net.advance(60 * 4)
        for member in others:
            await member.reach(order, Phase.PAID)
        for member in others:
            assert await member.node.withdraw() > 0
            assert await member.node.withdraw() == 0
            payout = member.options.payout
            assert net.ledger.state.balances[payout] > 0


async def test_each_window_of_a_member_is_paid_by_itself() -> None:
    """A batch gets the name of one that was paid: it is another batch all the same."""
    async with world(3) as net:
        prover = net.members[1]
        keys = []
        for day in ("first", "second", "third"):
            order = await one_proved_by(net, prover, day)
            await net.send(order)
            await settled_everywhere(net, order)
            keys += net.ledger.state.batches
            await net.advance(WINDOW + 1)
            await prover.reach(order, Phase.PAID)
        assert len(set(keys)) == 1
        assert len(prover.sent("finalize:")) == 3


async def test_two_withdrawals_at_once_are_one() -> None:
    async with world(3) as net:
        order = await net.order()
        await net.send(order)
        await settled_everywhere(net, order)
        await net.advance(WINDOW + 1)
        member = net.members[0]
        await member.reach(order, Phase.PAID)
        sums = await asyncio.gather(*(member.node.withdraw() for _ in range(3)))
        assert sorted(sums)[:2] == [0, 0]
        assert sum(sums) > 0
        assert len(member.sent("withdraw:")) == 1


async def test_a_withdrawal_that_was_refused_can_be_asked_for_again() -> None:
    async with world(3) as net:
        order = await net.order()
        await net.send(order)
        await settled_everywhere(net, order)
        await net.advance(WINDOW + 1)
        member = net.members[0]
        await member.reach(order, Phase.PAID)
        submit = member.chain.submit

        async def refuse(intent: str, call: object) -> object:
            assert isinstance(call, WithdrawRewards)
            raise TransactionFailed("The contract refuses.")

        member.chain.submit = refuse  # type: ignore[method-assign, assignment]
        with pytest.raises(TransactionFailed):
            await member.node.withdraw()
        member.chain.submit = submit  # type: ignore[method-assign]
        assert await member.node.withdraw() > 0


async def test_the_chain_goes_away_in_the_middle_of_its_own_events() -> None:
    """A Settled event that could not be worked through is not an event that never came."""
    async with world(3) as net:
        order = await net.order()
        _, watcher, _ = await net.ranked(order)
        snapshot = watcher.chain.snapshot
        failed = 0

        async def fails_once(*args: Any) -> Snapshot | None:
            nonlocal failed
            if watcher.knows(order):
                failed += 1
                if failed == 1:
                    raise ChainUnreachable("A short absence.")
            return await snapshot(*args)

        watcher.chain.snapshot = fails_once  # type: ignore[method-assign]
        await net.send(order)
        await settled_everywhere(net, order)
        assert failed >= 2


async def test_a_transaction_is_the_same_after_the_chain_was_away_before_it_was_mined() -> None:
    async with world(3) as net:
        order = await net.order()
        first, *_ = await net.ranked(order)
        net.ledger.hold_mining()
        await net.send(order)
        await until(lambda: bool(first.sent("settle:")), "the transaction")
        net.ledger.go_down("away")
        await quiet()
        net.ledger.come_up()
        net.ledger.release_mining()
        await settled_everywhere(net, order)
        record = await first.disk.platter.tx_by_intent(first.sent("settle:")[0])
        assert record is not None
        assert record.state is TxState.MINED
        assert net.settled() == 1


async def test_what_can_no_longer_be_settled_is_let_go() -> None:
    """The contract takes it no more: the request ends, here and in the store, and nothing keeps it."""
    async with world(3) as net:

        async def refuse(intent: str, call: object) -> object:
            raise TransactionFailed("The contract refuses.")

        for member in net.members:
            member.chain.submit = refuse  # type: ignore[method-assign, assignment]
        order = await net.order(lifetime=100)
        await net.send(order)
        for member in net.members:
            await until(lambda m=member: m.knows(order))  # type: ignore[misc]
            await member.reach(order, Phase.VERIFIED)
        await net.advance(100 + 3600 + 10)
        for member in net.members:
            await until(lambda m=member: m.entry(order).closed, "the end")  # type: ignore[misc]
            assert member.node.earnings is not None
            assert member.node.earnings.due == {}
            assert "not settled" in member.view(order).error
        await quiet()
        assert await net.members[0].disk.platter.open_jobs() == []
        assert (await net.members[0].node.proof("ref")).votes


async def test_a_settlement_that_another_sent_first_is_nobodys_alarm() -> None:
    """The prover comes back late: the contract refuses what it has already."""
    async with world(3) as net:
        order = await net.order(lifetime=100)
        first, *others = await net.ranked(order)
        first.disk.cut_after(faults.marks("settling:"))
        await net.send(order)
        await first.disk.cut.wait()
        await first.kill()
        for member in others:
            await member.reach(order, Phase.VERIFIED)
        await net.advance(3600)  # past the deadline and the delay after it, when others are paid for it
        for member in others:
            await member.reach(order, *DONE)
        await first.start()
        await first.reach(order, *DONE)
        assert net.settled() == 1
        await quiet()
        assert first.node.ctx.alerts == []
        assert all(member.node.ctx.alerts == [] for member in others)


async def test_nothing_of_a_settled_request_stays_in_memory_once_later_ones_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "MAX_IN_MEMORY", 2)
    async with world(3) as net:
        seen: list[weakref.ref[Entry]] = []
        for number in range(6):
            order = await net.order(f"ref {number}")
            await net.send(order)
            await settled_everywhere(net, order)
            seen += [weakref.ref(member.entry(order)) for member in net.members]

        def gone() -> bool:
            gc.collect()
            return not any(ref() for ref in seen[: 3 * len(net.members)])

        await until(gone, "the room of the first three")
        assert all(len(member.node.book.entries) <= 3 for member in net.members)
        assert all(not member.node.intake._opening for member in net.members)
        await until(lambda: _all_at_rest(net, 6), "settlements that need nothing to be out of memory")
        await net.advance(WINDOW + 1)  # and they are paid all the same
        await net.advance(120)
        await until(lambda: _all_paid(net), "the payouts")


def _all_at_rest(net: World, settlements: int) -> bool:
    windows = [member.node.earnings.window for member in net.members if member.node.earnings]
    return all(len(window) == settlements and not window.awake for window in windows)


def _all_paid(net: World) -> bool:
    return all(not member.node.earnings.window for member in net.members if member.node.earnings)
