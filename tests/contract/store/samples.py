"""Values to store: real signatures, every kind of message, numbers at their limits."""

from __future__ import annotations

from dataclasses import replace

from gpn_desktop.core.eip712 import address_of_secret, keccak
from gpn_desktop.core.messages import (
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
    possession,
)
from gpn_desktop.core.types import (
    TESTING_DOMAIN,
    Address,
    Announcement,
    Canary,
    Cancel,
    Decline,
    Details,
    Gwei,
    Hash32,
    Millis,
    Request,
    Vote,
)
from gpn_desktop.ports.chain import TxRecord, TxState
from gpn_desktop.ports.store import JobRow

SECRETS = tuple(keccak(f"gpn store {name}".encode()) for name in ("consumer", "prover", "verifier"))
CONSUMER, PROVER, VERIFIER = (address_of_secret(secret) for secret in SECRETS)
NOW = Millis(1_900_000_000_000)
MAX_U64 = 2**64 - 1


def request(number: int, consumer_secret: bytes = SECRETS[0], ref: str = "") -> RequestMessage:
    consumer = address_of_secret(consumer_secret)
    order = Request(
        consumer=consumer,
        nonce=number,
        reward=Gwei(MAX_U64),
        deadline=MAX_U64,
        quorum=2,
        snapshot_id=1,
        payload_hash=keccak(b"data"),
        details=Details(60, keccak(b"image"), 7, ref or f"order-{number} ✓"),
    )
    signed = Signed.sign(order, consumer_secret, consumer, TESTING_DOMAIN)
    return RequestMessage(signed, PROVER, 4, b"data" if number % 2 else None)


def votes(request_id: Hash32, valid: bool = True) -> VotesMessage:
    vote = Vote(request_id, PROVER, keccak(b"proof"), 0, valid)
    signed = Signed.sign(vote, SECRETS[2], VERIFIER, TESTING_DOMAIN)
    cast = CastVote(signed, possession(VERIFIER, b"proof"), keccak(b"seed"))
    return VotesMessage(CONSUMER, (cast,))


def messages(request_id: Hash32) -> list[PeerMessage]:
    """One of each kind about a request."""
    announcement = Announcement(request_id, PROVER, 0, keccak(b"proof"), 5, keccak(b"seed"))
    decline, cancel = Decline(request_id, PROVER), Cancel(request_id)
    return [
        CancelMessage(CONSUMER, Signed.sign(cancel, SECRETS[0], CONSUMER, TESTING_DOMAIN)),
        AnnouncementMessage(
            CONSUMER, Signed.sign(announcement, SECRETS[1], PROVER, TESTING_DOMAIN), b"proof"
        ),
        DeclineMessage(CONSUMER, Signed.sign(decline, SECRETS[1], PROVER, TESTING_DOMAIN), "paused"),
        votes(request_id),
        StatusMessage("0.1.0", 12, (CONSUMER, PROVER)),
        CanaryMessage(
            CONSUMER, Signed.sign(Canary(request_id, PROVER), SECRETS[0], CONSUMER, TESTING_DOMAIN)
        ),
    ]


def job(number: int, consumer: Address = CONSUMER, ref: str = "", received_ms: int = 0) -> JobRow:
    return JobRow(
        request_id=request_id(number),
        ref=ref or f"order-{number}",
        consumer=consumer,
        phase="proving",
        role="Prover, 1st",
        attempt=0,
        prover=PROVER,
        reward=Gwei(MAX_U64),
        earned=Gwei(0),
        deadline=MAX_U64,
        received_ms=received_ms or NOW + number,
        verdict_ms=0,
        ended_ms=0,
        proof_hash=None,
        payload_hash=keccak(b"data"),
        error="",
        open=True,
        gateway=True,
    )


def ended(row: JobRow) -> JobRow:
    return replace(row, open=False, phase="paid", ended_ms=NOW, proof_hash=keccak(b"proof"))


def request_id(number: int) -> Hash32:
    return request(number).request_id


def tx(intent: str, nonce: int, state: TxState) -> TxRecord:
    return TxRecord(intent, nonce, keccak(intent.encode()), b"raw " + intent.encode(), state, fee=10**30)
