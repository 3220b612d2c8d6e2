"""What a random walk can do next: mostly what the contract takes, now and then what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gpn_desktop.adapters.chain.slots import slot_key
from gpn_desktop.core.eip712 import digest, keccak
from gpn_desktop.core.types import ZERO_ADDRESS, BatchVote, Hash32, Role, Wei
from gpn_desktop.ports import calls
from gpn_desktop.ports.calls import Call
from tests.contract.chain.committee import payout_of
from tests.contract.chain.walk import ETHER, GWEI, IMAGES, OPERATORS, Party, Walk

Sent = tuple[Party, Call] | None  # None where there is nothing to do it with


def settle(walk: Walk) -> Sent:
    snapshot = walk.snapshot_of(walk.random.choice(walk.consumers).address)
    if snapshot is None:
        return None
    entries = tuple(walk.entry(snapshot) for _ in range(walk.random.choice((1, 1, 2, 3))))
    if walk.random.random() < 0.1:
        entries = (*entries, walk.random.choice(walk.entries))
    other = walk.snapshot_of(walk.random.choice(walk.consumers).address)
    if other is not None and walk.random.random() < 0.15:
        entries = (entries[0], walk.entry(other), *entries[1:])
    sender = walk.anyone(entries[0].vote.prover)
    pays = None
    waiting = walk.due()
    if waiting and walk.random.random() < 0.5:
        key, batch = walk.random.choice(waiting)
        pays = calls.Finalize(key, batch.finalize_at, batch.raw)
        sender = walk.anyone(_owner(walk, key).address)
    if walk.random.random() < 0.6:
        return sender, calls.Settle(entries, pays)
    hash32 = digest(
        BatchVote(tuple(digest(entry.vote, walk.anvil.domain) for entry in entries)), walk.anvil.domain
    )
    voters = walk.voters(snapshot, ZERO_ADDRESS)
    votes = tuple(calls.SeatVote(s, walk.sign(hash32, snapshot.seats[s].address)) for s in voters)
    return sender, calls.SettleAttested(entries, votes, pays)


def _owner(walk: Walk, key: Hash32) -> Party:
    return next(p for p in walk.parties if key in {slot_key(p.address, number) for number in range(16)})


def finalize(walk: Walk) -> Sent:
    waiting = walk.due()
    if not waiting:
        return None
    key, batch = walk.random.choice(waiting)
    return walk.random.choice(walk.parties), calls.Finalize(key, batch.finalize_at, batch.raw)


def about_a_record(walk: Walk) -> Sent:
    if not walk.state.batches:
        return None
    key, batch = walk.random.choice(list(walk.state.batches.items()))
    index = walk.random.randrange(len(batch.entries))
    record = batch.entries[index].record
    snapshot = walk.state.committee_of(record)
    seats = range(len(snapshot.seats))
    made = next(e for e in walk.entries if digest(e.vote, walk.anvil.domain) == record.vote_digest)
    sender, at = walk.random.choice(walk.parties), (key, batch.finalize_at, batch.raw, index)
    kind = walk.random.randrange(3)
    if kind == 0:
        return sender, calls.Extend(*at, walk.votes(snapshot, made.vote))
    seat = walk.random.choice(seats)
    proof = keccak(bytes([walk.random.randrange(2)]))
    vote = replace(made.vote, prover=snapshot.seats[seat].address, proof_hash=proof)
    if kind == 1:
        return sender, calls.Supersede(*at, seat, vote, walk.votes(snapshot, vote))
    signer = walk.random.choice(seats)
    yes = walk.opinion(vote, snapshot.seats[signer].address)
    return sender, calls.ForfeitFee(*at, walk.refuted(snapshot, vote), signer, yes)


def stake(walk: Walk) -> Sent:
    sender = walk.random.choice(walk.operators)
    number = walk.operators.index(sender)
    amount = Wei(walk.random.choice((ETHER, ETHER // 2, ETHER // 2 - GWEI, ETHER + 1, 5 * GWEI)))
    payout = sender.address if number == OPERATORS - 1 else payout_of(number)
    return sender, walk.random.choice(
        (
            calls.RegisterProver(walk.random.choice((payout, payout, ZERO_ADDRESS)), amount),
            calls.AddStake(amount),
            calls.SetPayout(walk.operators[-1].address, sender.address),
            calls.BeginUnbond(),
            calls.WithdrawStake(),
            calls.WithdrawStake(),
        )
    )


def leave(walk: Walk) -> Sent:
    """The next step of an operator on its way out, its own account for the most part."""
    on_their_way = [p for p in walk.operators if walk.state.provers[p.address].unbond_at]
    sender = walk.random.choice(on_their_way or walk.operators[:2])
    bound = [consumer for consumer, member in walk.state.commitments if member == sender.address]
    if bound:
        return sender, calls.Uncommit(bound[0])
    return sender, calls.WithdrawStake() if on_their_way else calls.BeginUnbond()


def commit(walk: Walk) -> Sent:
    sender = walk.random.choice(walk.operators)
    consumer = walk.random.choice(walk.consumers).address
    roles = walk.random.choice((Role(3), Role(3), Role.VERIFY, Role.PROVE, Role(0)))
    image = walk.state.consumers[consumer].image_digest
    if walk.random.random() < 0.1:
        image = walk.random.choice(IMAGES)
    return sender, walk.random.choice(
        (
            calls.Commit(consumer, image, roles),
            calls.Commit(consumer, image, roles),
            calls.Commit(consumer, image, roles),
            calls.Renew(consumer),
            calls.Renew(consumer),
            calls.Uncommit(consumer),
        )
    )


def take_snapshot(walk: Walk) -> Sent:
    return walk.random.choice(walk.parties), calls.TakeSnapshot(walk.random.choice(walk.consumers).address)


def withdraw(walk: Walk) -> Sent:
    owed = [member for member, amount in walk.state.rewards.items() if amount]
    member = walk.random.choice(owed) if owed else walk.random.randrange(OPERATORS + 2)
    return walk.random.choice(walk.parties), calls.WithdrawRewards(member)


def consume(walk: Walk) -> Sent:
    sender = walk.random.choice(walk.consumers)
    amount = Wei(walk.random.choice((ETHER, 7 * GWEI, GWEI + 1)))
    base = walk.state.consumers[sender.address].nonce_base
    pending = walk.state.consumers[sender.address].pending_base
    image = walk.random.choice((*IMAGES, Hash32(bytes(32))))
    return sender, walk.random.choice(
        (
            calls.RegisterConsumer("example/image", image, amount),
            calls.Deposit(walk.random.choice(walk.consumers).address, amount),
            calls.SetImage(walk.random.choice(("example/image", "example/other", "")), image),
            calls.BeginExit(),
            calls.WithdrawDeposit(),
            calls.RetireNonces(walk.random.choice((base, base + 2, base + 200))),
            calls.RetireNonces(pending),
            calls.Pardon(walk.random.choice(walk.operators).address),
        )
    )


def suspend(walk: Walk) -> Sent:
    snapshot = walk.snapshot_of(walk.random.choice(walk.consumers).address)
    if snapshot is None:
        return None
    made = walk.entry(snapshot)
    request, vote = made.request.message, made.vote
    refuted, sender = walk.refuted(snapshot, vote), walk.random.choice(walk.parties)
    if walk.random.random() < 0.5:
        proof = walk.random.choice((vote.proof_hash, vote.proof_hash, keccak(b"other")))
        return sender, calls.Suspend(request, refuted, walk.announcement(vote, proof))
    seat = walk.random.randrange(len(snapshot.seats))
    yes = walk.opinion(vote, snapshot.seats[seat].address)
    return sender, calls.SuspendSigner(request, refuted, seat, yes)


def slash(walk: Walk) -> Sent:
    snapshot = walk.snapshot_of(walk.random.choice(walk.consumers).address)
    if snapshot is None:
        return None
    vote, sender = walk.entry(snapshot).vote, walk.random.choice(walk.parties)
    if walk.random.random() < 0.3:
        proof = walk.random.choice((vote.proof_hash, keccak(b"other")))
        one, two = walk.announcement(vote, vote.proof_hash), walk.announcement(vote, proof)
        return sender, calls.SlashDoubleAnnouncement(one, two)
    member = walk.random.choice(snapshot.seats).address
    later = replace(vote, valid=False, attempt=walk.random.randrange(3))
    yes, no = walk.opinion(vote, member), walk.opinion(later, member)
    return sender, calls.SlashEquivocation(member, yes, no)


def slash_consumer(walk: Walk) -> Sent:
    snapshot = walk.snapshot_of(walk.random.choice(walk.consumers).address)
    if snapshot is None:
        return None
    nonce = walk.random.randrange(4)
    two = walk.request(snapshot, nonce + walk.random.choice((0, 0, 0, 1)))
    return walk.random.choice(walk.parties), calls.SlashDoubleRequest(walk.request(snapshot, nonce), two)


def evict(walk: Walk) -> Sent:
    gone = [
        p for p in walk.operators if p.address in walk.state.provers and walk.state.provers[p.address].slashed
    ]
    member = walk.random.choice(gone or walk.operators).address
    consumer = walk.random.choice(walk.consumers).address
    return walk.random.choice(walk.parties), calls.Evict(consumer, member)


MOVES: Final[dict[Callable[[Walk], Sent], float]] = {
    settle: 10,
    finalize: 3,
    about_a_record: 6,
    stake: 2,
    leave: 2,
    commit: 4,
    take_snapshot: 2,
    withdraw: 1.5,
    consume: 2.5,
    suspend: 2,
    slash: 1,
    slash_consumer: 1,
    evict: 1,
}
