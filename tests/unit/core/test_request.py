"""Every rule of protocol.md's Request section refuses with an error of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpn_desktop.core import errors
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.messages import MAX_BLOB_BYTES, Signed
from gpn_desktop.core.request import (
    NONCE_WINDOW,
    AnchorFacts,
    check,
    check_payload,
    check_ref,
    default_quorum,
    quorum_bounds,
)
from gpn_desktop.core.types import Gwei, Request, Snapshot
from tests.unit.core.world import CONSUMER, CONSUMER_SECRET, DOMAIN, T0, World

W = World()
ANCHOR_TIME = T0 // 1000
FACTS = AnchorFacts(
    registered=True,
    exiting=False,
    image_digest=W.snapshot.image_digest,
    snapshot=W.snapshot,
    snapshot_in_force=1,
    nonce_base=0,
    nonce_window=0,
    anchor_time=ANCHOR_TIME,
    min_reward=Gwei(1000),
    max_lifetime=3600,
)


def signed(**changes: object) -> Signed[Request]:
    request = replace(W.request, **changes)  # type: ignore[arg-type]
    return Signed[Request].sign(request, CONSUMER_SECRET, CONSUMER, DOMAIN)


def details(**changes: object) -> Signed[Request]:
    return signed(details=replace(W.request.details, **changes))  # type: ignore[arg-type]


def test_a_good_request_names_its_committee() -> None:
    assert check(signed(), FACTS) is W.snapshot


LONE = Snapshot(CONSUMER, 1, W.snapshot.image_digest, W.snapshot.seats[:1])


@pytest.mark.parametrize(
    ("request_", "facts", "error"),
    [
        (signed(consumer=W.order[0]), FACTS, errors.BadRequestSignature),
        (signed(), replace(FACTS, registered=False), errors.UnknownConsumer),
        (signed(), replace(FACTS, exiting=True), errors.ConsumerExiting),
        (details(image_digest=keccak(b"other")), FACTS, errors.UnknownImage),
        (signed(), replace(FACTS, snapshot=None), errors.SnapshotNotInForce),
        (signed(), replace(FACTS, snapshot_in_force=2), errors.SnapshotNotInForce),
        (signed(), replace(FACTS, snapshot=LONE), errors.CommitteeTooSmall),
        (signed(quorum=1), FACTS, errors.QuorumOutOfRange),
        (signed(quorum=4), FACTS, errors.QuorumOutOfRange),
        (signed(), replace(FACTS, nonce_window=0b10), errors.NonceUsed),
        (signed(nonce=NONCE_WINDOW), FACTS, errors.NonceUsed),
        (signed(), replace(FACTS, nonce_base=2), errors.NonceUsed),
        (signed(reward=Gwei(999)), FACTS, errors.RewardTooLow),
        (signed(deadline=ANCHOR_TIME), FACTS, errors.DeadlineOutOfRange),
        (signed(deadline=ANCHOR_TIME + 3601), FACTS, errors.DeadlineOutOfRange),
        (details(proving_timeout=0), FACTS, errors.TimeoutOutOfRange),
        (details(proving_timeout=601), FACTS, errors.TimeoutOutOfRange),
        (details(ref=""), FACTS, errors.RefMalformed),
        (details(ref="x" * 129), FACTS, errors.RefMalformed),
    ],
)
def test_each_broken_rule_has_its_own_error(
    request_: Signed[Request], facts: AnchorFacts, error: type[errors.RequestRefused]
) -> None:
    with pytest.raises(error) as caught:
        check(request_, facts)
    assert type(caught.value) is error


def test_all_refusals_have_codes_of_their_own() -> None:
    kinds = errors.RequestRefused.__subclasses__()
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_the_payload_is_the_signed_one_and_bounded() -> None:
    check_payload(W.request, b"payload")
    with pytest.raises(errors.PayloadMismatch):
        check_payload(W.request, b"another")
    with pytest.raises(errors.PayloadTooLarge):
        check_payload(W.request, bytes(MAX_BLOB_BYTES + 1))


def test_a_ref_is_measured_in_characters() -> None:
    check_ref("✓" * 128)
    with pytest.raises(errors.RefMalformed):
        check_ref("✓" * 129)


@pytest.mark.parametrize(("size", "low", "high"), [(2, 1, 1), (3, 2, 2), (5, 3, 4), (32, 16, 31)])
def test_a_quorum_is_a_majority_of_the_verifiers(size: int, low: int, high: int) -> None:
    snapshot = World(size=size).snapshot
    assert quorum_bounds(snapshot) == (low, high)
    assert default_quorum(snapshot) == low


def test_testing_mode_may_ask_for_fewer() -> None:
    assert check(signed(quorum=1), replace(FACTS, quorum_floor=1)) is W.snapshot
