"""Every message survives the wire unchanged; nothing else gets in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.adapters.p2p.codec import MAX_VOTES, decode, encode
from gpn_desktop.adapters.p2p.pb import peer_pb2 as pb
from gpn_desktop.core.eip712 import address_of_secret, keccak
from gpn_desktop.core.errors import PeerMessageInvalid
from gpn_desktop.core.messages import (
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
from gpn_desktop.core.types import (
    TESTING_DOMAIN,
    Address,
    Announcement,
    Canary,
    Cancel,
    Decline,
    Details,
    Domain,
    Gwei,
    Request,
    Vote,
)

DOMAIN = Domain(31337, Address(b"\x11" * 20))
SECRET = (7).to_bytes(32, "big")
ME = address_of_secret(SECRET)
OTHER = Address(b"\x55" * 20)
HASH = keccak(b"x")


def request(payload: bytes | None, size: int | None = None) -> RequestMessage:
    details = Details(60, HASH, 5, "ref")
    statement = Request(ME, 2**64 - 1, Gwei(3), 9, 255, 4, keccak(payload or b""), details)
    signed = Signed[Request].sign(statement, SECRET, ME, DOMAIN)
    return RequestMessage(signed, OTHER, len(payload or b"") if size is None else size, payload)


def announcement(proof: bytes | None) -> AnnouncementMessage:
    statement = Announcement(HASH, ME, 3, keccak(proof or b""), len(proof or b""), HASH)
    return AnnouncementMessage(OTHER, Signed[Announcement].sign(statement, SECRET, ME, DOMAIN), proof)


def vote(number: int) -> CastVote:
    statement = Vote(keccak(bytes([number])), OTHER, HASH, 1, valid=number % 2 == 0)
    return CastVote(Signed[Vote].sign(statement, SECRET, ME, DOMAIN), HASH, HASH)


def decline(prover: Address = ME) -> DeclineMessage:
    return DeclineMessage(OTHER, Signed[Decline].sign(Decline(HASH, prover), SECRET, ME, DOMAIN), "full")


CANCEL = CancelMessage(ME, Signed[Cancel].sign(Cancel(HASH), SECRET, ME, DOMAIN))
ALL: list[PeerMessage] = [
    request(b"payload"),
    request(b""),
    request(None, 10**6),
    request(bytes(MAX_INLINE_BYTES)),
    CANCEL,
    announcement(b"proof"),
    announcement(None),
    decline(),
    VotesMessage(OTHER, (vote(1),)),
    VotesMessage(OTHER, tuple(vote(n) for n in range(MAX_VOTES))),
    StatusMessage("0.1.0", 12, (ME, OTHER)),
    CanaryMessage(ME, Signed[Canary].sign(Canary(HASH, OTHER), SECRET, ME, DOMAIN)),
]


@pytest.mark.parametrize("message", ALL, ids=lambda m: type(m).__name__)
def test_a_message_comes_out_as_it_went_in(message: PeerMessage) -> None:
    opened = decode(encode(message, 1234), DOMAIN)
    assert opened.message == message
    assert opened.sent_ms == 1234


@pytest.mark.parametrize(
    "message",
    [
        announcement(b"proof"),
        decline(),
        CanaryMessage(ME, Signed[Canary].sign(Canary(HASH, OTHER), SECRET, ME, DOMAIN)),
    ],
    ids=lambda m: type(m).__name__,
)
def test_a_signature_of_another_domain_is_another_signer(message: PeerMessage) -> None:
    with pytest.raises(PeerMessageInvalid):
        decode(encode(message, 1), TESTING_DOMAIN)


def test_the_signer_is_recovered_never_believed() -> None:
    opened = decode(encode(VotesMessage(OTHER, (vote(1),)), 1), TESTING_DOMAIN)
    assert isinstance(opened.message, VotesMessage)
    assert opened.message.votes[0].signed.signer != ME


@pytest.mark.parametrize(
    "message",
    [
        decline(prover=OTHER),
        request(b"x", 2),
        request(bytes(MAX_INLINE_BYTES + 1)),
        request(None, 2**25 + 1),
        VotesMessage(OTHER, ()),
        VotesMessage(OTHER, tuple(vote(1) for _ in range(MAX_VOTES + 1))),
        StatusMessage("x" * 65, 1, ()),
        StatusMessage("x", 1, (ME,) * 65),
        replace(CANCEL, consumer=Address(b"short")),
    ],
    ids=str,
)
def test_what_breaks_a_rule_does_not_come_in(message: PeerMessage) -> None:
    with pytest.raises(PeerMessageInvalid):
        decode(encode(message, 1), DOMAIN)


def test_votes_of_two_members_do_not_travel_together() -> None:
    second = (8).to_bytes(32, "big")
    other = Signed[Vote].sign(vote(1).signed.message, second, address_of_secret(second), DOMAIN)
    both = VotesMessage(OTHER, (vote(1), replace(vote(2), signed=other)))
    with pytest.raises(PeerMessageInvalid):
        decode(encode(both, 1), DOMAIN)


def test_too_large_a_message_is_not_made() -> None:
    with pytest.raises(PeerMessageInvalid):
        encode(request(bytes(MAX_GOSSIP_BYTES)), 1)


def test_numbers_out_of_range_are_refused() -> None:
    for field, value in (("quorum", 256), ("proving_timeout", 2**32 - 1)):
        raw = pb.Envelope.FromString(encode(request(b"x"), 1))
        setattr(raw.request.request, field, value)
        if field == "quorum":
            with pytest.raises(PeerMessageInvalid):
                decode(raw.SerializeToString(), DOMAIN)


@pytest.mark.parametrize("extra", [b"\xf8\x01\x01", b"\x08\x05"])
def test_unknown_and_repeated_fields_are_refused(extra: bytes) -> None:
    with pytest.raises(PeerMessageInvalid):
        decode(encode(decline(), 1) + extra, DOMAIN)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_one_error(data: bytes) -> None:
    with pytest.raises(PeerMessageInvalid):
        decode(data, DOMAIN)


@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(range(len(ALL))))
def test_a_damaged_message_is_refused_or_harmless(position: int, value: int, which: int) -> None:
    data = bytearray(encode(ALL[which], 1))
    data[position % len(data)] = value
    try:
        opened = decode(bytes(data), DOMAIN)
    except PeerMessageInvalid:
        return
    assert encode(opened.message, opened.sent_ms) == bytes(data)
