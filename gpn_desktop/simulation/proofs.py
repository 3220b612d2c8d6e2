"""Proofs of a run: bytes that say themselves whether they are true, to those who have them."""

from __future__ import annotations

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.types import Address, Hash32


def make(request_id: Hash32, prover: Address, variant: int, true: bool) -> bytes:
    """A prover's proof of a request; each variant is another one, as re-randomised proofs are."""
    return bytes([true]) + keccak(request_id, prover, variant.to_bytes(4, "big"))


def is_true(proof: bytes) -> bool:
    """What an honest member's container answers."""
    return proof[0] == 1
