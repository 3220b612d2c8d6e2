"""What faults cost and whom, in memory and on a real EVM: the same gwei, the same refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpn_desktop.adapters.chain import bindings, ledger_faults, ledger_registry
from gpn_desktop.core.eip712 import digest, keccak
from gpn_desktop.core.errors import TransactionFailed
from gpn_desktop.core.messages import Signed
from gpn_desktop.core.types import Gwei, Request, Vote
from gpn_desktop.ports.calls import (
    Call,
    Commit,
    Evict,
    ForfeitFee,
    Opinion,
    Pardon,
    RegisterProver,
    SetImage,
    SlashDoubleAnnouncement,
    SlashDoubleRequest,
    SlashEquivocation,
    Suspend,
    SuspendSigner,
    WithdrawRewards,
)
from gpn_desktop.ports.chain import (
    Chain,
    ConsumerSlashed,
    FeeForfeited,
    Pardoned,
    Slashed,
    SnapshotTaken,
    Suspended,
)
from tests.contract.chain.committee import (
    BOTH,
    DEPOSIT,
    IMAGE,
    REWARD,
    STAKE,
    Committee,
    gather_committee,
    paying,
    payout_of,
)
from tests.contract.chain.harness import WINDOW, AnvilHarness, Harness, Watcher

DAY = 86_400
GWEI = 10**9
SHARE = STAKE // 20


async def refused(chain: Chain, call: Call, error: str) -> None:
    """The contract's error, and the name is free for the next try."""
    with pytest.raises(TransactionFailed, match=error):
        await chain.submit("refused", call)


def against(vote: Vote) -> Vote:
    return replace(vote, valid=False)


async def test_the_twin_has_the_contracts_constants(anvil: AnvilHarness) -> None:
    async def read(call: bytes) -> int:
        to = "0x" + anvil.domain.contract.hex()
        return int(str(await anvil.ask("eth_call", {"to": to, "data": "0x" + call.hex()}, "latest")), 16)

    assert await read(bindings.reporter_bps()) == ledger_faults.REPORTER_BPS
    assert await read(bindings.double_request_factor()) == ledger_faults.DOUBLE_REQUEST_FACTOR
    assert await read(bindings.suspension()) == ledger_faults.SUSPENSION
    assert await read(bindings.commitment_ttl()) == ledger_registry.COMMITMENT_TTL


# slashing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_batch", [False, True], ids=["alone", "in a batch"])
async def test_two_opinions_cost_the_stake(harness: Harness, in_batch: bool) -> None:
    committee = await gather_committee(harness)
    reporter, culprit = committee.chains[0], committee.keys[2].address
    watcher = Watcher(reporter)
    first = await committee.settle(watcher, await committee.entry(0))
    await harness.advance(WINDOW)
    await reporter.submit("finalize", paying(first))
    entry = await committee.entry(1)
    second = await committee.settle(watcher, entry, name="settle more")
    earned = await committee.rewards()
    vote = entry.vote
    batch = (keccak(b"another"), digest(vote, harness.domain)) if in_batch else ()
    yes = committee.opinion(1, vote, batch, 1 if in_batch else 0)
    later = replace(against(vote), attempt=2)
    no = committee.opinion(1, later)
    await refused(reporter, SlashEquivocation(culprit, yes, yes), "BadEvidence")
    await refused(reporter, SlashEquivocation(committee.keys[3].address, yes, no), "BadEvidence")
    elsewhere = committee.opinion(1, replace(later, proof_hash=keccak(b"another proof")))
    await refused(reporter, SlashEquivocation(culprit, yes, elsewhere), "BadEvidence")
    if in_batch:
        await refused(reporter, SlashEquivocation(culprit, replace(yes, index=0), no), "BadEvidence")
        await refused(reporter, SlashEquivocation(culprit, replace(yes, index=2), no), "BadEvidence")
    held = await reporter.balance(harness.domain.contract)
    before = await reporter.balance(committee.consumer)

    record = await reporter.submit("slash", SlashEquivocation(culprit, yes, no))

    told = await watcher.until(Slashed)
    assert (told.member, told.member_id, told.reporter) == (culprit, 2, committee.consumer)
    assert (told.burned, told.share) == (STAKE - SHARE, SHARE)
    assert await committee.gain(0, before, record) == SHARE
    assert held - await reporter.balance(harness.domain.contract) == SHARE
    info = await reporter.prover(culprit)
    assert info is not None
    assert (info.stake, info.slashed) == (0, True)
    await refused(reporter, SlashEquivocation(culprit, yes, no), "NotRegistered")
    await refused(committee.members[1], RegisterProver(payout_of(2), STAKE), "MemberSlashed")
    # What it earned before stays its own; what was still open is burned.
    assert await committee.rewards() == earned
    await harness.advance(WINDOW)
    await reporter.submit("finalize more", paying(second))
    assert await committee.rewards() == [2 * earned[0], earned[1], 2 * earned[2], 0]
    await reporter.submit("withdraw", WithdrawRewards(2))
    assert await reporter.balance(payout_of(2)) == earned[1] * GWEI
    await watcher.aclose()


