"""Who proves first: the publicly recomputable order of a committee (protocol.md, Selection).

Integers and keccak only, so any language gets the same order; ``proto/vectors/selection.json`` pins it.
Never an ECDSA signature as entropy (it is not unique), never gossiped status (nodes would disagree).
"""

from __future__ import annotations

from typing import Final

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.types import Address, Domain, Hash32, Role, Snapshot

SELECTION_DOMAIN: Final = b"GPN selection v1"
MAX_WEIGHT: Final = 16


def selection_seed(
    domain: Domain, consumer: Address, latest_proof: Hash32, request_id: Hash32, beacon: bytes
) -> Hash32:
    """The seed of one request's order.

    ``latest_proof`` is the consumer's last ``LatestProof`` at or before the anchor block (the image digest if
    there is none). ``request_id`` is only known after that proof, so its author cannot grind a re-randomised
    proof against it. ``beacon`` is a block hash that did not exist when the consumer signed; empty where the
    network runs without one.
    """
    return keccak(
        SELECTION_DOMAIN,
        domain.chain_id.to_bytes(32, "big"),
        domain.contract,
        consumer,
        latest_proof,
        request_id,
        beacon,
    )


def score(seed: Hash32, address: Address, weight: int) -> int:
    """The best of ``weight`` draws: expected share of first places is proportional to the weight."""
    return max(int.from_bytes(keccak(seed, address, bytes([i])), "big") for i in range(weight))


def ranking(seed: Hash32, snapshot: Snapshot) -> tuple[Address, ...]:
    """All members that prove, in the order of their turns.

    A member's score depends on the member alone, so taking one out never reorders the rest.
    """
    provers = [seat for seat in snapshot.seats if seat.roles & Role.PROVE]
    ordered = sorted(provers, key=lambda seat: (score(seed, seat.address, seat.weight), seat.address))
    return tuple(seat.address for seat in reversed(ordered))


def weight_of(stake: int, min_stake: int) -> int:
    """clamp(stake / minStake, 1, 16), in integers; the contract computes the same for its snapshots."""
    return max(1, min(MAX_WEIGHT, stake // min_stake))
