"""What nodes say to each other, as domain values: a signed statement and what travels beside it.

The wire form (``proto/peer.proto``) belongs to adapters/p2p. A ``signer`` has always been recovered from the
signature by whoever built the value, so nothing here can claim an author that did not sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from gpn_desktop.core.eip712 import Signable, digest, keccak, recover, sign_digest
from gpn_desktop.core.types import (
    Address,
    Announcement,
    BatchVote,
    Canary,
    Cancel,
    Decline,
    Domain,
    Hash32,
    Request,
    Signature,
    Vote,
)

M = TypeVar("M", Request, Announcement, Vote, Decline, Cancel, BatchVote, Canary, covariant=True)

MAX_GOSSIP_BYTES = 32 * 1024
MAX_INLINE_BYTES = 24 * 1024  # larger payloads and proofs are fetched by hash
MAX_BLOB_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Signed(Generic[M]):
    """A statement with the signature under it, its signer and its EIP-712 digest."""

    message: M
    signature: Signature
    signer: Address
    digest: Hash32

    @classmethod
    def verify(cls, message: M, signature: bytes, domain: Domain) -> Self:
        """Recover the signer; BadSignature when the bytes are no signature that the contract would take."""
        hash32 = digest(_signable(message), domain)
        return cls(message, Signature(signature), recover(hash32, signature), hash32)

    @classmethod
    def sign(cls, message: M, secret: bytes, signer: Address, domain: Domain) -> Self:
        """Sign with a 32-byte secret, whose address is ``signer``."""
        hash32 = digest(_signable(message), domain)
        return cls(message, sign_digest(hash32, secret), signer, hash32)


def _signable(message: Signable) -> Signable:
    return message


@dataclass(frozen=True, slots=True)
class RequestMessage:
    """A consumer's request on its way through the network.

    ``payload`` is here when it fits into a gossip message, else it is fetched from ``gateway`` by its hash.
    """

    signed: Signed[Request]
    gateway: Address
    payload_size: int
    payload: bytes | None

    @property
    def request_id(self) -> Hash32:
        return self.signed.digest


@dataclass(frozen=True, slots=True)
class CancelMessage:
    """``consumer`` is the topic's; the service checks it against the request's."""

    consumer: Address
    signed: Signed[Cancel]


@dataclass(frozen=True, slots=True)
class AnnouncementMessage:
    """``proof`` is here when it fits into a gossip message, else it is fetched from the prover."""

    consumer: Address
    signed: Signed[Announcement]
    proof: bytes | None


@dataclass(frozen=True, slots=True)
class DeclineMessage:
    consumer: Address
    signed: Signed[Decline]
    reason: str  # a short code for people, at most 64 characters; never decides anything


@dataclass(frozen=True, slots=True)
class CastVote:
    """A signed vote with what keeps it honest off chain.

    ``possession`` is keccak(voter ‖ proof bytes), so a vote copied without fetching the proof is dropped.
    """

    signed: Signed[Vote]
    possession: Hash32
    seed: Hash32


@dataclass(frozen=True, slots=True)
class VotesMessage:
    """The votes of one member, gathered over a slice of 50 ms."""

    consumer: Address
    votes: tuple[CastVote, ...]


@dataclass(frozen=True, slots=True)
class CanaryMessage:
    """Told by the prover once its false proof was judged: the consumer had asked for it."""

    consumer: Address
    signed: Signed[Canary]


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """What a node says of itself now and then; shown to people, never an input of any rule."""

    version: str
    head: int
    consumers: tuple[Address, ...]


PeerMessage = (
    RequestMessage
    | CancelMessage
    | AnnouncementMessage
    | DeclineMessage
    | VotesMessage
    | StatusMessage
    | CanaryMessage
)


def possession(voter: Address, proof: bytes) -> Hash32:
    """What a vote carries to show that its author had the proof."""
    return keccak(voter, proof)
