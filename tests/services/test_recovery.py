"""What a node finds out before it says anything: what the chain did meanwhile, and what its journal lacks."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import replace
from typing import Any

import pytest

from gpn_desktop.adapters.chain.memory import MemoryChain
from gpn_desktop.adapters.sqlite import MemoryStore
from gpn_desktop.core.errors import ChainUnreachable, StoreCorrupt, StoreFull
from gpn_desktop.core.messages import AnnouncementMessage, DeclineMessage, RequestMessage, VotesMessage
from gpn_desktop.services import node
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.views import Phase
from tests.services import faults
from tests.services.faults import Disk
from tests.services.test_evidence import contradict, pass_turns, prover
from tests.services.test_settling import DONE, settled_everywhere
from tests.services.world import SETTLE_DELAY, Member, World, quiet, until, world

# The chain went on while the node was dead ----------------------------------------------------------------


async def test_what_another_member_settled_meanwhile_is_not_settled_again() -> None:
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
        await first.start()
        await first.reach(order, *DONE)
        await net.advance(10)
        await quiet()
        assert first.sent("settle:") == []
        assert net.settled() == 1


async def test_a_turn_is_not_taken_for_what_was_settled_meanwhile() -> None:
    """It never heard of the proof: the settlement alone tells it, and it comes before the turn."""
    async with world(4) as net:
        order = await net.order()
        first, second, *others = await net.ranked(order)
        first.bench.may_prove.clear()
        await net.send(order)
        await first.bench.proving.wait()
        await until(lambda: second.knows(order))
        await second.stop()
        first.bench.may_prove.set()
        for member in (first, *others):
            await member.reach(order, *DONE)
        for member in (first, *others):
            await member.stop()
        net.clock.ahead += 65  # second's turn, for all that it was told
        net.ledger.mine()
        await second.start()
        await quiet()
        assert second.phase(order) in DONE
        assert not second.bench.proving.is_set()
        assert await second.own(order, DeclineMessage) == []


async def test_a_settlement_stops_a_proof_at_work() -> None:
    async with world(4) as net:
        order = await net.order()
        first, second, *others = await net.ranked(order)
        first.bench.may_prove.clear()
        await net.send(order)
        await first.bench.proving.wait()
        for member in (first, *others):
            net.hub.cut(second.address, member.address)
        second.bench.may_prove.clear()
        net.clock.ahead += 65
        net.ledger.mine()
        await second.bench.proving.wait()
        first.bench.may_prove.set()
        net.clock.ahead -= 65  # the others never saw the first turn run out
        await second.reach(order, *DONE)
        await until(lambda: second.node.book.running == 0, "the proof's end")
        second.bench.may_prove.set()
        await quiet()
        assert await second.own(order, AnnouncementMessage) == []


async def test_a_slashed_node_does_nothing_after_a_restart_either() -> None:
    async with world(4) as net:
        order = await net.order()
        *_, liar = await net.ranked(order)
        others = [m for m in net.members if m is not liar]
        await net.send(order)
        await settled_everywhere(net, order)
        await contradict(net, order, liar, valid=False)
        await until(lambda: others[0].count("contradiction") == 1, "the contradiction")
        await liar.kill()
        for _ in range(3):
            await pass_turns(net)
        await until(lambda: prover(net, liar).slashed, "the slashing")
        await liar.start()
        await net.advance(1)
        await liar.restart()  # the event itself lies behind it now
        assert liar.node.view().paused
        assert any("slashed" in alert for alert in liar.node.ctx.alerts)


async def test_a_slashed_node_neither_proves_nor_votes() -> None:
    async with world(4) as net:
        order = await net.order()
        for member in net.members:
            member.bench.may_prove.clear()
        first, *_, last = await net.ranked(order)
        await net.send(order)
        await until(lambda: last.knows(order))
        net.ledger.state.provers[last.address] = replace(prover(net, last), slashed=True)
        await last.restart()
        for member in net.members:
            member.bench.may_prove.set()
        others = [m for m in net.members if m is not last]
        for member in others:
            await member.reach(order, *DONE)
        await quiet()
        assert await last.own(order, VotesMessage) == []
        assert await last.own(order, AnnouncementMessage) == []
        assert first.entry(order).tally().opinions.keys() <= {m.address for m in others}


async def test_a_request_restored_once_the_chain_is_back_is_settled_too() -> None:
    async with world(3) as net:
        order = await net.order()
        first, *_ = await net.ranked(order)
        first.disk.cut_after(faults.marks("settling:"))
        await net.send(order)
        await first.disk.cut.wait()
        await first.kill()

        async def away(*_args: object) -> None:
            raise ChainUnreachable("The chain node is gone for a moment.")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryChain, "snapshot", away)
            await first.start()
            await quiet()
        assert not first.knows(order)
        assert net.settled() == 0
        net.ledger.mine()
        await settled_everywhere(net, order)
        assert len(first.sent("settle:")) == 1


async def test_a_vote_that_was_kept_is_paid_though_the_others_votes_are_never_heard_of() -> None:
    """It settled without this node, and peers no longer tell of what is settled: the chain does."""
    async with world(4) as net:
        order = await net.order()
        *others, last = await net.ranked(order)
        last.disk.cut_after(faults.keeps_vote)
        await net.send(order)
        await last.disk.cut.wait()
        await last.kill()
        for member in others:
            await member.reach(order, *DONE)
            net.hub.cut(last.address, member.address)
        await last.start()
        await net.advance(1)
        await until(lambda: len(last.sent("extend:")) == 1, "the vote on the chain")
        seat = order.snapshot.members[last.address]
        await until(
            lambda: [b.entries[0].counted >> seat & 1 for b in net.ledger.state.batches.values()] == [1]
        )


# The disk -------------------------------------------------------------------------------------------------


async def test_a_request_that_found_no_room_is_taken_in_with_the_next_block() -> None:
    async with world(4) as net:
        order = await net.order()
        *others, last = await net.ranked(order)
        last.disk.fail(faults.keeps_others(RequestMessage), StoreFull("The disk is full."))
        await net.send(order, others[0])
        for member in others:
            await member.reach(order, *DONE)
        await until(lambda: any("disk is full" in alert for alert in last.node.ctx.alerts), "the alert")
        assert last.count("alert") >= 1
        assert not last.knows(order)
        last.disk.mend()
        await net.advance(1)
        await until(lambda: last.knows(order), "the request")
        await last.reach(order, *DONE)  # the settlement's event was there before the request
        await until(lambda: last.address in last.entry(order).tally().opinions, "its vote")
        await net.advance(1)
        await until(lambda: len(last.sent("extend:")) == 1, "its vote, late and paid")


async def test_a_damaged_journal_is_told_of_and_nothing_leaves() -> None:
    async with world(4) as net:
        order = await net.order()
        *others, last = await net.ranked(order)
        last.disk.fail(faults.keeps_vote, StoreCorrupt("The database is damaged."))
        await net.send(order)
        for member in others:
            await member.reach(order, *DONE)
        await until(lambda: any("damaged" in alert for alert in last.node.ctx.alerts), "the alert")
        assert await last.own(order, VotesMessage) == []
        opinions = [m.entry(order).tally().opinions for m in net.members]
        assert not any(last.address in voters for voters in opinions)


async def test_housekeeping_goes_on_after_the_disk_was_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "HOUSEKEEPING_SECONDS", 0.01)
    async with world(2) as net:
        first, _ = net.members
        tried = asyncio.Event()

        def cleaning(name: str, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
            if name == "forget_blobs":
                tried.set()
            return name == "forget_blobs"

        first.disk.fail(cleaning, StoreFull("The disk is full."))
        await tried.wait()
        await until(lambda: any("full" in alert for alert in first.node.ctx.alerts), "the alert")
        first.disk.cut_after(faults.calls("forget_blobs"))
        first.disk.mend()
        async with asyncio.timeout(5):
            await first.disk.cut.wait()


# The journal is not what it was ---------------------------------------------------------------------------


async def lose_journal(member: Member) -> None:
    """The disk broke; the node begins with an empty one, and with its old key."""
    await member.kill()
    member.disk = Disk(MemoryStore())


def honest(net: World) -> None:
    """Nobody has seen anybody contradict itself."""
    for member in net.members:
        assert member.count("contradiction") == 0, member.events
        for entry in member.node.book.entries.values():
            assert not any(t.equivocators for t in entry.job.tallies.values())
            provers = [prover for prover, _ in entry.job.announcements]
            assert len(set(provers)) == len(provers)


async def voted_on(net: World, order: Order) -> tuple[Member, Member, list[Member]]:
    """The prover, a verifier that has voted, and others that still think: there is no verdict yet."""
    first, voter, *others = await net.ranked(order)
    for member in others:
        member.bench.may_validate.clear()
    await net.send(order, first)
    await until(lambda: voter.knows(order) and voter.address in voter.entry(order).tally().opinions)
    await until(lambda: voter.address in first.entry(order).tally().opinions)
    return first, voter, others


async def test_a_node_that_lost_its_journal_does_not_vote_again() -> None:
    async with world(4) as net:
        order = await net.order()
        _, voter, others = await voted_on(net, order)
        await lose_journal(voter)

        async def no(*_args: object) -> bool:
            return False

        voter.bench.validate = no  # type: ignore[method-assign]
        await voter.start()
        await until(lambda: voter.knows(order), "the request")
        await quiet()
        for member in others:
            member.bench.may_validate.set()
        await settled_everywhere(net, order)
        (vote,) = await voter.own(order, VotesMessage)  # from its peers, and its own again
        assert vote.votes[0].signed.message.valid
        honest(net)
        assert any("journal" in alert for alert in voter.node.ctx.alerts)


async def test_a_node_that_lost_its_journal_does_not_announce_another_proof() -> None:
    async with world(4) as net:
        order = await net.order()
        first, *others = await net.ranked(order)
        for member in others:
            member.bench.may_validate.clear()
        await net.send(order, first)
        await until(lambda: all(m.knows(order) and m.entry(order).job.announcements for m in others))
        await lose_journal(first)
        first.bench.repeat = 2  # another proof, as any prover makes the second time
        await first.start()
        await until(lambda: first.knows(order), "the request")
        await quiet()
        for member in others:
            member.bench.may_validate.set()
        await settled_everywhere(net, order)
        assert len(await first.own(order, AnnouncementMessage)) == 1
        assert first.bench.proved == 1
        assert len(first.sent("settle:")) == 1  # it is the credited prover all the same
        honest(net)


async def test_what_comes_after_a_lost_journal_is_served_as_ever() -> None:
    async with world(4) as net:
        order = await net.order()
        first, *_ = await net.ranked(order)
        await lose_journal(first)
        await first.start()
        gateway = next(m for m in net.members if m is not first)
        net.ledger.mine()
        for number in range(20):
            later = await net.order(f"later {number}")
            if (await net.ranked(later))[0] is first:
                break
        await net.send(later, gateway)
        await settled_everywhere(net, later)
        assert len(await first.own(later, AnnouncementMessage)) == 1


async def test_a_new_node_is_not_silent_about_its_first_request() -> None:
    async with world(3) as net:
        fourth = await net.add("a fourth")
        await net.commit()
        order = await net.order()
        await net.send(order)
        await settled_everywhere(net, order)
        said = [*await fourth.own(order, AnnouncementMessage), *await fourth.own(order, VotesMessage)]
        assert len(said) == 1
        assert fourth.node.ctx.alerts == []


async def test_an_older_copy_of_the_journal_is_found_out_by_what_the_network_says() -> None:
    """A backup was put back: the journal looks whole, and lacks a vote that is out there."""
    async with world(4) as net:
        earlier = {m.address: copy.deepcopy(m.disk.platter) for m in net.members}
        order = await net.order()
        _, voter, others = await voted_on(net, order)
        another = await net.order("another", quorum=3)
        for member in net.members:
            member.bench.may_prove.clear()
        await net.send(another, others[0])
        await until(lambda: all(m.knows(another) for m in net.members))
        await voter.kill()
        voter.disk = Disk(earlier[voter.address])

        async def no(*_args: object) -> bool:
            return False

        voter.bench.validate = no  # type: ignore[method-assign]
        voter.bench.may_prove.set()
        await voter.start()
        await until(lambda: voter.knows(order) and voter.knows(another))
        await until(lambda: any("journal" in alert for alert in voter.node.ctx.alerts), "the alert")
        for member in net.members:
            member.bench.may_prove.set()
            member.bench.may_validate.set()
        await settled_everywhere(net, order)
        (vote,) = await voter.own(order, VotesMessage)
        assert vote.votes[0].signed.message.valid
        assert await voter.own(another, VotesMessage) == []  # nobody knows what it said about this one
        assert await voter.own(another, AnnouncementMessage) == []
        honest(net)


@pytest.mark.parametrize("times", [1, 2])
async def test_own_words_that_the_network_gives_back_are_known_after_a_restart(times: int) -> None:
    async with world(4) as net:
        order = await net.order()
        _, voter, others = await voted_on(net, order)
        await lose_journal(voter)
        await voter.start()
        await until(lambda: voter.knows(order) and voter.address in voter.entry(order).tally().opinions)
        await quiet()
        for _ in range(times):
            await voter.restart()
        assert voter.address in voter.entry(order).tally().opinions
        for member in others:
            member.bench.may_validate.set()
        await settled_everywhere(net, order)
        assert len(await voter.own(order, VotesMessage)) == 1
        honest(net)
