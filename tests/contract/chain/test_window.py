"""What can happen to a settlement before it pays, and how the next one pays it, on both chains."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from gpn_desktop.core.eip712 import digest, keccak
from gpn_desktop.core.errors import TransactionFailed
from gpn_desktop.core.types import ZERO_HASH, Signature
from gpn_desktop.ports.calls import Extend, Settle, SettleAttested, SettlementEntry, Supersede
from gpn_desktop.ports.chain import ChainUp, Challenged, EntrySkipped, Finalized, Reorged, Settled
from tests.contract.chain.committee import REWARD, Committee, gather_committee, paying
from tests.contract.chain.harness import WINDOW, Harness, Watcher

FEE_OF_FOUR = REWARD // 5 // 4


async def challenger(
    committee: Committee, settled: Settled, prover: int, voters: tuple[int, ...], proof: bytes = b"other"
) -> Supersede:
    record = settled.records[0]
    seat = committee.snapshot.seats[prover]
    entry = await committee.entry(99, prover=prover)
    vote = replace(entry.vote, request_id=record.request_id, prover=seat.address, proof_hash=keccak(proof))
    votes = committee.votes(digest(vote, committee.harness.domain), voters)
    at = (settled.key, settled.finalize_at, settled.raw_records)
    return Supersede(*at, 0, prover, vote, votes)


async def test_the_proof_with_more_votes_is_paid(harness: Harness) -> None:
    committee = await gather_committee(harness, 5)
    other = committee.members[1]
    watcher = Watcher(other)
    settled = await committee.settle(watcher, await committee.entry(0, voters=(1, 2, 3)))
    tie = await challenger(committee, settled, 1, (2, 3, 4))
    with pytest.raises(TransactionFailed, match="QuorumNotMet"):
        await other.submit("weak", replace(tie, votes=tie.votes[:2]))
    for name, bad, error in (
        ("self", replace(tie, prover_seat=0), "BadProver"),
        ("nobody", replace(tie, prover_seat=7), "BadProver"),
        ("index", replace(tie, index=1), "BadIndex"),
        ("batch", replace(tie, records=tie.records + bytes(128)), "BatchMismatch"),
        ("votes", replace(tie, votes=tie.votes[::-1]), "BadVotes"),
    ):
        with pytest.raises(TransactionFailed, match=error):
            await other.submit(name, bad)

    record = await other.submit("challenge", tie)

    told = await watcher.until(Challenged)
    assert told.block.number == record.block
    assert (told.key, told.prover, told.index, told.prover_seat) == (
        settled.key,
        committee.keys[2].address,
        0,
        1,
    )
    assert (told.proof_hash, told.vote_digest) == (
        tie.vote.proof_hash,
        digest(tie.vote, harness.domain),
    )
    assert told.counted == 0b11100
    third = await challenger(committee, settled, 2, (0, 1, 3), b"third")
    with pytest.raises(TransactionFailed, match="WeakerChallenger"):
        await committee.members[2].submit("third", third)
    # In the last eighth nobody new may come, but who stands gets its votes.
    await harness.advance(WINDOW - WINDOW // 8)
    best = await challenger(committee, settled, 2, (0, 1, 3, 4), b"third")
    with pytest.raises(TransactionFailed, match="WindowClosed"):
        await committee.members[2].submit("late", best)
    more = await challenger(committee, settled, 1, (0,))
    seen = len(watcher.seen)
    await other.submit("more", more)
    assert (await watcher.until(Challenged, since=seen)).counted == 0b11101
    await harness.advance(WINDOW)
    with pytest.raises(TransactionFailed, match="WindowClosed"):
        await other.submit("too late", more)
    await other.submit("finalize", paying(settled))
    assert await committee.rewards() == [FEE_OF_FOUR, REWARD - 4 * FEE_OF_FOUR] + [FEE_OF_FOUR] * 3
    await watcher.aclose()


async def test_a_tie_goes_to_the_incumbent(harness: Harness) -> None:
    committee = await gather_committee(harness, 5)
    watcher = Watcher(committee.members[0])
    settled = await committee.settle(watcher, await committee.entry(0, voters=(1, 2, 3)))
    await committee.members[1].submit("challenge", await challenger(committee, settled, 1, (0, 2, 3, 4)))
    votes = committee.votes(settled.records[0].vote_digest, (4,))
    at = (settled.key, settled.finalize_at, settled.raw_records)
    await committee.members[0].submit("extend", Extend(*at, 0, votes))
    await harness.advance(WINDOW)
    await committee.members[1].submit("finalize", paying(settled))
    assert await committee.rewards() == [REWARD - 4 * FEE_OF_FOUR] + [FEE_OF_FOUR] * 4
    await watcher.aclose()


# a settlement that pays an earlier one ----------------------------------------------------------------------


@pytest.mark.parametrize("attested", [False, True], ids=["single votes", "attested"])
async def test_a_settlement_pays_an_earlier_one_and_takes_its_slot(harness: Harness, attested: bool) -> None:
    committee = await gather_committee(harness, 5)
    prover = committee.members[0]
    watcher = Watcher(prover)
    first = await committee.settle(watcher, await committee.entry(0, voters=(1, 2, 3, 4)))
    other = await committee.settle(watcher, await committee.entry(1, voters=(1, 2, 3)), name="settle other")
    entry = await committee.entry(2, voters=(1, 2, 3))
    call: Settle | SettleAttested = Settle((entry,), paying(first))
    if attested:
        votes = committee.batch_votes((entry,), (1, 2, 3))
        call = SettleAttested((replace(entry, votes=()),), votes, paying(first))
    with pytest.raises(TransactionFailed, match="TooEarly"):
        await prover.submit("pay", call)
    info = await prover.consumer(committee.consumer)
    assert info is not None
    assert info.nonce_base == 2, "what was refused has used nothing up"
    await harness.advance(WINDOW)

    record = await prover.submit("pay", call)

    paid = await watcher.until(Finalized)
    settled = await watcher.until(Settled, lambda event: event.block.number == record.block)
    assert paid.block == settled.block
    assert watcher.seen.index(paid) < watcher.seen.index(settled)
    assert paid.key == settled.key == first.key != other.key
    assert await committee.rewards() == [REWARD - 4 * FEE_OF_FOUR] + [FEE_OF_FOUR] * 4
    with pytest.raises(TransactionFailed, match="BatchMismatch"):
        await prover.submit("pay twice", paying(first))
    await watcher.aclose()


async def test_what_somebody_else_has_paid_is_not_paid_again(harness: Harness) -> None:
    committee = await gather_committee(harness)
    prover = committee.members[0]
    watcher = Watcher(prover)
    first = await committee.settle(watcher, await committee.entry(0))
    await harness.advance(WINDOW)
    await committee.members[2].submit("finalize", paying(first))
    await watcher.until(Finalized)
    earned = await committee.rewards()

    again = await prover.submit("settle again", Settle((await committee.entry(1),), paying(first)))
    second = await watcher.until(Settled, lambda event: event.block.number == again.block)
    assert second.key == first.key, "the slot is free, and the lowest"
    # Now the slot keeps another batch: what is said about the old one is stale, and harms nobody.
    third = await prover.submit("settle more", Settle((await committee.entry(2),), paying(first)))
    settled = await watcher.until(Settled, lambda event: event.block.number == third.block)
    assert settled.key != first.key
    assert await committee.rewards() == earned
    assert len(watcher.all(Finalized)) == 1
    await watcher.aclose()


def settles(entry: SettlementEntry) -> Callable[[Settled], bool]:
    return lambda event: event.records[0].request_id == entry.request.digest


async def test_two_settlements_at_once_pay_a_batch_once(harness: Harness) -> None:
    committee = await gather_committee(harness)
    prover = committee.members[0]
    watcher = Watcher(prover)
    first = await committee.settle(watcher, await committee.entry(0))
    await harness.advance(WINDOW)
    entries = [await committee.entry(nonce) for nonce in (1, 2)]

    await asyncio.gather(
        *(prover.submit(f"pay {n}", Settle((entry,), paying(first))) for n, entry in enumerate(entries))
    )

    later = [await watcher.until(Settled, settles(entry)) for entry in entries]
    assert len({event.key for event in later}) == 2
    assert first.key in {event.key for event in later}
    assert len(watcher.all(Finalized)) == 1
    await watcher.aclose()


async def test_a_reorganisation_pays_again_what_it_took_back(harness: Harness) -> None:
    committee = await gather_committee(harness)
    prover = committee.members[0]
    watcher = Watcher(prover)
    first = await committee.settle(watcher, await committee.entry(0))
    await harness.advance(WINDOW)
    await prover.submit("pay", Settle((await committee.entry(1),), paying(first)))
    paid = await watcher.until(Finalized)
    earned = await committee.rewards()

    await harness.reorganise(1)

    await watcher.until(Reorged)
    again = await watcher.until(Finalized, lambda event: event.block.hash != paid.block.hash)
    settled = await watcher.until(Settled, lambda event: event.block.hash == again.block.hash)
    assert settled.key == again.key == first.key
    assert await committee.rewards() == earned
    await watcher.aclose()


async def test_after_a_restart_an_open_batch_is_paid(harness: Harness) -> None:
    committee = await gather_committee(harness)
    watcher = Watcher(committee.members[0])
    first = await committee.settle(watcher, await committee.entry(0))
    await harness.advance(WINDOW)
    again = harness.chain(committee.keys[1], committee.journals[1])
    later = Watcher(again)
    await again.start((await committee.members[0].head()).number)
    await later.until(ChainUp)

    record = await again.submit("pay", Settle((await committee.entry(1),), paying(first)))

    settled = await later.until(Settled, lambda event: event.block.number == record.block)
    assert settled.key == first.key
    assert (await later.until(Finalized)).key == first.key
    await watcher.aclose()
    await later.aclose()


async def test_nobody_pays_into_anothers_slot(harness: Harness) -> None:
    committee = await gather_committee(harness)
    watcher = Watcher(committee.members[0])
    first = await committee.settle(watcher, await committee.entry(0))
    await harness.advance(WINDOW)
    entry = await committee.entry(1, prover=1, voters=(0, 2))
    with pytest.raises(TransactionFailed, match="none of them"):
        await committee.members[1].submit("pay", Settle((entry,), paying(first)))
    await committee.members[1].submit("pay", Settle((entry,)))
    await watcher.aclose()


# what was left out ------------------------------------------------------------------------------------------


async def test_what_is_left_out_is_told_with_its_reason(harness: Harness) -> None:
    committee = await gather_committee(harness)
    prover, stranger = committee.members[0], committee.keys[0].address
    watcher = Watcher(prover)
    good = await committee.entry(0)
    few = await committee.entry(1, voters=(1,))
    unseated = await committee.entry(2)
    unseated = replace(unseated, vote=replace(unseated.vote, prover=stranger))
    elsewhere = await committee.entry(3)
    unknown = replace(elsewhere.request.message, snapshot_id=7)
    elsewhere = replace(elsewhere, request=replace(elsewhere.request, message=unknown))
    forged = await committee.entry(4)
    forged = replace(forged, request=replace(forged.request, signature=Signature(bytes(64) + b"\x1b")))

    record = await prover.submit("settle", Settle((few, unseated, elsewhere, good, good, forged)))

    settled = await watcher.until(Settled)
    assert [kept.request_id for kept in settled.records] == [good.request.digest]
    told = [(skipped.index, skipped.reason) for skipped in watcher.all(EntrySkipped)]
    assert told == [
        (0, "QuorumNotMet"),
        (1, "BadProver"),
        (2, "UnknownSnapshot"),
        (4, "NonceUsed"),
        (5, "BadConsumerSignature"),
    ]
    assert {(skipped.tx, skipped.block.number) for skipped in watcher.all(EntrySkipped)} == {
        (record.hash, record.block)
    }
    for entries, reason in (((), "0x00000000"), ((few,), "QuorumNotMet"), ((unseated, few), "BadProver")):
        with pytest.raises(TransactionFailed, match=rf"NothingSettled\({reason}\)"):
            await prover.submit("nothing", Settle(entries))
    assert record.hash != ZERO_HASH
    await watcher.aclose()


async def test_an_attested_batch_leaves_out_what_is_no_good(harness: Harness) -> None:
    committee = await gather_committee(harness)
    prover = committee.members[0]
    watcher = Watcher(prover)
    used = await committee.entry(0)
    await prover.submit("settle", Settle((used,)))
    fresh = await committee.entry(1)
    entries = (used, fresh)
    bare = tuple(replace(entry, votes=()) for entry in entries)
    votes = committee.batch_votes(entries, (0, 1, 2))
    with pytest.raises(TransactionFailed, match="BadVotes"):
        await prover.submit("wrong list", SettleAttested(bare[::-1], votes))
    other = replace(fresh.request.message, snapshot_id=2)
    foreign = (bare[0], replace(bare[1], request=replace(fresh.request, message=other)))
    with pytest.raises(TransactionFailed, match="NotInBatch"):
        await prover.submit("two committees", SettleAttested(foreign, votes))

    record = await prover.submit("attested", SettleAttested(bare, votes))

    settled = await watcher.until(Settled, lambda event: event.block.number == record.block)
    assert [(kept.request_id, kept.counted) for kept in settled.records] == [(fresh.request.digest, 0b0110)]
    (skipped,) = watcher.all(EntrySkipped)
    assert (skipped.index, skipped.reason, skipped.tx) == (0, "NonceUsed", record.hash)
    await watcher.aclose()