async def test_a_slashed_member_is_evicted(harness: Harness) -> None:
    committee = await gather_committee(harness)
    reporter, culprit = committee.chains[0], committee.keys[2].address
    watcher = Watcher(reporter)
    consumer = committee.consumer
    vote = (await committee.entry(0)).vote
    await refused(reporter, Evict(consumer, culprit), "NotSlashed")
    await refused(reporter, Evict(consumer, consumer), "NotCommitted")
    yes, no = committee.opinion(1, vote), committee.opinion(1, against(vote))
    await reporter.submit("slash", SlashEquivocation(culprit, yes, no))
    assert [c.eligible for c in await reporter.committee(consumer)] == [True, False, True, True]

    record = await reporter.submit("evict", Evict(consumer, culprit))

    taken = await watcher.until(SnapshotTaken, lambda event: event.block.number == record.block)
    snapshot = await reporter.snapshot(consumer, taken.snapshot_id)
    assert snapshot is not None
    # The last one takes the place that becomes free.
    assert [seat.member_id for seat in snapshot.seats] == [1, 4, 3]
    await refused(reporter, Evict(consumer, culprit), "NotCommitted")
    await watcher.aclose()


async def test_two_announcements_cost_the_stake(harness: Harness) -> None:
    committee = await gather_committee(harness)
    reporter, vote = committee.members[3], (await committee.entry(0)).vote
    watcher = Watcher(reporter)
    first, second = committee.announcement(vote), committee.announcement(vote, keccak(b"another proof"))
    await refused(reporter, SlashDoubleAnnouncement(first, first), "BadEvidence")
    foreign = committee.announcement(replace(vote, request_id=keccak(b"r")), keccak(b"another proof"))
    await refused(reporter, SlashDoubleAnnouncement(first, foreign), "BadEvidence")

    await reporter.submit("slash", SlashDoubleAnnouncement(first, second))

    told = await watcher.until(Slashed)
    assert (told.member, told.reporter) == (committee.keys[1].address, committee.keys[4].address)
    await refused(reporter, SlashDoubleAnnouncement(first, second), "NotRegistered")
    await watcher.aclose()


