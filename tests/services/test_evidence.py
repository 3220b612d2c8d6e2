"""Who contradicts itself, or signs what the others refute, answers for it on the chain; and nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpn_desktop.adapters.builtin.cheating import CheatingRuntime
from gpn_desktop.core.batching import Terms
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import NonceConflict, ProverLost
from gpn_desktop.core.types import Vote
from gpn_desktop.ports.calls import Supersede
from gpn_desktop.ports.chain import ProverInfo
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.evidence import REPORTER_BPS, STAGGER_MS
from gpn_desktop.services.views import Phase
from tests.services.faults import true_proof
from tests.services.test_settling import DONE, settled_everywhere
from tests.services.world import ETHER, WINDOW, Member, World, quiet, until, world


def prover(net: World, member: Member) -> ProverInfo:
    return net.ledger.state.provers[member.address]


async def pass_turns(net: World) -> None:
    """Time for every member to have had its turn at reporting."""
    for _ in net.members:
        await net.advance(STAGGER_MS / 1000 + 1)
        await quiet()
    await net.advance(1)


async def contradict(net: World, order: Order, member: Member, valid: bool) -> None:
    """The member's key signs the opposite of what its node said about the accepted proof."""
    view = net.members[0].view(order)
    assert view.prover is not None
    assert view.seed is not None
    proof = true_proof(order.signed.message.details.ref, order.payload)
    vote = Vote(order.id, view.prover, keccak(proof), view.attempt, valid)
    await member.network.publish(net.ballot(member.key, vote, proof, view.seed))


async def test_an_equivocator_loses_its_stake_and_the_reporter_has_its_share() -> None:
    async with world(4) as net:
        order = await net.order()
        first, second, third, liar = await net.ranked(order)
        await net.send(order)
        await settled_everywhere(net, order)
        await contradict(net, order, liar, valid=False)
        await until(lambda: second.count("contradiction") == 1, "the contradiction")
        before = {m.address: net.ledger.state.balances[m.address] for m in net.members}
        await pass_turns(net)
        await until(lambda: prover(net, liar).slashed, "the slashing")
        assert prover(net, liar).stake == 0
        gains = {
            m.address: net.ledger.state.balances[m.address] - before[m.address]
            for m in (first, second, third)
        }
        share = ETHER * REPORTER_BPS // 10_000
        assert sorted(gains.values()) == [0, 0, share]
        reports = [intent for m in net.members for intent in m.sent("slash:")]
        assert reports == [f"slash:{liar.address.hex()}"]
        assert any("contradict" in alert for alert in liar.node.ctx.alerts)
        assert liar.node.view().paused
        await liar.node.pause(False)
        assert liar.node.view().paused  # nobody resumes a slashed node


async def test_a_slashed_member_is_evicted_and_the_committee_goes_on() -> None:
    async with world(4) as net:
        order = await net.order()
        *_, liar = await net.ranked(order)
        await net.send(order)
        await settled_everywhere(net, order)
        await contradict(net, order, liar, valid=False)
        await until(lambda: net.members[0].count("contradiction") == 1 or liar is net.members[0])
        await pass_turns(net)
        await pass_turns(net)
        state = net.ledger.state
        info = state.consumers[net.consumer].info
        snapshot = state.snapshot(net.consumer, info.snapshot_id)
        assert snapshot is not None
        assert liar.address not in snapshot.members
        assert len(snapshot.seats) == 3
        other = await net.order("after")
        gateway = next(m for m in net.members if m is not liar)
        await net.send(other, gateway)
        await gateway.reach(other, *DONE)


async def test_a_false_proof_costs_its_prover_the_seat_and_no_stake() -> None:
    async with world(4) as net:
        order = await net.order()
        cheat, second, *_ = await net.ranked(order)
        cheat.node.ctx.runtime = CheatingRuntime(cheat.bench)
        await net.send(order)
        await settled_everywhere(net, order)
        assert second.view(order).prover == second.address
        await pass_turns(net)
        until_ = await second.chain.suspended_until(net.consumer, cheat.address)
        assert until_ > net.ledger.now()
        assert prover(net, cheat).stake == ETHER
        assert not prover(net, cheat).slashed
        assert [i for m in net.members for i in m.sent("suspend:")] == [
            f"suspend:{order.id.hex()}:{cheat.address.hex()}"
        ]
        assert any("lost its seat" in alert for alert in cheat.node.ctx.alerts)


