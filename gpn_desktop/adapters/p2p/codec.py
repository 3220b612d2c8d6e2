"""Between bytes from anywhere and domain messages: strict on the way in, and every signer recovered.

Whatever is malformed is one error, ``PeerMessageInvalid``; nothing else leaves ``decode``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from gpn_desktop.adapters.p2p.pb import peer_pb2 as pb
from gpn_desktop.core.eip712 import BadSignature
from gpn_desktop.core.errors import PeerMessageInvalid
from gpn_desktop.core.messages import (
    MAX_BLOB_BYTES,
    MAX_GOSSIP_BYTES,
    MAX_INLINE_BYTES,
    AnnouncementMessage,
    CanaryMessage,
    CancelMessage,
    CastVote,
    DeclineMessage,
    PeerMessage,
    RequestMessage,
    Signed,
    StatusMessage,
    VotesMessage,
)
from gpn_desktop.core.request import MAX_REF_CHARS
from gpn_desktop.core.types import (
    Address,
    Announcement,
    Canary,
    Cancel,
    Decline,
    Details,
    Domain,
    Gwei,
    Hash32,
    Request,
    Vote,
)

MAX_VOTES: Final = 128
MAX_STATUS_CONSUMERS: Final = 64
MAX_TEXT: Final = 64  # characters of a reason or a version

P = TypeVar("P", bound=Message)


@dataclass(frozen=True, slots=True)
class Opened:
    """A decoded envelope; ``sent_ms`` is its author's word for when it was published."""

    message: PeerMessage
    sent_ms: int


def parse(kind: type[P], data: bytes, limit: int) -> P:
    """A protobuf of at most ``limit`` bytes without unknown fields; PeerMessageInvalid otherwise."""
    if len(data) > limit:
        raise PeerMessageInvalid(f"{len(data)} bytes, {limit} allowed.")
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise PeerMessageInvalid("Not a protobuf of this kind.") from error
    message.DiscardUnknownFields()  # type: ignore[attr-defined]
    if message.ByteSize() != len(data):
        raise PeerMessageInvalid("Unknown fields, or not the shortest encoding.")
    return message


def encode(message: PeerMessage, sent_ms: int) -> bytes:
    """The gossip form; PeerMessageInvalid when it is larger than a gossip message may be."""
    data = envelope(message, sent_ms).SerializeToString()
    if len(data) > MAX_GOSSIP_BYTES:
        raise PeerMessageInvalid(f"The message has {len(data)} bytes; gossip carries {MAX_GOSSIP_BYTES}.")
    return data


def decode(data: bytes, domain: Domain) -> Opened:
    """A gossip message; PeerMessageInvalid for anything that ``encode`` would not have made."""
    return open_envelope(parse(pb.Envelope, data, MAX_GOSSIP_BYTES), domain)


def envelope(message: PeerMessage, sent_ms: int) -> pb.Envelope:
    match message:
        case RequestMessage():
            return pb.Envelope(sent_ms=sent_ms, request=_request_out(message))
        case CancelMessage(consumer, signed):
            cancel = pb.CancelMessage(
                consumer=consumer, request_id=signed.message.request_id, signature=signed.signature
            )
            return pb.Envelope(sent_ms=sent_ms, cancel=cancel)
        case CanaryMessage(consumer, ordered):
            canary = pb.CanaryMessage(
                consumer=consumer,
                request_id=ordered.message.request_id,
                prover=ordered.message.prover,
                signature=ordered.signature,
            )
            return pb.Envelope(sent_ms=sent_ms, canary=canary)
        case AnnouncementMessage():
            return pb.Envelope(sent_ms=sent_ms, announcement=_announcement_out(message))
        case DeclineMessage(consumer, declined, reason):
            decline = pb.DeclineMessage(
                consumer=consumer,
                request_id=declined.message.request_id,
                prover=declined.message.prover,
                signature=declined.signature,
                reason=reason[:MAX_TEXT],
            )
            return pb.Envelope(sent_ms=sent_ms, decline=decline)
        case VotesMessage(consumer, votes):
            out = pb.VotesMessage(consumer=consumer, votes=[_vote_out(cast) for cast in votes])
            return pb.Envelope(sent_ms=sent_ms, votes=out)
        case StatusMessage(version, head, consumers):
            status = pb.StatusMessage(version=version, head=head, consumers=consumers)
            return pb.Envelope(sent_ms=sent_ms, status=status)


