"""What the fairness report compares: a rule that makes an order of provers from what it is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.selection import ranking, selection_seed, weight_of
from gpn_desktop.core.types import Address, Domain, Hash32, Role, Seat, Snapshot

DOMAIN: Final = Domain(chain_id=31337, contract=Address(keccak(b"fairness contract")[12:]))
CONSUMER: Final = Address(keccak(b"fairness consumer")[12:])
IMAGE: Final = keccak(b"fairness image")
MIN_STAKE: Final = 5 * 10**17  # wei; the seed's figure


@dataclass(frozen=True, slots=True)
class Entropy:
    """All that an order may depend on; ``beacon`` is empty where the network runs without one."""

    latest_proof: Hash32
    request_id: Hash32
    beacon: bytes


class Rule(Protocol):
    """``name`` is for people; the order begins with who proves first."""

    @property
    def name(self) -> str: ...

    def order(self, committee: Snapshot, entropy: Entropy) -> tuple[Address, ...]: ...

    def share(self, committee: Snapshot, address: Address) -> float:
        """The share of first places that the rule means an honest member to have, 0 to 1."""
        ...


class ProductRule:
    """``core.selection``, as every node runs it."""

    name = "this network"

    def order(self, committee: Snapshot, entropy: Entropy) -> tuple[Address, ...]:
        return ranking(
            selection_seed(
                DOMAIN, committee.consumer, entropy.latest_proof, entropy.request_id, entropy.beacon
            ),
            committee,
        )

    def share(self, committee: Snapshot, address: Address) -> float:
        """By weight."""
        weights = {seat.address: seat.weight for seat in committee.seats}
        return weights[address] / sum(weights.values())


def committee_of(stakes: Sequence[int]) -> Snapshot:
    """Members with the given stakes, in units of the minimum stake; weights as the contract computes them."""
    seats = tuple(
        Seat(
            Address(keccak(b"fairness member", bytes([number]))[12:]),
            number,
            Role.PROVE | Role.VERIFY,
            weight_of(stake * MIN_STAKE, MIN_STAKE),
        )
        for number, stake in enumerate(stakes)
    )
    return Snapshot(CONSUMER, 1, IMAGE, seats)


def without(committee: Snapshot, absent: frozenset[Address]) -> Snapshot:
    """The committee of those that are there."""
    rest = tuple(seat for seat in committee.seats if seat.address not in absent)
    return Snapshot(committee.consumer, committee.snapshot_id, committee.image_digest, rest)
