"""What can happen to a request, as seen by one node."""

from __future__ import annotations

from dataclasses import dataclass

from gpn_desktop.core.messages import CastVote, Signed
from gpn_desktop.core.types import Address, Announcement, Cancel, Decline, Hash32, Millis


@dataclass(frozen=True, slots=True)
class OrderKnown:
    """The beacon block exists: the seed is final unless the chain reorganises before an announcement."""

    seed: Hash32
    ranking: tuple[Address, ...]
    t0: Millis


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; the only event without content."""


@dataclass(frozen=True, slots=True)
class Announced:
    signed: Signed[Announcement]


@dataclass(frozen=True, slots=True)
class Voted:
    cast: CastVote


@dataclass(frozen=True, slots=True)
class Declined:
    signed: Signed[Decline]


@dataclass(frozen=True, slots=True)
class Cancelled:
    signed: Signed[Cancel]


@dataclass(frozen=True, slots=True)
class Willing:
    """This node's policy: None to take its turn, else why it declines (paused, full, price, …)."""

    refusal: str | None


@dataclass(frozen=True, slots=True)
class Proved:
    """This node's own proof is made and stored."""

    proof_hash: Hash32
    size: int


@dataclass(frozen=True, slots=True)
class ProveFailed:
    """``code`` is the stable code of the error that ended the attempt."""

    code: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """The announced proof's bytes are here, so its prover did not announce into the void."""

    prover: Address
    proof_hash: Hash32


@dataclass(frozen=True, slots=True)
class Validated:
    """This node's container has judged; ``valid`` None is *no opinion* (the verifier's own fault)."""

    prover: Address
    proof_hash: Hash32
    valid: bool | None
    possession: Hash32


@dataclass(frozen=True, slots=True)
class Silenced:
    """This node may contradict itself, or has lost its stake: it signs nothing new about the request."""


Event = (
    OrderKnown
    | Tick
    | Announced
    | Voted
    | Declined
    | Cancelled
    | Willing
    | Proved
    | ProveFailed
    | Fetched
    | Validated
    | Silenced
)