def _request_out(message: RequestMessage) -> pb.RequestMessage:
    request = message.signed.message
    details = request.details
    return pb.RequestMessage(
        request=pb.Request(
            consumer=request.consumer,
            nonce=request.nonce,
            reward_gwei=request.reward,
            deadline=request.deadline,
            quorum=request.quorum,
            snapshot_id=request.snapshot_id,
            payload_hash=request.payload_hash,
            proving_timeout=details.proving_timeout,
            image_digest=details.image_digest,
            anchor_block=details.anchor_block,
            ref=details.ref,
        ),
        signature=message.signed.signature,
        gateway=message.gateway,
        payload_size=message.payload_size,
        payload=message.payload,
    )


def _announcement_out(message: AnnouncementMessage) -> pb.AnnouncementMessage:
    announcement = message.signed.message
    return pb.AnnouncementMessage(
        consumer=message.consumer,
        request_id=announcement.request_id,
        prover=announcement.prover,
        attempt=announcement.attempt,
        proof_hash=announcement.proof_hash,
        size=announcement.size,
        seed=announcement.seed,
        signature=message.signed.signature,
        proof=message.proof,
    )


def _vote_out(cast: CastVote) -> pb.CastVote:
    vote = cast.signed.message
    return pb.CastVote(
        request_id=vote.request_id,
        prover=vote.prover,
        proof_hash=vote.proof_hash,
        attempt=vote.attempt,
        valid=vote.valid,
        signature=cast.signed.signature,
        possession=cast.possession,
        seed=cast.seed,
    )


def open_envelope(raw: pb.Envelope, domain: Domain) -> Opened:
    """The message of a parsed envelope; PeerMessageInvalid as ``decode``."""
    field = raw.WhichOneof("message")
    if field is None:
        raise PeerMessageInvalid("An envelope without a message.")
    try:
        return Opened(_OPENERS[field](raw, domain), raw.sent_ms)
    except BadSignature as error:
        raise PeerMessageInvalid(f"{error}.") from error


def _hash(value: bytes) -> Hash32:
    if len(value) != 32:
        raise PeerMessageInvalid("A hash has 32 bytes.")
    return Hash32(value)


def address(value: bytes) -> Address:
    if len(value) != 20:
        raise PeerMessageInvalid("An address has 20 bytes.")
    return Address(value)


def _small(value: int, limit: int = 255) -> int:
    if value > limit:
        raise PeerMessageInvalid(f"{value} where at most {limit} is possible.")
    return value


def _inline(present: bool, value: bytes, size: int) -> bytes | None:
    """An inline blob has the size that is claimed for it, and is small."""
    _small(size, MAX_BLOB_BYTES)
    if not present:
        return None
    if len(value) != size or size > MAX_INLINE_BYTES:
        raise PeerMessageInvalid("The inline bytes are not of the claimed size, or too many.")
    return value


def _request_in(envelope: pb.Envelope, domain: Domain) -> PeerMessage:
    raw = envelope.request
    fields = raw.request
    if not 1 <= len(fields.ref) <= MAX_REF_CHARS:
        raise PeerMessageInvalid("The ref is empty or too long.")
    details = Details(fields.proving_timeout, _hash(fields.image_digest), fields.anchor_block, fields.ref)
    request = Request(
        address(fields.consumer),
        fields.nonce,
        Gwei(fields.reward_gwei),
        fields.deadline,
        _small(fields.quorum),
        fields.snapshot_id,
        _hash(fields.payload_hash),
        details,
    )
    payload = _inline(raw.HasField("payload"), raw.payload, raw.payload_size)
    signed = Signed[Request].verify(request, raw.signature, domain)
    return RequestMessage(signed, address(raw.gateway), raw.payload_size, payload)