async def test_who_signs_blindly_for_a_false_proof_loses_its_seat_too() -> None:
    async with world(6) as net:
        order = await net.order()
        cheat, second, *_, blind = await net.ranked(order)
        cheat.node.ctx.runtime = CheatingRuntime(cheat.bench)

        async def yes(*_args: object) -> bool:
            return True

        blind.bench.validate = yes  # type: ignore[method-assign]
        await net.send(order)
        await settled_everywhere(net, order)
        await pass_turns(net)
        for member in (cheat, blind):
            assert await second.chain.suspended_until(net.consumer, member.address) > net.ledger.now()
            assert prover(net, member).stake == ETHER
        honest = [m for m in net.members if m not in (cheat, blind)]
        for member in honest:
            assert await second.chain.suspended_until(net.consumer, member.address) == 0


async def test_a_blind_verifier_gets_no_fee_of_the_same_request() -> None:
    """It signs whatever it sees: the false proof, and the right one as well."""
    async with world(6, settle=Terms(max_age=30)) as net:
        order = await net.order()
        cheat, second, *_, lazy = await net.ranked(order)
        cheat.node.ctx.runtime = CheatingRuntime(cheat.bench)
        lazy.bench.validate_error = ProverLost("It has no opinion of its own.")
        await net.send(order)
        await second.reach(order, Phase.VERIFIED)
        view = second.view(order)
        (false,) = {v.proof_hash for v in view.votes if not v.valid}
        await sign(net, order, lazy, cheat, await second.disk.platter.blob(false), 0)
        await sign(net, order, lazy, second, true_proof("ref", order.payload), 1)
        await until(lambda: second.entry(order).tally().count(True) == 5, "its second vote")
        await net.advance(31)
        await settled_everywhere(net, order)
        await pass_turns(net)
        assert len([i for m in net.members for i in m.sent("forfeit:")]) == 1
        await net.advance(WINDOW)
        await until(lambda: rewards(net, second) > 0, "the payment")
        reward = order.signed.message.reward
        fee = reward * 2000 // 10_000 // 5
        assert rewards(net, lazy) == 0
        assert net.ledger.state.burned == fee
        assert rewards(net, second) == reward - 5 * fee  # its bonus for including everybody stays


async def sign(
    net: World, order: Order, voter: Member, by: Member, proof: bytes | None, attempt: int
) -> None:
    """The voter's key signs that a proof is valid, whatever its node says."""
    assert proof is not None
    seed = by.view(order).seed
    assert seed is not None
    vote = Vote(order.id, by.address, keccak(proof), attempt, True)
    await voter.network.publish(net.ballot(voter.key, vote, proof, seed))


async def test_evidence_outlives_a_restart() -> None:
    async with world(4) as net:
        order = await net.order()
        *_, liar = await net.ranked(order)
        await net.send(order)
        await settled_everywhere(net, order)
        others = [m for m in net.members if m is not liar]
        await contradict(net, order, liar, valid=False)
        for member in others:
            await until(lambda m=member: m.count("contradiction") == 1)  # type: ignore[misc]
        await quiet()
        for member in others:
            await member.restart()
        await pass_turns(net)
        await until(lambda: prover(net, liar).slashed, "the slashing")


async def test_a_report_that_a_reorganisation_drops_is_made_again() -> None:
    async with world(4) as net:
        order = await net.order()
        *_, liar = await net.ranked(order)
        await net.send(order)
        await settled_everywhere(net, order)
        await contradict(net, order, liar, valid=False)
        await until(lambda: any(m.count("contradiction") for m in net.members if m is not liar))
        await pass_turns(net)
        await until(lambda: prover(net, liar).slashed, "the slashing")
        chain = net.ledger._chain
        known = [sealed.state.provers.get(liar.address) for sealed in chain]
        at = next(i for i, info in enumerate(known) if info is not None and info.slashed)
        for sealed in chain[at:]:
            sealed.mined.clear()
        net.ledger.reorganise(len(chain) - at)
        assert not prover(net, liar).slashed
        await pass_turns(net)
        await pass_turns(net)
        await until(lambda: prover(net, liar).slashed, "the slashing, again")


async def test_two_requests_on_one_nonce_cost_the_consumer_a_penalty_once() -> None:
    async with world(3) as net:
        first = await net.order("one")
        request = first.signed.message
        second = net.sign(replace(request, details=replace(request.details, ref="two")))
        await net.send(first)
        await settled_everywhere(net, first)
        before = net.ledger.state.consumers[net.consumer].info.balance
        with pytest.raises(NonceConflict):
            await net.send(second)
        await pass_turns(net)
        reward = request.reward
        await until(lambda: net.ledger.state.consumers[net.consumer].info.balance < before, "the penalty")
        assert before - net.ledger.state.consumers[net.consumer].info.balance == 2 * (reward + reward)
        assert len([i for m in net.members for i in m.sent("penalty:")]) == 1