async def test_two_requests_on_one_nonce_cost_a_penalty(harness: Harness) -> None:
    committee = await gather_committee(harness)
    reporter, key = committee.members[0], committee.keys[0]
    watcher = Watcher(reporter)

    async def signed(nonce: int, reward: int) -> Signed[Request]:
        return (await committee.entry(nonce, reward=Gwei(reward))).request

    one, two = await signed(0, 5000), await signed(0, 6001)
    await refused(reporter, SlashDoubleRequest(one, one), "BadEvidence")
    await refused(reporter, SlashDoubleRequest(one, await signed(1, 6001)), "BadEvidence")
    await refused(reporter, SlashDoubleRequest(one, replace(two, signature=one.signature)), "BadEvidence")
    before = await reporter.balance(committee.keys[1].address)

    record = await reporter.submit("slash", SlashDoubleRequest(one, two))

    told = await watcher.until(ConsumerSlashed)
    assert (told.consumer, told.nonce, told.reporter) == (key.address, 0, committee.keys[1].address)
    assert (told.penalty, told.share) == (22_002, 1_100)
    assert await committee.gain(1, before, record) == 1_100 * GWEI
    info = await reporter.consumer(key.address)
    assert info is not None
    assert info.balance == DEPOSIT // GWEI - 22_002
    await refused(reporter, SlashDoubleRequest(two, one), "AlreadyPunished")
    # No more than there is; and then there is nothing.
    dear = SlashDoubleRequest(await signed(1, DEPOSIT // GWEI), await signed(1, 7))
    await reporter.submit("slash all", dear)
    last = await watcher.until(ConsumerSlashed, lambda event: event.nonce == 1)
    assert last.penalty == info.balance
    empty = SlashDoubleRequest(await signed(2, 5000), await signed(2, 6000))
    await refused(reporter, empty, "InsufficientBalance")
    stakes = 4 * STAKE
    burned = DEPOSIT // GWEI - told.share - last.share
    assert await reporter.balance(harness.domain.contract) == stakes + burned * GWEI
    await watcher.aclose()


# suspending -------------------------------------------------------------------------------------------------


async def test_a_prover_of_a_refuted_proof_loses_its_seat(harness: Harness) -> None:
    committee = await gather_committee(harness)
    reporter, consumer, prover = committee.members[3], committee.consumer, committee.keys[1].address
    watcher = Watcher(reporter)
    entry = await committee.entry(0)
    request, vote = entry.request.message, entry.vote
    announced, refuted = committee.announcement(vote), committee.refuted(vote, (1, 2, 3))
    few = replace(refuted, votes=refuted.votes[:2])
    await refused(reporter, Suspend(request, few, announced), "NotRefuted")
    own = committee.refuted(vote, (0, 1, 2, 3))
    await refused(reporter, Suspend(request, own, announced), "BadVotes")
    other = committee.announcement(vote, keccak(b"another proof"))
    await refused(reporter, Suspend(request, refuted, other), "BadEvidence")
    unknown = replace(request, snapshot_id=9)
    await refused(reporter, Suspend(unknown, refuted, announced), "UnknownSnapshot")
    await refused(reporter, Suspend(request, replace(refuted, prover_seat=200), announced), "BadProver")
    far = replace(request, deadline=request.deadline + 30 * DAY)
    await refused(reporter, Suspend(far, refuted, announced), "DeadlineTooFar")
    assert await reporter.suspended_until(consumer, prover) == 0

    record = await reporter.submit("suspend", Suspend(request, refuted, announced))

    told = await watcher.until(Suspended)
    assert (told.consumer, told.member, told.until) == (consumer, prover, told.block.time + 30 * DAY)
    assert await reporter.suspended_until(consumer, prover) == told.until
    taken = await watcher.until(SnapshotTaken, lambda event: event.block.number == record.block)
    snapshot = await reporter.snapshot(consumer, taken.snapshot_id)
    assert snapshot is not None
    assert prover not in snapshot.members
    info = await reporter.prover(prover)
    assert info is not None
    assert (info.stake, info.slashed) == (STAKE, False), "no stake: the image is the consumer's"
    await refused(reporter, Suspend(request, refuted, announced), "MemberSuspended")
    await refused(committee.members[0], Commit(consumer, IMAGE, BOTH), "MemberSuspended")
    await harness.advance(30 * DAY)
    await refused(reporter, Suspend(request, refuted, announced), "RequestExpired")
    await committee.members[0].submit("commit again", Commit(consumer, IMAGE, BOTH))
    await watcher.aclose()


async def suspended(committee: Committee, nonce: int = 0) -> None:
    entry = await committee.entry(nonce)
    proof = Suspend(
        entry.request.message,
        committee.refuted(entry.vote, (1, 2, 3)),
        committee.announcement(entry.vote),
    )
    await committee.members[3].submit("suspend", proof)


async def test_a_suspension_ends_with_the_image(harness: Harness) -> None:
    committee = await gather_committee(harness)
    consumer, member = committee.consumer, committee.members[0]
    entry = await committee.entry(1)
    await suspended(committee)
    other = keccak(b"another image")
    await committee.chains[0].submit("image", SetImage("example/other", other))
    assert await member.suspended_until(consumer, committee.keys[1].address) == 0
    late = Suspend(
        entry.request.message,
        committee.refuted(entry.vote, (1, 2, 3)),
        committee.announcement(entry.vote),
    )
    await refused(committee.members[3], late, "DigestMismatch")
    await member.submit("commit again", Commit(consumer, other, BOTH))


async def test_a_consumer_pardons_whom_it_tested(harness: Harness) -> None:
    committee = await gather_committee(harness)
    boss, member, culprit = committee.chains[0], committee.members[0], committee.keys[1].address
    watcher = Watcher(boss)
    await refused(boss, Pardon(culprit), "NotSuspended")
    await suspended(committee)
    await refused(member, Pardon(culprit), "NotSuspended")
    await boss.submit("pardon", Pardon(culprit))
    assert (await watcher.until(Pardoned)).member == culprit
    assert await boss.suspended_until(committee.consumer, culprit) == 0
    await member.submit("commit again", Commit(committee.consumer, IMAGE, BOTH))
    await watcher.aclose()


# verifiers who said yes to what was refuted -----------------------------------------------------------------


async def test_who_signed_for_a_refuted_proof_loses_its_seat(harness: Harness) -> None:
    committee = await gather_committee(harness, 5)
    reporter, consumer = committee.members[1], committee.consumer
    watcher = Watcher(reporter)
    entry = await committee.entry(0)
    request, vote = entry.request.message, entry.vote
    refuted = committee.refuted(vote, (1, 2, 3))
    batch = (digest(vote, harness.domain), keccak(b"another"))
    yes = committee.opinion(4, vote, batch, 0)
    await refused(reporter, SuspendSigner(request, refuted, 3, yes), "BadEvidence")
    await refused(reporter, SuspendSigner(request, refuted, 9, yes), "BadEvidence")
    no = Opinion(vote, refuted.votes[0].signature)
    await refused(reporter, SuspendSigner(request, refuted, 1, no), "BadEvidence")

    await reporter.submit("suspend", SuspendSigner(request, refuted, 4, yes))

    told = await watcher.until(Suspended)
    assert (told.consumer, told.member) == (consumer, committee.keys[5].address)
    await refused(reporter, SuspendSigner(request, refuted, 4, yes), "MemberSuspended")
    await watcher.aclose()


async def test_who_signed_for_a_refuted_proof_forfeits_its_fee(harness: Harness) -> None:
    committee = await gather_committee(harness, 5)
    reporter = committee.members[1]
    watcher = Watcher(reporter)
    # Seat 0's proof was refuted, and seat 4 had signed for it; then seat 1 proved, and all four others voted.
    entry = await committee.entry(0, prover=1, voters=(0, 2, 3, 4))
    settled = await committee.settle(watcher, entry, by=1)
    false = replace(entry.vote, prover=committee.keys[1].address, proof_hash=keccak(b"false"))
    refuted, yes = committee.refuted(false, (1, 2, 3)), committee.opinion(4, false)
    at = (settled.key, settled.finalize_at, settled.raw_records)
    forfeit = ForfeitFee(*at, 0, refuted, 4, yes)
    await refused(reporter, replace(forfeit, index=1), "BadIndex")
    await refused(reporter, replace(forfeit, finalize_at=settled.finalize_at + 1), "BatchMismatch")
    await refused(reporter, replace(forfeit, seat=3), "BadEvidence")
    few = replace(refuted, votes=refuted.votes[:2])
    await refused(reporter, replace(forfeit, refuted=few), "NotRefuted")

    await reporter.submit("forfeit", forfeit)

    told = await watcher.until(FeeForfeited)
    assert (told.key, told.index, told.seat) == (settled.key, 0, 4)
    await refused(reporter, forfeit, "AlreadyPunished")
    await harness.advance(WINDOW)
    await reporter.submit("finalize", paying(settled))
    fee = REWARD // 5 // 4
    assert await committee.rewards() == [fee, REWARD - 4 * fee, fee, fee, 0]
    await refused(reporter, forfeit, "BatchMismatch")
    await watcher.aclose()
