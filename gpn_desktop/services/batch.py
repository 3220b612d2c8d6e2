"""One settlement in its window: what it counts, and what it pays this node."""

from __future__ import annotations

from dataclasses import dataclass, field

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


@dataclass
class Batch:
    """A settlement in its window. ``counted`` is each record's bitmap of seats, as extended since.

    ``kept``: an earlier run's votes for records that left its own out; their requests are not in memory.
    """

    settled: Settled
    counted: list[int]
    committees: list[Snapshot]
    share: Gwei = Gwei(0)
    asked: bool = False
    along: int = 0  # milliseconds: when a settlement was last asked to pay it
    extending: set[int] = field(default_factory=set)
    kept: dict[int, list[CastVote]] = field(default_factory=dict)
    contests: dict[int, int] = field(default_factory=dict)  # when to contest a record, milliseconds
    challengers: dict[int, Challenger] = field(default_factory=dict)
    forfeited: dict[int, int] = field(default_factory=dict)  # seats without a fee, by record

    def winner(self, index: int) -> tuple[int, int]:
        """The seat of the prover that would be paid for a record, and the seats that count for it."""
        counted, seat = self.counted[index], self.settled.records[index].prover_seat
        other = self.challengers.get(index)
        if other is not None and other.counted.bit_count() > counted.bit_count():
            return other.prover_seat, other.counted
        return seat, counted

    def fee_of(self, index: int, shares: Shares) -> Gwei:
        """What record ``index`` pays each counted verifier, as it stands."""
        record, committee = self.settled.records[index], self.committees[index]
        prover_seat, counted = self.winner(index)
        verifiers = len(committee.verifiers(committee.seats[prover_seat].address))
        return split(record.reward, shares, verifiers, counted.bit_count(), True).fee

    def share_of(self, me: Address, index: int, shares: Shares) -> Gwei:
        """What record ``index`` pays a member, as it stands."""
        record = self.settled.records[index]
        committee = self.committees[index]
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
