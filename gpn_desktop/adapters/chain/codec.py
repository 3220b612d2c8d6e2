"""Between the port's values and the contract's call data, answers and logs. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gpn_desktop.adapters.chain import bindings, records
from gpn_desktop.adapters.chain.rpc import Log
from gpn_desktop.core.eip712 import details_hash
from gpn_desktop.core.errors import TransactionFailed
from gpn_desktop.core.types import Address, Gwei, Hash32, Role, Seat, Snapshot, Wei
from gpn_desktop.ports.calls import (
    BeginUnbond,
    Call,
    Commit,
    Deposit,
    Extend,
    Finalize,
    RegisterConsumer,
    RegisterProver,
    SeatVote,
    Settle,
    SettleAttested,
    SettlementEntry,
    TakeSnapshot,
    Uncommit,
    WithdrawRewards,
    WithdrawStake,
)
from gpn_desktop.ports.chain import (
    Block,
    ChainEvent,
    ConsumerChanged,
    ConsumerInfo,
    ContractParams,
    Extended,
    Finalized,
    LatestProof,
    ProverInfo,
    RewardsWithdrawn,
    Settled,
    SnapshotTaken,
)

_CONSUMER_EVENTS: Final = (
    bindings.ConsumerRegistered,
    bindings.ConsumerWithdrawn,
    bindings.Deposited,
    bindings.ExitBegun,
    bindings.ImageChanged,
    bindings.NoncesRetired,
    bindings.SnapshotEnded,
)


# calls ------------------------------------------------------------------------------------------------------


def settle_slot(call: Call) -> bool:
    """Whether the call keeps a batch, and so needs a slot of the sender's."""
    return isinstance(call, Settle | SettleAttested)


def encode(call: Call, slot: Hash32, seats: Sequence[Snapshot]) -> tuple[int, bytes]:
    """Value in wei and call data. ``slot`` is where a settlement is kept, ``seats`` who sits where for it."""
    match call:
        case RegisterProver(payout, stake):
            return stake, bindings.register_prover(payout)
        case BeginUnbond():
            return 0, bindings.begin_unbond()
        case WithdrawStake():
            return 0, bindings.withdraw_prover()
        case RegisterConsumer(image_name, image_digest, deposit):
            return deposit, bindings.register_consumer(image_name, image_digest)
        case Deposit(consumer, amount):
            return amount, bindings.deposit_eth(consumer)
        case Commit(consumer, image_digest, roles):
            return 0, bindings.commit(consumer, image_digest, int(roles))
        case Uncommit(consumer):
            return 0, bindings.uncommit(consumer)
        case TakeSnapshot(consumer):
            return 0, bindings.take_snapshot(consumer)
        case Settle(entries):
            return 0, bindings.settle(slot, bindings.EMPTY_BATCH, _entries(entries, seats))
        case SettleAttested(entries, votes):
            packed = _entries(entries, seats, with_votes=False)
            return 0, bindings.settle_attested(slot, bindings.EMPTY_BATCH, packed, _votes(votes))
        case Extend(key, finalize_at, raw, index, votes):
            batch = bindings.Batch(finalize_at, raw)
            return 0, bindings.extend(key, batch, [index], [_votes(votes)])
        case Finalize(key, finalize_at, raw):
            return 0, bindings.finalize([key], [bindings.Batch(finalize_at, raw)])
        case WithdrawRewards(member_id):
            return 0, bindings.withdraw_rewards([member_id])


def _votes(votes: Sequence[SeatVote]) -> bytes:
    return records.pack_votes(tuple((vote.seat, vote.signature) for vote in votes))


