"""What the settlement contract keeps, in memory, and what all of its rules need of it.

Everything kept is an unchangeable value, so that a block's state is forked by copying a few dictionaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from gpn_desktop.core.eip712 import BadSignature, recover
from gpn_desktop.core.types import (
    WEI_PER_GWEI,
    ZERO_HASH,
    Address,
    Domain,
    Gwei,
    Hash32,
    Role,
    Snapshot,
    Wei,
)
from gpn_desktop.ports.calls import Extend, Finalize, ForfeitFee, SeatVote, Supersede
from gpn_desktop.ports.chain import ConsumerInfo, ContractParams, ProverInfo, SettlementRecord


class Revert(Exception):
    """The contract's error by its name."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot; ``ended_at`` is 0 while it is in force."""

    snapshot: Snapshot
    ended_at: int = 0


@dataclass(frozen=True, slots=True)
class Consumer:
    """An address that is or was a consumer: its nonces and snapshots outlast its leaving."""

    address: Address
    image_name: str = ""
    image_digest: Hash32 = ZERO_HASH
    image_version: int = 0
    balance: Gwei = Gwei(0)
    nonce_base: int = 0
    nonce_window: int = 0
    pending_base: int = 0
    pending_at: int = 0
    exit_at: int = 0
    candidates: tuple[Address, ...] = ()
    snapshots: tuple[Kept, ...] = ()

    @property
    def is_registered(self) -> bool:
        return any(self.image_digest)

    @property
    def in_force(self) -> Snapshot | None:
        last = self.snapshots[-1] if self.snapshots else None
        return None if last is None or last.ended_at else last.snapshot

    @property
    def info(self) -> ConsumerInfo:
        in_force = self.in_force
        return ConsumerInfo(
            self.address,
            self.image_name,
            self.image_digest,
            self.balance,
            self.nonce_base,
            self.nonce_window,
            self.exit_at,
            in_force.snapshot_id if in_force else 0,
            self.pending_base,
            self.pending_at,
        )


@dataclass(frozen=True, slots=True)
class Commitment:
    expires_at: int
    image_version: int
    roles: Role


@dataclass(frozen=True, slots=True)
class Suspension:
    until: int
    image_version: int


@dataclass(frozen=True, slots=True)
class Challenger:
    """Another prover's proof beside a settled record."""

    vote_digest: Hash32
    counted: int
    seat: int


@dataclass(frozen=True, slots=True)
class Open:
    """A record of a batch with what came to it since; ``counted`` is all that count for it now."""

    record: SettlementRecord
    counted: int
    forfeited: int = 0
    challenger: Challenger | None = None

    @property
    def quorum(self) -> int:
        return self.record.raw[126]


@dataclass(frozen=True, slots=True)
class Batch:
    finalize_at: int
    raw: bytes
    entries: tuple[Open, ...]

    @property
    def records(self) -> tuple[SettlementRecord, ...]:
        """As they are to be paid, but for their challengers."""
        return tuple(replace(entry.record, counted=entry.counted) for entry in self.entries)

    def entry(self, index: int) -> Open:
        if not 0 <= index < len(self.entries):
            raise Revert("BadIndex")
        return self.entries[index]

    def having(self, index: int, entry: Open) -> Batch:
        """The batch with another entry in the place."""
        return replace(self, entries=(*self.entries[:index], entry, *self.entries[index + 1 :]))


