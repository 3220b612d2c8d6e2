"""Whether a request is valid: a pure function of the request and the chain's state at its anchor block.

Validity is the same on every node. Whether the balance covers the reward, the price suits or there is room
is local policy and decides only whether *this* node proves (``core.policy``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gpn_desktop.core import errors
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.messages import MAX_BLOB_BYTES, Signed
from gpn_desktop.core.types import Gwei, Hash32, Request, Snapshot

MAX_REF_CHARS: Final = 128
NONCE_WINDOW: Final = 128


@dataclass(frozen=True, slots=True)
class AnchorFacts:
    """The chain's state at a request's anchor block, as far as validity depends on it.

    ``anchor_time`` in Unix seconds. ``snapshot`` is the one the request names, None if it does not exist.
    """

    registered: bool
    exiting: bool
    image_digest: Hash32
    snapshot: Snapshot | None
    snapshot_in_force: int
    nonce_base: int
    nonce_window: int
    anchor_time: int
    min_reward: Gwei
    max_lifetime: int  # seconds
    quorum_floor: int | None = None  # testing mode's; None asks for a majority, as the contract does


def check_ref(ref: str) -> None:
    """Refuse a client id that is empty or too long."""
    if not 1 <= len(ref) <= MAX_REF_CHARS:
        raise errors.RefMalformed(f"The request id has {len(ref)} characters.")


def check_payload(request: Request, payload: bytes) -> None:
    """Refuse a payload that is not the signed one, or too large."""
    if len(payload) > MAX_BLOB_BYTES:
        raise errors.PayloadTooLarge(f"The payload has {len(payload)} bytes.")
    if keccak(payload) != request.payload_hash:
        raise errors.PayloadMismatch("The payload's keccak-256 is not the signed payloadHash.")


def check(signed: Signed[Request], facts: AnchorFacts) -> Snapshot:
    """The committee that serves the request.

    Raises:
        RequestRefused: the first rule of protocol.md that the request breaks, as its own subclass.
    """
    request = signed.message
    check_ref(request.details.ref)
    if signed.signer != request.consumer:
        raise errors.BadRequestSignature("The signature is not the consumer's.")
    if not facts.registered:
        raise errors.UnknownConsumer("The consumer is not registered at the anchor block.")
    if facts.exiting:
        raise errors.ConsumerExiting("The consumer is leaving the contract.")
    if request.details.image_digest != facts.image_digest:
        raise errors.UnknownImage("The image digest is not the registered one.")
    snapshot = facts.snapshot
    if snapshot is None or request.snapshot_id != facts.snapshot_in_force:
        raise errors.SnapshotNotInForce(
            f"Snapshot {request.snapshot_id} is not in force; {facts.snapshot_in_force} is."
        )
    _check_quorum(request, snapshot, facts.quorum_floor)
    _check_numbers(request, facts)
    return snapshot


def quorum_bounds(snapshot: Snapshot) -> tuple[int, int]:
    """The least and the greatest quorum that holds for every possible prover of the committee.

    V differs by one between a prover that verifies too and one that does not; a quorum has to suit both.
    """
    sizes = [len(snapshot.verifiers(seat.address)) for seat in snapshot.seats]
    return max(sizes) // 2 + 1, min(sizes)


def default_quorum(snapshot: Snapshot) -> int:
    """A majority of V."""
    return quorum_bounds(snapshot)[0]


def _check_quorum(request: Request, snapshot: Snapshot, floor: int | None) -> None:
    if len(snapshot.seats) < 2:
        raise errors.CommitteeTooSmall("The committee has one member.")
    low, high = quorum_bounds(snapshot)
    low = low if floor is None else floor
    if not low <= request.quorum <= high:
        raise errors.QuorumOutOfRange(f"The quorum is {request.quorum}; {low} to {high} is possible.")


def _check_numbers(request: Request, facts: AnchorFacts) -> None:
    offset = request.nonce - facts.nonce_base
    if not 0 <= offset < NONCE_WINDOW or facts.nonce_window >> offset & 1:
        raise errors.NonceUsed(f"Nonce {request.nonce} is used or outside the window.")
    if request.reward < facts.min_reward:
        raise errors.RewardTooLow(f"The reward is {request.reward} gwei; the minimum is {facts.min_reward}.")
    lifetime = request.deadline - facts.anchor_time
    if not 0 < lifetime <= facts.max_lifetime:
        raise errors.DeadlineOutOfRange(f"The deadline is {lifetime} s after the anchor block.")
    if not 1 <= request.details.proving_timeout <= lifetime:
        raise errors.TimeoutOutOfRange(f"The proving timeout is {request.details.proving_timeout} s.")
