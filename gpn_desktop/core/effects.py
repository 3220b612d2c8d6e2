"""What a node has to do about a request. Signing effects are journalled before anything leaves."""

from __future__ import annotations

from dataclasses import dataclass

from gpn_desktop.core.messages import CastVote, Signed
from gpn_desktop.core.types import Address, Announcement, Decline, Hash32, Millis, Vote


@dataclass(frozen=True, slots=True)
class Prove:
    """Start proving; worthless after ``until``."""

    attempt: int
    until: Millis


@dataclass(frozen=True, slots=True)
class StopProving:
    """The proof in the making is of no use any more."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Fetch the announced proof and ask the image about it."""

    announcement: Announcement


@dataclass(frozen=True, slots=True)
class Announce:
    announcement: Announcement


@dataclass(frozen=True, slots=True)
class Cast:
    vote: Vote
    possession: Hash32
    seed: Hash32


@dataclass(frozen=True, slots=True)
class SignDecline:
    decline: Decline
    reason: str


@dataclass(frozen=True, slots=True)
class Accept:
    """The verdict is valid: hand the proof out; the credited prover settles."""

    prover: Address
    proof_hash: Hash32
    attempt: int


@dataclass(frozen=True, slots=True)
class Equivocation:
    """Evidence: opposite votes of one member on one proof."""

    first: CastVote
    second: CastVote


@dataclass(frozen=True, slots=True)
class DoubleAnnouncement:
    """Evidence: two hashes announced by one prover for one request."""

    first: Signed[Announcement]
    second: Signed[Announcement]


@dataclass(frozen=True, slots=True)
class VotedDown:
    """A proof can no longer reach its quorum."""

    prover: Address
    proof_hash: Hash32
    attempt: int


Effect = (
    Prove
    | StopProving
    | Verify
    | Announce
    | Cast
    | SignDecline
    | Accept
    | Equivocation
    | DoubleAnnouncement
    | VotedDown
)