def _cancel_in(envelope: pb.Envelope, domain: Domain) -> PeerMessage:
    raw = envelope.cancel
    signed = Signed[Cancel].verify(Cancel(_hash(raw.request_id)), raw.signature, domain)
    return CancelMessage(address(raw.consumer), signed)


def _canary_in(envelope: pb.Envelope, domain: Domain) -> PeerMessage:
    raw = envelope.canary
    canary = Canary(_hash(raw.request_id), address(raw.prover))
    signed = Signed[Canary].verify(canary, raw.signature, domain)
    if signed.signer != raw.consumer:
        raise PeerMessageInvalid("A canary that its consumer did not order.")
    return CanaryMessage(address(raw.consumer), signed)


def _announcement_in(envelope: pb.Envelope, domain: Domain) -> PeerMessage:
    raw = envelope.announcement
    proof = _inline(raw.HasField("proof"), raw.proof, raw.size)
    announcement = Announcement(
        _hash(raw.request_id),
        address(raw.prover),
        _small(raw.attempt),
        _hash(raw.proof_hash),
        raw.size,
        _hash(raw.seed),
    )
    signed = Signed[Announcement].verify(announcement, raw.signature, domain)
    if signed.signer != announcement.prover:
        raise PeerMessageInvalid("An announcement that its prover did not sign.")
    return AnnouncementMessage(address(raw.consumer), signed, proof)


def _decline_in(envelope: pb.Envelope, domain: Domain) -> PeerMessage:
    raw = envelope.decline
    if len(raw.reason) > MAX_TEXT:
        raise PeerMessageInvalid("The reason is too long.")
    decline = Decline(_hash(raw.request_id), address(raw.prover))
    signed = Signed[Decline].verify(decline, raw.signature, domain)
    if signed.signer != decline.prover:
        raise PeerMessageInvalid("A decline that its prover did not sign.")
    return DeclineMessage(address(raw.consumer), signed, raw.reason)


def _votes_in(envelope: pb.Envelope, domain: Domain) -> PeerMessage:
    raw = envelope.votes
    if not 1 <= len(raw.votes) <= MAX_VOTES:
        raise PeerMessageInvalid(f"{len(raw.votes)} votes in one message.")
    votes = tuple(_vote_in(vote, domain) for vote in raw.votes)
    if len({cast.signed.signer for cast in votes}) != 1:
        raise PeerMessageInvalid("Votes of several members in one message.")
    return VotesMessage(address(raw.consumer), votes)


def _vote_in(raw: pb.CastVote, domain: Domain) -> CastVote:
    vote = Vote(
        _hash(raw.request_id),
        address(raw.prover),
        _hash(raw.proof_hash),
        _small(raw.attempt),
        raw.valid,
    )
    signed = Signed[Vote].verify(vote, raw.signature, domain)
    return CastVote(signed, _hash(raw.possession), _hash(raw.seed))


def _status_in(envelope: pb.Envelope, domain: Domain) -> PeerMessage:
    raw = envelope.status
    if len(raw.version) > MAX_TEXT or len(raw.consumers) > MAX_STATUS_CONSUMERS:
        raise PeerMessageInvalid("A status that is too long.")
    return StatusMessage(raw.version, raw.head, tuple(address(c) for c in raw.consumers))


_OPENERS: Final[dict[str, Callable[[pb.Envelope, Domain], PeerMessage]]] = {
    "request": _request_in,
    "cancel": _cancel_in,
    "canary": _canary_in,
    "announcement": _announcement_in,
    "decline": _decline_in,
    "votes": _votes_in,
    "status": _status_in,
}
