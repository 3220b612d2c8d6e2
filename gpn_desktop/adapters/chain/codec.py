"""From the contract's answers and logs to the port's values; ``calldata`` goes the other way. No I/O."""

from __future__ import annotations

from typing import Final

from gpn_desktop.adapters.chain import bindings, records
from gpn_desktop.adapters.chain.rpc import Log
from gpn_desktop.core.types import Address, Gwei, Role, Seat, Snapshot, Wei
from gpn_desktop.ports.chain import (
    Block,
    Candidate,
    ChainEvent,
    Challenged,
    ConsumerChanged,
    ConsumerInfo,
    ConsumerSlashed,
    ContractParams,
    EntrySkipped,
    Extended,
    FeeForfeited,
    Finalized,
    LatestProof,
    Pardoned,
    ProverChanged,
    ProverInfo,
    RewardsWithdrawn,
    Settled,
    SettlementRecord,
    Slashed,
    SnapshotTaken,
    Suspended,
)

_CONSUMER_EVENTS: Final = (
    bindings.ConsumerRegistered,
    bindings.ConsumerWithdrawn,
    bindings.Deposited,
    bindings.ExitBegun,
    bindings.ImageChanged,
    bindings.NoncesRetired,
    bindings.NoncesRetiring,
    bindings.SnapshotEnded,
)
_PROVER_EVENTS: Final = (
    bindings.Committed,
    bindings.PayoutChanged,
    bindings.ProverRegistered,
    bindings.ProverWithdrawn,
    bindings.StakeAdded,
    bindings.UnbondBegun,
    bindings.Uncommitted,
)


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
        pending_nonce_base=view.pending_nonce_base,
        pending_nonce_at=view.pending_nonce_at,
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


def candidate(view: bindings.CommitmentView) -> Candidate:
    return Candidate(view.prover, Role(view.roles), view.expires_at, view.eligible)


# logs -------------------------------------------------------------------------------------------------------


def event(log: Log, block: Block) -> ChainEvent | None:
    """What a log tells; None when it is of no concern here. ValueError when it is malformed."""
    found = bindings.decode_log(log.topics, log.data)
    if isinstance(found, _CONSUMER_EVENTS):
        return ConsumerChanged(found.consumer, block)
    if isinstance(found, _PROVER_EVENTS):
        return ProverChanged(found.prover, block)
    match found:
        case bindings.EntrySkipped(index, reason):
            return EntrySkipped(index, bindings.decode_error(reason), log.tx, block)
        case bindings.RewardsWithdrawn(member_id, payout, amount):
            return RewardsWithdrawn(member_id, payout, Wei(amount), block, log.tx)
        case bindings.SnapshotTaken(consumer=consumer_, snapshot_id=number):
            return SnapshotTaken(consumer_, number, block)
        case bindings.LatestProof(consumer=consumer_, proof_hash=proof_hash):
            return LatestProof(consumer_, proof_hash, block)
    return _batch_event(found, block) or _fault_event(found, block)


def settled(log: Log) -> tuple[SettlementRecord, ...]:
    """The requests of a Settled event. ValueError when it is malformed."""
    return tuple(records.Records(bindings.Settled.decode(log.topics, log.data).records))


def _batch_event(found: bindings.Event | None, block: Block) -> ChainEvent | None:
    match found:
        case bindings.Settled(key, submitter, finalize_at, raw):
            return Settled(key, submitter, finalize_at, records.Records(raw), raw, block)
        case bindings.Extended(key, index, counted):
            return Extended(key, index, counted, block)
        case bindings.Challenged(key, prover_, index, seat, proof, vote, counted):
            return Challenged(key, prover_, index, seat, proof, vote, counted, block)
        case bindings.FeeForfeited(key, index, seat):
            return FeeForfeited(key, index, seat, block)
        case bindings.Finalized(key=key):
            return Finalized(key, block)
    return None


def _fault_event(found: bindings.Event | None, block: Block) -> ChainEvent | None:
    match found:
        case bindings.ProverSlashed(member, member_id, reporter, burned, share):
            return Slashed(member, member_id, reporter, Wei(burned), Wei(share), block)
        case bindings.ConsumerSlashed(consumer_, reporter, nonce, burned, share):
            return ConsumerSlashed(consumer_, nonce, Gwei(burned + share), reporter, Gwei(share), block)
        case bindings.SuspensionBegun(consumer_, member, until):
            return Suspended(consumer_, member, until, block)
        case bindings.Pardoned(consumer_, member):
            return Pardoned(consumer_, member, block)
    return None
