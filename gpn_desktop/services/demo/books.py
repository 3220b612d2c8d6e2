"""What every member of a demo should have been paid, worked out from the chain's own events.

The contract pays; this adds up the same settlements by the protocol's rules (core.settlement), so that the
audit compares two independent figures, to the wei.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from gpn_desktop.core.settlement import Shares, split
from gpn_desktop.core.types import WEI_PER_GWEI, Address, Hash32, Snapshot, Wei
from gpn_desktop.ports.chain import Chain, ChainEvent, Extended, Reorged, Settled, SettlementRecord


@dataclass
class Books:
    """The settlements of a chain, as its events told them."""

    settled: dict[Hash32, Settled] = field(default_factory=dict)
    _extended: dict[tuple[Hash32, int], int] = field(default_factory=dict)

    def hear(self, event: ChainEvent) -> None:
        match event:
            case Settled(key=key):
                self.settled[key] = event
            case Extended(key, index, counted, _):
                self._extended[key, index] = self._extended.get((key, index), 0) | counted
            case Reorged(first):
                self.settled = {k: s for k, s in self.settled.items() if s.block.number < first}

    def sizes(self) -> list[int]:
        """How many requests each settlement has, in the chain's order."""
        return [len(s.records) for s in sorted(self.settled.values(), key=lambda s: s.block.number)]

    async def expected(self, chain: Chain, consumer: Address | None = None) -> tuple[Counter[Address], Wei]:
        """Wei by member, and what is burned of the verifiers' pool, once every settlement is paid.

        Of one consumer's requests, or of all.
        """
        params = await chain.params()
        shares = Shares(params.prover_bps, params.inclusion_bps, params.verifier_bps, params.tip)
        owed: Counter[Address] = Counter()
        burned = 0
        for key, event in self.settled.items():
            for index, record in enumerate(event.records):
                if consumer not in (None, record.consumer):
                    continue
                snapshot = await chain.snapshot(record.consumer, record.snapshot_id)
                assert snapshot is not None  # the contract settles for no other
                counted = record.counted | self._extended.get((key, index), 0)
                paid, gone = _record(record, counted, snapshot, shares)
                owed.update(paid)
                burned += gone
        return owed, Wei(burned)


def _record(
    record: SettlementRecord, counted: int, snapshot: Snapshot, shares: Shares
) -> tuple[Mapping[Address, int], int]:
    """What one record pays, in wei by member, and what it burns."""
    seats = snapshot.seats
    prover = seats[record.prover_seat].address
    verifiers = len(snapshot.verifiers(prover))
    parts = split(record.reward, shares, verifiers, counted.bit_count(), record.tipped_seat is None)
    paid: Counter[Address] = Counter({prover: parts.prover * WEI_PER_GWEI})
    for seat, member in enumerate(seats):
        if counted >> seat & 1:
            paid[member.address] += parts.fee * WEI_PER_GWEI
    if record.tipped_seat is not None:
        paid[seats[record.tipped_seat].address] += parts.tip * WEI_PER_GWEI
    return paid, parts.burned * WEI_PER_GWEI
