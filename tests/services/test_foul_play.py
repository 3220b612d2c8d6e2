"""Provers, verifiers and strangers that do not keep to the rules, and runtimes that fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpn_desktop.adapters.builtin.cheating import CheatingRuntime
from gpn_desktop.core import errors
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.messages import AnnouncementMessage, DeclineMessage, VotesMessage
from gpn_desktop.core.types import Gwei, Vote
from gpn_desktop.services import jobs, journal
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.views import Phase
from tests.services.faults import keeps_vote, true_proof
from tests.services.world import Member, World, key_of, quiet, until, world

DONE = (Phase.SETTLED, Phase.PAID)


async def settled_everywhere(net: World, order: Order) -> None:
    for member in net.members:
        await until(lambda m=member: m.knows(order), "the request")  # type: ignore[misc]
        await member.reach(order, *DONE)


async def known_everywhere(net: World, order: Order) -> None:
    for member in net.members:
        await until(lambda m=member: m.knows(order), "the request")  # type: ignore[misc]


def reason(member: Member) -> list[object]:
    return [fields["reason"] for name, fields in member.events if name == "declined"]


@pytest.mark.parametrize(
    "kind",
    [
        errors.EngineFault,
        errors.ImageUnavailable,
        errors.ProverTimeout,
        errors.ProverFault,
        errors.ProverLost,
        errors.ProverOutputTooLarge,
        errors.GpuUnavailable,
    ],
)
async def test_a_prover_that_fails_declines_with_the_code_and_the_next_proves(
    kind: type[errors.GpnError],
) -> None:
    async with world(3) as net:
        order = await net.order()
        first, second, _ = await net.ranked(order)
        first.bench.prove_error = kind("It failed.")
        await net.send(order)
        await settled_everywhere(net, order)
        assert reason(first) == [kind.code]
        assert net.members[0].view(order).prover == second.address


async def test_paused_full_and_underpaid_nodes_decline_at_once() -> None:
    async with world(4) as net:
        order = await net.order("one")
        first, second, third, last = await net.ranked(order)
        await first.node.pause(True)
        second.options = replace(second.options, min_reward=Gwei(10**9))
        await second.restart(killed=False)
        third.node.book._proofs_in_work = third.options.capacity
        await net.send(order, last)
        await settled_everywhere(net, order)
        assert (reason(first), reason(second), reason(third)) == (["paused"], ["price"], ["full"])
        assert last.view(order).prover == last.address
        third.node.book._proofs_in_work = 0


async def test_a_verifier_that_fails_has_no_opinion() -> None:
    async with world(4) as net:
        order = await net.order()
        *_, last = await net.ranked(order)
        last.bench.validate_error = errors.ProverLost("It died.")
        await net.send(order)
        await settled_everywhere(net, order)
        await quiet()
        assert await last.own(order, VotesMessage) == []
        assert last.view(order).invalid_votes == 0
        assert last.view(order).unvoted == str(errors.ProverLost("It died."))


async def test_a_false_proof_is_voted_down_and_the_next_prover_is_paid() -> None:
    async with world(4) as net:
        order = await net.order()
        first, second, *_ = await net.ranked(order)
        first.node.ctx.runtime = CheatingRuntime(first.bench)
        await net.send(order)
        await settled_everywhere(net, order)
        assert net.members[0].view(order).prover == second.address
        assert second.count("voted_down") == 1


async def test_an_announcement_of_a_proof_that_nobody_serves_costs_one_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world(4) as net:
        order = await net.order()
        first, second, *_ = await net.ranked(order)
        first.bench.may_prove.clear()
        await net.send(order)
        await known_everywhere(net, order)
        seed = first.view(order).seed
        assert seed is not None
        await first.network.publish(net.claim(order, first.key, b"never served", 0, seed))
        await until(lambda: bool(second.entry(order).job.announcements), "the announcement")
        assert second.phase(order) is Phase.VERIFYING
        await net.advance(61)
        await settled_everywhere(net, order)
        assert second.view(order).prover == second.address
        fetches = [t for m in net.members for t in m.entry(order).proofs.values()]
        monkeypatch.setattr(jobs, "FETCH_PAUSE", 0.01)
        del fetches


async def test_a_vote_without_the_proof_behind_it_is_dropped() -> None:
    async with world(4) as net:
        order = await net.order()
        first, second, *rest = await net.ranked(order)
        for member in (second, *rest):
            member.bench.may_validate.clear()
        await net.send(order)
        await known_everywhere(net, order)
        await rest[0].reach(order, Phase.VERIFYING)
        seed = first.view(order).seed
        assert seed is not None
        proof_hash = keccak(true_proof("ref", order.payload))
        vote = Vote(order.id, first.address, proof_hash, 0, True)
        await second.network.publish(net.ballot(second.key, vote, b"not the proof", seed))
        await until(lambda: rest[0].count("vote_refused") == 1, "the refusal")
        assert rest[0].view(order).valid_votes == 0
        for member in (second, *rest):
            member.bench.may_validate.set()
        await settled_everywhere(net, order)


async def test_an_equivocator_is_reported_and_counts_for_nothing() -> None:
    async with world(4) as net:
        order = await net.order()
        first, second, third, last = await net.ranked(order)
        for member in (second, third, last):
            member.bench.may_validate.clear()
        await net.send(order)
        await known_everywhere(net, order)
        await last.reach(order, Phase.VERIFYING)
        seed = first.view(order).seed
        assert seed is not None
        proof = true_proof("ref", order.payload)
        good = Vote(order.id, first.address, keccak(proof), 0, True)
        for vote in (good, replace(good, valid=False)):
            await second.network.publish(net.ballot(second.key, vote, proof, seed))
        await until(lambda: any("contradicted" in a for a in last.node.ctx.alerts), "the alert")
        assert last.view(order).valid_votes == 0
        for member in (third, last):
            member.bench.may_validate.set()
        await last.reach(order, *DONE)
        assert last.view(order).valid_votes == 2


async def test_votes_of_strangers_do_not_crowd_out_the_committees() -> None:
    """Whoever is on the topic can sign votes on proofs that do not exist, as many as it likes."""
    async with world(4, beacon_delay=0) as net:
        order = await net.order()
        first, second, *rest = await net.ranked(order)
        for member in net.members:
            member.bench.repeat = 2000  # fetched, so votes come before it
            member.bench.may_prove.clear()
        await net.send(order)
        await known_everywhere(net, order)
        stranger = net.hub.network(key_of("stranger"), net.ledger.domain)
        await stranger.start(first.node)
        seed = first.view(order).seed
        assert seed is not None
        for number in range(2 * jobs.MAX_UNPROVEN):
            vote = Vote(order.id, first.address, keccak(bytes([number])), 0, True)
            await stranger.publish(net.ballot(key_of("stranger"), vote, b"", seed))
            await second.network.publish(net.ballot(second.key, vote, b"", seed))
        await quiet()
        proof = true_proof("ref", order.payload) * 2000
        good = Vote(order.id, first.address, keccak(proof), 0, True)
        early = net.ballot(rest[0].key, good, proof, seed)
        await rest[0].network.publish(early)
        await quiet()
        await stranger.aclose()
        rest[0].bench.validate_error = errors.ProverLost("It votes by hand.")
        for member in net.members:
            member.bench.may_prove.set()
        await until(lambda: rest[0].address in rest[1].entry(order).tally().opinions, "the early vote")
        assert sum(map(len, rest[1].entry(order).unproven.values())) <= jobs.MAX_UNPROVEN


async def test_what_strangers_say_before_the_order_is_known_does_not_crowd_out_the_committees() -> None:
    async with world(4, confirmations=1, beacon_delay=2) as net:
        for _ in range(3):
            net.ledger.mine()
        await net.settle_down()
        order = await net.order()
        await net.send(order)
        await known_everywhere(net, order)
        stranger = net.hub.network(key_of("stranger"), net.ledger.domain)
        await stranger.start(net.members[0].node)
        for number in range(300):
            said = net.claim(order, key_of("stranger"), b"%d" % number, 0, keccak(b"seed"))
            await stranger.publish(said)
        await quiet(100)
        assert net.members[0].entry(order).job.held == ()
        await stranger.aclose()


async def test_a_full_disk_delays_a_vote_and_does_not_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "STORE_PAUSE", 0.01)
    async with world(3) as net:
        order = await net.order()
        *_, last = await net.ranked(order)
        last.disk.fail(keeps_vote, errors.StoreFull("The disk is full."))
        await net.send(order)
        await until(lambda: any("disk" in alert for alert in last.node.ctx.alerts), "the alert")
        last.disk.mend()
        await settled_everywhere(net, order)
        assert len(await last.own(order, VotesMessage)) == 1


async def test_a_network_that_is_down_costs_time_and_no_proof() -> None:
    """Cut off in the middle, the prover's announcement reaches the others when they meet again."""
    async with world(4) as net:
        order = await net.order()
        first, *others = await net.ranked(order)
        first.bench.may_prove.clear()
        await net.send(order, others[0])
        await first.bench.proving.wait()
        for other in others:
            net.hub.cut(first.address, other.address)
        first.bench.may_prove.set()
        await first.reach(order, Phase.VERIFYING)
        assert len(await first.own(order, AnnouncementMessage)) == 1
        net.hub.heal()
        await settled_everywhere(net, order)
        assert others[0].view(order).prover == first.address
        assert await first.own(order, DeclineMessage) == []
