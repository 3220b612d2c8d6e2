"""One settlement in its window: what it counts, and what it pays this node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Never

from gpn_desktop.core.messages import CastVote
from gpn_desktop.core.settlement import Shares, split
from gpn_desktop.core.types import Address, Gwei, Hash32, Snapshot
from gpn_desktop.ports.chain import Settled, SettlementRecord
from gpn_desktop.ports.store import SettlementRow
from gpn_desktop.services.entry import Entry


@dataclass(frozen=True, slots=True)
class Challenger:
    """Another prover's proof beside a record: it is paid if it has more votes at the end."""

    prover_seat: int
    counted: int
    digest: Hash32


def name_of(key: Hash32, finalize_at: int) -> str:
    """One batch in the names of intents. The key alone is not enough: a submitter names its next batch like
    one that was paid, since storage that was used before costs less (contract.md)."""
    return f"{key.hex()}:{finalize_at}"


NOTHING: Final[Mapping[int, Never]] = MappingProxyType({})
NONE: Final[frozenset[int]] = frozenset()


def _nothing() -> Mapping[int, Never]:
    return NOTHING


@dataclass(slots=True)
class Batch:
    """A settlement in its window. ``committees`` is one for all records, or one for each.

    ``extended``: bitmaps of the seats that were counted since, by record. ``left_out``: the records that do
    not count this node's seat. ``kept``: an earlier run's votes for some of them, whose requests are not in
    memory. ``contested``: this node planned to, at least. What few batches have is replaced and never
    changed: most share what is empty.
    """

    settled: Settled
    committees: tuple[Snapshot, ...]
    share: Gwei = Gwei(0)
    asked: bool = False
    along: int = 0  # milliseconds: when a settlement was last asked to pay it
    left_out: frozenset[int] = NONE
    extending: frozenset[int] = NONE
    extended: Mapping[int, int] = field(default_factory=_nothing)
    contested: bool = False
    kept: Mapping[int, list[CastVote]] = field(default_factory=_nothing)
    contests: Mapping[int, int] = field(default_factory=_nothing)  # when to contest a record, milliseconds
    challengers: Mapping[int, Challenger] = field(default_factory=_nothing)
    forfeited: Mapping[int, int] = field(default_factory=_nothing)  # seats without a fee, by record

    def __len__(self) -> int:
        return len(self.settled.records)

    def committee(self, index: int) -> Snapshot:
        """The committee of record ``index``."""
        return self.committees[index if len(self.committees) > 1 else 0]

    def counted(self, index: int) -> int:
        """The bitmap of the seats that count for record ``index``."""
        return self.settled.records[index].counted | self.extended.get(index, 0)

    def extend(self, index: int, seats: int) -> None:
        """Count these seats as well."""
        self.extended = {**self.extended, index: self.extended.get(index, 0) | seats}

    def leaves_out(self, me: Address) -> frozenset[int]:
        """The records that do not count this member of their committee, unless it is their prover."""
        found = []
        for index, record in enumerate(self.settled.records):
            seat = self.committee(index).members.get(me)
            if seat not in (None, record.prover_seat) and not self.counted(index) >> seat & 1:
                found.append(index)
        return frozenset(found) if found else NONE

    def winner(self, index: int) -> tuple[int, int]:
        """The seat of the prover that would be paid for a record, and the seats that count for it."""
        counted, seat = self.counted(index), self.settled.records[index].prover_seat
        other = self.challengers.get(index)
        if other is not None and other.counted.bit_count() > counted.bit_count():
            return other.prover_seat, other.counted
        return seat, counted

    def fee_of(self, index: int, shares: Shares) -> Gwei:
        """What record ``index`` pays each counted verifier, as it stands."""
        record, committee = self.settled.records[index], self.committee(index)
        prover_seat, counted = self.winner(index)
        verifiers = len(committee.verifiers(committee.seats[prover_seat].address))
        return split(record.reward, shares, verifiers, counted.bit_count(), True).fee

    def share_of(self, me: Address, index: int, shares: Shares) -> Gwei:
        """What record ``index`` pays a member, as it stands."""
        record = self.settled.records[index]
        committee = self.committee(index)
        seat = committee.members.get(me)
        prover_seat, counted = self.winner(index)
        prover = committee.seats[prover_seat].address
        verifiers = len(committee.verifiers(prover))
        parts = split(record.reward, shares, verifiers, counted.bit_count(), record.tipped_seat is None)
        if seat is None:
            return Gwei(0)
        share = parts.tip if seat == record.tipped_seat else 0
        if seat == prover_seat:
            share += parts.prover
        elif counted & ~self.forfeited.get(index, 0) & 1 << seat:
            share += parts.fee
        return Gwei(share)

    @property
    def is_calm(self) -> bool:
        """Whether nothing is to be done about it before its window is over."""
        busy = self.asked or self.along or self.contested
        return not (busy or self.left_out or self.kept or self.challengers or self.forfeited)

    def row(self, finalized: bool) -> SettlementRow:
        settled = self.settled
        ids = tuple(record.request_id for record in settled.records)
        return SettlementRow(
            settled.key, settled.finalize_at, settled.raw_records, self.share, ids, finalized
        )


def agrees(entry: Entry, record: SettlementRecord) -> bool:
    """Whether the contract was shown the verdict that this node knows, as far as it knows one."""
    valid = entry.tally().valid_votes() if entry.job.accepted is not None else ()
    return not valid or valid[0].signed.digest == record.vote_digest