def _entries(
    entries: Sequence[SettlementEntry], seats: Sequence[Snapshot], *, with_votes: bool = True
) -> list[bindings.Entry]:
    known = {(snapshot.consumer, snapshot.snapshot_id): snapshot.members for snapshot in seats}
    packed = []
    for entry in entries:
        request = entry.request.message
        seat = known.get((request.consumer, request.snapshot_id), {}).get(entry.vote.prover)
        if seat is None:
            raise TransactionFailed("The contract refuses: the prover has no seat in the request's snapshot.")
        signature = records.compact(entry.request.signature)
        packed.append(
            bindings.Entry(
                request=bindings.RequestData(
                    consumer=request.consumer,
                    nonce=request.nonce,
                    reward_gwei=request.reward,
                    deadline=request.deadline,
                    quorum=request.quorum,
                    snapshot_id=request.snapshot_id,
                    payload_hash=request.payload_hash,
                    details_hash=details_hash(request.details),
                ),
                consumer_r=signature[:32],
                consumer_vs=signature[32:],
                proof_hash=entry.vote.proof_hash,
                attempt=entry.vote.attempt,
                prover_seat=seat,
                votes=_votes(entry.votes) if with_votes else b"",
            )
        )
    return packed


# answers ----------------------------------------------------------------------------------------------------


def params(view: bindings.Params) -> ContractParams:
    return ContractParams(
        window=view.window,
        settle_grace=view.settle_grace,
        max_lifetime=view.max_lifetime,
        unbond=view.unbond,
        min_stake=Wei(view.min_stake),
        min_reward=Gwei(view.min_reward_gwei),
        prover_bps=view.prover_bps,
        inclusion_bps=view.inclusion_bps,
        verifier_bps=view.verifier_bps,
        settle_delay=view.settle_delay,
        tip=Gwei(view.tip_gwei),
    )


def consumer(view: bindings.ConsumerView) -> ConsumerInfo | None:
    """None when it is not registered."""
    if not any(view.digest):
        return None
    return ConsumerInfo(
        address=view.consumer,
        image_name=view.image,
        image_digest=view.digest,
        balance=Gwei(view.balance_gwei),
        nonce_base=view.nonce_base,
        nonce_window=view.nonce_window,
        exit_at=view.exit_at,
        snapshot_id=0 if view.snapshot_ended_at else view.snapshot_id,
    )


def prover(view: bindings.ProverView) -> ProverInfo | None:
    """None when it never was registered; without stake when it has left."""
    if not view.member_id:
        return None
    return ProverInfo(
        address=view.prover,
        member_id=view.member_id,
        payout=view.payout,
        stake=Wei(view.stake),
        unbond_at=view.unbond_at,
        slashed=view.slashed,
    )


def snapshot(consumer_: Address, snapshot_id: int, view: bindings.SnapshotView) -> Snapshot | None:
    """None when there is no such one."""
    if not view.seats:
        return None
    seats = tuple(Seat(s.prover, s.member_id, Role(s.roles), s.weight) for s in view.seats)
    return Snapshot(consumer_, snapshot_id, view.digest, seats)


# logs -------------------------------------------------------------------------------------------------------


def event(log: Log, block: Block) -> ChainEvent | None:
    """What a log tells; None when it is of no concern here. ValueError when it is malformed."""
    found = bindings.decode_log(log.topics, log.data)
    match found:
        case bindings.Settled(key, submitter, finalize_at, raw):
            return Settled(key, submitter, finalize_at, records.unpack(raw), raw, block)
        case bindings.Extended(key, index, counted):
            return Extended(key, index, counted, block)
        case bindings.Finalized(key=key):
            return Finalized(key, block)
        case bindings.RewardsWithdrawn(member_id, payout, amount):
            return RewardsWithdrawn(member_id, payout, Wei(amount), block, log.tx)
        case bindings.SnapshotTaken(consumer=consumer_, snapshot_id=number):
            return SnapshotTaken(consumer_, number, block)
        case bindings.LatestProof(consumer=consumer_, proof_hash=proof_hash):
            return LatestProof(consumer_, proof_hash, block)
        case found if isinstance(found, _CONSUMER_EVENTS):
            return ConsumerChanged(found.consumer, block)
    return None
