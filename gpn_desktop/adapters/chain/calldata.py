"""The port's calls in the contract's form: value in wei and call data. No I/O.

What a statement and its evidence have in common is given to the contract once: of two opinions on one proof
it takes the request, the prover and the hash from the first alone, and a second one about another proof has
no good signature there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gpn_desktop.adapters.chain import bindings, records
from gpn_desktop.core.eip712 import details_hash
from gpn_desktop.core.messages import Signed
from gpn_desktop.core.types import Announcement, Hash32, Request, Snapshot
from gpn_desktop.ports.calls import (
    AddStake,
    BeginExit,
    BeginUnbond,
    Call,
    Commit,
    ConsumerCall,
    Deposit,
    Evict,
    Extend,
    FaultCall,
    Finalize,
    ForfeitFee,
    OperatorCall,
    Opinion,
    Pardon,
    Refuted,
    RegisterConsumer,
    RegisterProver,
    Renew,
    RetireNonces,
    SeatVote,
    SetImage,
    SetPayout,
    Settle,
    SettleAttested,
    SettlementCall,
    SettlementEntry,
    SlashDoubleAnnouncement,
    SlashDoubleRequest,
    SlashEquivocation,
    Supersede,
    Suspend,
    SuspendSigner,
    TakeSnapshot,
    Transfer,
    Uncommit,
    WithdrawDeposit,
    WithdrawRewards,
    WithdrawStake,
)

# No committee has it: an entry of a prover without a seat is left out by the contract, the others stand.
NO_SEAT: Final = 255


def encode(call: Call, slot: Hash32, seats: Sequence[Snapshot]) -> tuple[int, bytes]:
    """Value in wei and call data. ``slot`` is where a settlement is kept, ``seats`` who sits where for it."""
    if isinstance(call, ConsumerCall):
        return _consumer_call(call)
    if isinstance(call, OperatorCall):
        return _operator_call(call)
    if isinstance(call, SettlementCall):
        return 0, _settlement_call(call, slot, seats)
    if isinstance(call, Transfer):
        return call.amount, b""
    return 0, _fault_call(call)


def value_of(call: Call) -> int:
    """What a call pays in, in wei."""
    match call:
        case RegisterProver(stake=amount) | AddStake(amount=amount):
            return amount
        case RegisterConsumer(deposit=amount) | Deposit(amount=amount) | Transfer(amount=amount):
            return amount
    return 0


def _consumer_call(call: ConsumerCall) -> tuple[int, bytes]:
    match call:
        case RegisterConsumer(image_name, image_digest, deposit):
            return deposit, bindings.register_consumer(image_name, image_digest)
        case Deposit(consumer, amount):
            return amount, bindings.deposit_eth(consumer)
        case SetImage(image_name, image_digest):
            return 0, bindings.set_image(image_name, image_digest)
        case BeginExit():
            return 0, bindings.begin_exit()
        case WithdrawDeposit():
            return 0, bindings.withdraw_consumer()
        case RetireNonces(new_base):
            return 0, bindings.retire_nonces(new_base)
        case TakeSnapshot(consumer):
            return 0, bindings.take_snapshot(consumer)
        case Pardon(member):
            return 0, bindings.pardon(member)


def _operator_call(call: OperatorCall) -> tuple[int, bytes]:
    match call:
        case RegisterProver(payout, stake):
            return stake, bindings.register_prover(payout)
        case AddStake(amount):
            return amount, bindings.add_stake()
        case SetPayout(prover, payout):
            return 0, bindings.set_payout(prover, payout)
        case BeginUnbond():
            return 0, bindings.begin_unbond()
        case WithdrawStake():
            return 0, bindings.withdraw_prover()
        case Commit(consumer, image_digest, roles):
            return 0, bindings.commit(consumer, image_digest, int(roles))
        case Renew(consumer):
            return 0, bindings.renew(consumer)
        case Uncommit(consumer):
            return 0, bindings.uncommit(consumer)
        case WithdrawRewards(member_id):
            return 0, bindings.withdraw_rewards([member_id])


def _settlement_call(call: SettlementCall, slot: Hash32, seats: Sequence[Snapshot]) -> bytes:
    match call:
        case Settle(entries, pays):
            return bindings.settle(slot, _old(pays), _entries(entries, seats))
        case SettleAttested(entries, votes, pays):
            packed = _entries(entries, seats, with_votes=False)
            return bindings.settle_attested(slot, _old(pays), packed, _votes(votes))
        case Extend(key, finalize_at, raw, index, votes):
            batch = bindings.Batch(finalize_at, raw)
            return bindings.extend(key, batch, [index], [_votes(votes)])
        case Supersede(key, finalize_at, raw, index, seat, vote, votes):
            batch = bindings.Batch(finalize_at, raw)
            proof, attempt = vote.proof_hash, vote.attempt
            return bindings.supersede(key, batch, index, seat, proof, attempt, _votes(votes))
        case Finalize(key):
            return bindings.finalize([key], [_old(call)])


def _fault_call(call: FaultCall) -> bytes:
    match call:
        case SlashEquivocation(member, valid, invalid):
            vote = valid.vote
            return bindings.slash_equivocation(
                member, vote.request_id, vote.prover, vote.proof_hash, _opinion(valid), _opinion(invalid)
            )
        case SlashDoubleAnnouncement(first, second):
            said = first.message
            return bindings.slash_double_announcement(
                said.prover, said.request_id, _announced(first), _announced(second)
            )
        case SlashDoubleRequest(one, two):
            return bindings.slash_double_request(_signed_request(one), _signed_request(two))
        case Suspend(request, refuted, announcement):
            return bindings.suspend(_request(request), _refuted(refuted), _announced(announcement))
        case SuspendSigner(request, refuted, seat, valid):
            return bindings.suspend_signer(_request(request), _refuted(refuted), seat, _opinion(valid))
        case ForfeitFee(key, finalize_at, raw, index, refuted, seat, valid):
            batch = bindings.Batch(finalize_at, raw)
            return bindings.forfeit_fee(key, batch, index, _refuted(refuted), seat, _opinion(valid))
        case Evict(consumer, member):
            return bindings.evict(consumer, member)


# parts ------------------------------------------------------------------------------------------------------


def _old(batch: Finalize | None) -> bindings.Batch:
    return bindings.EMPTY_BATCH if batch is None else bindings.Batch(batch.finalize_at, batch.records)


def _votes(votes: Sequence[SeatVote]) -> bytes:
    return records.pack_votes(tuple((vote.seat, vote.signature) for vote in votes))


def _halves(signature: bytes) -> tuple[bytes, bytes]:
    packed = records.compact(signature)
    return packed[:32], packed[32:]


def _request(request: Request) -> bindings.RequestData:
    return bindings.RequestData(
        consumer=request.consumer,
        nonce=request.nonce,
        reward_gwei=request.reward,
        deadline=request.deadline,
        quorum=request.quorum,
        snapshot_id=request.snapshot_id,
        payload_hash=request.payload_hash,
        details_hash=details_hash(request.details),
    )


def _signed_request(signed: Signed[Request]) -> bindings.SignedRequest:
    r, vs = _halves(signed.signature)
    return bindings.SignedRequest(_request(signed.message), r, vs)


def _announced(signed: Signed[Announcement]) -> bindings.Announced:
    said = signed.message
    r, vs = _halves(signed.signature)
    return bindings.Announced(said.attempt, said.proof_hash, said.size, said.seed, r, vs)


def _opinion(opinion: Opinion) -> bindings.Opinion:
    r, vs = _halves(opinion.signature)
    return bindings.Opinion(opinion.vote.attempt, r, vs, opinion.batch, opinion.index)


def _refuted(refuted: Refuted) -> bindings.Refuted:
    vote = refuted.vote
    return bindings.Refuted(refuted.prover_seat, vote.attempt, vote.proof_hash, _votes(refuted.votes))


def _entries(
    entries: Sequence[SettlementEntry], seats: Sequence[Snapshot], *, with_votes: bool = True
) -> list[bindings.Entry]:
    known = {(snapshot.consumer, snapshot.snapshot_id): snapshot.members for snapshot in seats}
    packed = []
    for entry in entries:
        request = entry.request.message
        r, vs = _halves(entry.request.signature)
        packed.append(
            bindings.Entry(
                request=_request(request),
                consumer_r=r,
                consumer_vs=vs,
                proof_hash=entry.vote.proof_hash,
                attempt=entry.vote.attempt,
                prover_seat=known.get((request.consumer, request.snapshot_id), {}).get(
                    entry.vote.prover, NO_SEAT
                ),
                votes=_votes(entry.votes) if with_votes else b"",
            )
        )
    return packed
