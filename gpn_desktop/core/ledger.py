"""The ledger's lines: what this node earned with each request, and what became of it on chain.

Amounts are whole gwei and wei. A line's share is exactly what the contract credits for it, so that the sum of
the lines that are ready is what can be withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from gpn_desktop.core.types import Address, Gwei, Hash32, Wei

QUARTER_MS = 900_000  # every zone's hours and days are made of whole quarters


class State(Enum):
    """``READY`` is paid by the contract and not withdrawn yet."""

    WINDOW = "window"
    READY = "ready"
    WITHDRAWN = "withdrawn"


class Part(Enum):
    PROVED = "proved"
    VERIFIED = "verified"


class Sort(Enum):
    TIME = "time"
    SHARE = "share"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One request of one settlement. ``place`` is its index in the batch of ``of`` requests.

    ``paid_block`` and ``tx_block`` are 0 until the contract paid it, and until it was withdrawn with ``tx``.
    A tip counts as verified unless the prover got it.
    """

    request_id: Hash32
    key: Hash32
    finalize_at: int
    place: int
    of: int
    settled_ms: int
    settled_block: int
    consumer: Address
    reward: Gwei
    proved: Gwei
    verified: Gwei
    paid_block: int = 0
    tx: Hash32 | None = None
    tx_block: int = 0

    @property
    def share(self) -> Gwei:
        return Gwei(self.proved + self.verified)

    @property
    def part(self) -> Part:
        return Part.PROVED if self.proved else Part.VERIFIED

    @property
    def state(self) -> State:
        if self.tx is not None:
            return State.WITHDRAWN
        return State.READY if self.paid_block else State.WINDOW


@dataclass(frozen=True, slots=True)
class Query:
    """Which lines, in which order. ``since_ms`` is in, ``until_ms`` is out; None leaves it open."""

    consumer: Address | None = None
    state: State | None = None
    part: Part | None = None
    since_ms: int = 0
    until_ms: int | None = None
    sort: Sort = Sort.TIME
    descending: bool = True

    def takes(self, row: LedgerRow) -> bool:
        return (
            (self.consumer is None or row.consumer == self.consumer)
            and (self.state is None or row.state is self.state)
            and (self.part is None or row.part is self.part)
            and row.settled_ms >= self.since_ms
            and (self.until_ms is None or row.settled_ms < self.until_ms)
        )


@dataclass(frozen=True, slots=True)
class Sum:
    """What came from one consumer in one quarter of an hour."""

    quarter_ms: int
    consumer: Address
    proved: Gwei
    verified: Gwei
    count: int


@dataclass(frozen=True, slots=True)
class Totals:
    """The same money seen from three sides: each side adds up to ``proved`` + ``verified``."""

    proved: Gwei
    verified: Gwei
    count: int
    by_consumer: dict[Address, Gwei]
    by_time: dict[int, dict[tuple[Address, Part], Gwei]]

    @property
    def share(self) -> Gwei:
        return Gwei(self.proved + self.verified)


def total(sums: Iterable[Sum], bins: Iterable[int]) -> Totals:
    """Fold sums into bins that begin at the given times (Unix ms, ascending); earlier ones go to the first.

    Raises:
        ValueError: there is no bin.
    """
    edges = list(bins)
    if not edges:
        raise ValueError("there has to be a bin")
    by_time: dict[int, dict[tuple[Address, Part], Gwei]] = {edge: {} for edge in edges}
    by_consumer: dict[Address, Gwei] = {}
    proved = verified = count = at = 0
    for one in sorted(sums, key=lambda s: s.quarter_ms):
        while at + 1 < len(edges) and edges[at + 1] <= one.quarter_ms:
            at += 1
        cell = by_time[edges[at]]
        for part, amount in ((Part.PROVED, one.proved), (Part.VERIFIED, one.verified)):
            if amount:
                cell[one.consumer, part] = Gwei(cell.get((one.consumer, part), 0) + amount)
        by_consumer[one.consumer] = Gwei(by_consumer.get(one.consumer, 0) + one.proved + one.verified)
        proved, verified, count = proved + one.proved, verified + one.verified, count + one.count
    return Totals(Gwei(proved), Gwei(verified), count, by_consumer, by_time)


def part_of_fee(fee: Wei, place: int, of: int) -> Wei:
    """A request's part of what a whole batch cost; the parts add up to it, the first bear the rest."""
    each, rest = divmod(fee, of)
    return Wei(each + (place < rest))