async def test_what_is_not_worth_its_gas_is_kept_and_not_reported() -> None:
    async with world(4, settle=Terms(max_gas=10)) as net:
        order = await net.order()
        cheat, *_ = await net.ranked(order)
        cheat.node.ctx.runtime = CheatingRuntime(cheat.bench)
        net.ledger.gas_price = 11
        await net.send(order)
        for member in net.members:
            await until(lambda m=member: m.knows(order))  # type: ignore[misc]
            await member.reach(order, Phase.VERIFIED)
        await pass_turns(net)
        assert [i for m in net.members for i in m.sent("suspend:")] == []
        net.ledger.gas_price = 10
        await pass_turns(net)
        assert len([i for m in net.members for i in m.sent("suspend:")]) == 1


async def test_nobody_reports_where_the_operator_does_not_want_it() -> None:
    async with world(4, report_faults=False) as net:
        order = await net.order()
        *_, liar = await net.ranked(order)
        await net.send(order)
        await settled_everywhere(net, order)
        await contradict(net, order, liar, valid=False)
        await until(lambda: any(m.count("contradiction") for m in net.members if m is not liar))
        await pass_turns(net)
        assert not prover(net, liar).slashed


async def test_a_forged_accusation_convinces_nobody() -> None:
    """A stranger signs in a member's name: the signer is who signed, so it says nothing about the member."""
    async with world(4) as net:
        order = await net.order()
        await net.send(order)
        await settled_everywhere(net, order)
        view = net.members[0].view(order)
        assert view.prover is not None
        assert view.seed is not None
        proof = true_proof("ref", order.payload)
        vote = Vote(order.id, view.prover, keccak(proof), view.attempt, False)
        forger = net.consumer_key  # any key that is no member's
        message = net.ballot(forger, vote, proof, view.seed)
        await net.members[1].network.publish(message)
        await quiet()
        await pass_turns(net)
        assert [i for m in net.members for i in m.sent("slash:")] == []
        assert all(prover(net, m).stake == ETHER for m in net.members)


async def test_a_settlement_of_another_proof_is_contested_by_the_right_one() -> None:
    """Colluders settle a proof of their own with a bare quorum; the verified one has more votes."""
    async with world(6) as net:
        order = await net.order()
        right = (await net.ranked(order))[0]
        for member in net.members:
            member.node.earnings.settling.settle_due = nothing  # type: ignore[union-attr, method-assign]
        await net.send(order)
        for member in net.members:
            await until(lambda m=member: m.knows(order))  # type: ignore[misc]
            await member.reach(order, Phase.VERIFIED)
        await until(lambda: right.entry(order).tally().count(True) == 5, "all votes")
        colluders = [m for m in net.members if m is not right][:4]
        await settle_falsely(net, order, colluders)
        await until(lambda: any("contradicts" in alert for alert in right.node.ctx.alerts), "the alarm")
        await net.advance(2)
        await until(lambda: right.sent("supersede:") != [], "the contest")
        await net.advance(1)
        await net.advance(WINDOW)
        await net.advance(600)
        await until(lambda: rewards(net, right) > 0, "the payment")
        reward = order.signed.message.reward
        assert rewards(net, right) == reward - 5 * (reward * 2000 // 10_000 // 5)
        assert rewards(net, colluders[0]) == reward * 2000 // 10_000 // 5  # as a verifier, and no more
        supersedes = [
            c for sealed in net.ledger._chain for _, _, c in sealed.mined if isinstance(c, Supersede)
        ]
        assert len(supersedes) == 1


async def nothing() -> None:
    return


def rewards(net: World, member: Member) -> int:
    return net.ledger.state.rewards.get(prover(net, member).member_id, 0)


async def settle_falsely(net: World, order: Order, colluders: list[Member]) -> None:
    """The first of them as the prover of a proof that the others sign for: three votes of five."""
    from gpn_desktop.core.messages import Signed
    from gpn_desktop.ports.calls import SeatVote, Settle, SettlementEntry

    liar, *signers = colluders
    vote = Vote(order.id, liar.address, keccak(b"a lie"), 0, True)
    seats = order.snapshot.members
    votes = []
    for member in signers:
        signed = Signed[Vote].sign(vote, member.key.secret, member.address, net.ledger.domain)
        votes.append(SeatVote(seats[member.address], signed.signature))
    entry = SettlementEntry(order.signed, vote, tuple(sorted(votes, key=lambda v: v.seat)))
    await liar.chain.submit("a false settlement", Settle((entry,)))