@dataclass(slots=True)
class State:
    """The contract's storage, and the accounts of those who deal with it."""

    domain: Domain
    params: ContractParams
    balances: dict[Address, int] = field(default_factory=dict)
    consumers: dict[Address, Consumer] = field(default_factory=dict)
    listed: tuple[Address, ...] = ()  # the registered consumers, in the contract's order
    provers: dict[Address, ProverInfo] = field(default_factory=dict)
    commitments: dict[tuple[Address, Address], Commitment] = field(default_factory=dict)
    suspensions: dict[tuple[Address, Address], Suspension] = field(default_factory=dict)
    punished: frozenset[tuple[Address, int]] = frozenset()  # consumers and their nonces
    batches: dict[Hash32, Batch] = field(default_factory=dict)
    rewards: dict[int, int] = field(default_factory=dict)  # gwei by member id
    burned: int = 0  # gwei
    settled: int = 0

    def held(self) -> Wei:
        """What the contract owes and has burned; always equal to what was paid in and not out."""
        deposits = sum(consumer.balance for consumer in self.consumers.values())
        waiting = sum(e.record.reward for batch in self.batches.values() for e in batch.entries)
        stakes = sum(prover.stake for prover in self.provers.values())
        return Wei((deposits + waiting + sum(self.rewards.values()) + self.burned) * WEI_PER_GWEI + stakes)

    def fork(self) -> Self:
        """A copy that can go on by itself."""
        return replace(
            self,
            balances=dict(self.balances),
            consumers=dict(self.consumers),
            provers=dict(self.provers),
            commitments=dict(self.commitments),
            suspensions=dict(self.suspensions),
            batches=dict(self.batches),
            rewards=dict(self.rewards),
        )

    # money --------------------------------------------------------------------------------------------------

    def take(self, sender: Address, amount: Wei) -> Gwei:
        """Money that came with a call."""
        if amount % WEI_PER_GWEI:
            raise Revert("NotWholeGwei")
        self.balances[sender] = self.balances.get(sender, 0) - amount
        return Gwei(amount // WEI_PER_GWEI)

    def send(self, to: Address, amount: int) -> None:
        """Pay ``amount`` wei out."""
        self.balances[to] = self.balances.get(to, 0) + amount

    # what is looked up --------------------------------------------------------------------------------------

    def kept(self, consumer: Address, snapshot_id: int) -> Kept | None:
        found = self.consumers.get(consumer)
        if found is None or not 0 < snapshot_id <= len(found.snapshots):
            return None
        return found.snapshots[snapshot_id - 1]

    def snapshot(self, consumer: Address, snapshot_id: int) -> Snapshot | None:
        kept = self.kept(consumer, snapshot_id)
        return None if kept is None else kept.snapshot

    def committee_of(self, record: SettlementRecord) -> Snapshot:
        """Who sits where for a record that was accepted."""
        snapshot = self.snapshot(record.consumer, record.snapshot_id)
        if snapshot is None:
            raise Revert("UnknownSnapshot")
        return snapshot

    def suspended_until(self, consumer: Address, member: Address) -> int:
        """Void once the consumer has another image."""
        found = self.suspensions.get((consumer, member))
        known = self.consumers.get(consumer)
        if found is None or known is None or found.image_version != known.image_version:
            return 0
        return found.until

    def match(self, call: Extend | Supersede | Finalize | ForfeitFee) -> Batch:
        """The open batch that a call is about."""
        batch = self.batches.get(call.key)
        if batch is None or (batch.finalize_at, batch.raw) != (call.finalize_at, call.records):
            raise Revert("BatchMismatch")
        return batch


def verifiers(snapshot: Snapshot, prover_seat: int) -> int:
    """V as a bitmap of seats, when the one at ``prover_seat`` proves."""
    return all_verifiers(snapshot) & ~(1 << prover_seat)


def all_verifiers(snapshot: Snapshot) -> int:
    return sum(1 << number for number, seat in enumerate(snapshot.seats) if seat.roles & Role.VERIFY)


def can_prove(snapshot: Snapshot, seat: int) -> bool:
    return 0 <= seat < len(snapshot.seats) and bool(snapshot.seats[seat].roles & Role.PROVE)


def check_votes(snapshot: Snapshot | None, hash32: Hash32, votes: Sequence[SeatVote], may: int) -> int:
    """The bitmap of the seats that signed; BadVotes unless all did, in order, and all are in ``may``."""
    counted, lowest = 0, 0
    seats = snapshot.seats if snapshot else ()
    for vote in votes:
        if not lowest <= vote.seat < len(seats) or signer(hash32, vote.signature) != seats[vote.seat].address:
            raise Revert("BadVotes")
        counted |= 1 << vote.seat
        lowest = vote.seat + 1
    if counted & ~may:
        raise Revert("BadVotes")
    return counted


def signer(hash32: Hash32, signature: bytes) -> Address | None:
    try:
        return recover(hash32, signature)
    except BadSignature:
        return None
