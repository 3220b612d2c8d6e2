"""Replies of the prover image API, right and wrong."""

from __future__ import annotations

import base64
import json

import pytest

from gpn_desktop.adapters.docker import image_api
from gpn_desktop.adapters.docker.stream import Reply
from gpn_desktop.core.errors import InputRefused, ProverFault, ProverOutputTooLarge
from gpn_desktop.core.manifest import Manifest


def reply(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())


def test_calls_carry_the_apis_fields() -> None:
    head, _, body = image_api.validate("ref", b"proof", b"data").request.partition(b"\r\n\r\n")

    assert head.startswith(b"POST /validate HTTP/1.1\r\n")
    assert json.loads(body) == {"request_id": "ref", "proof": "cHJvb2Y=", "data": "ZGF0YQ=="}
    assert image_api.prove("r", b"", 300).limit >= 400


def test_good_replies() -> None:
    assert image_api.read_proof(reply({"proof": "cHJvb2Y="}), 5) == b"proof"
    assert image_api.read_verdict(reply({"valid": True})) is True
    assert image_api.read_verdict(reply({"valid": False})) is False
    assert image_api.read_manifest(reply({"sample": {"data": "ZGF0YQ=="}})).sample == b"data"


@pytest.mark.parametrize(
    "wrong",
    [
        reply({"proof": "cHJvb2Y=", "valid": True}, status=500),
        Reply(200, b"[" * 100_000),
        Reply(200, b"\xff"),
        reply([]),
        reply({}),
        reply({"proof": None, "valid": None}),
        reply({"proof": ["cHJvb2Y="], "valid": 1}),
        reply({"proof": "cHJvb2Y", "valid": "true"}),
        reply({"proof": "cHJv b2Y=", "valid": {}}),
        reply({"proof": "é", "valid": 0}),
    ],
)
def test_wrong_replies_are_faults_and_never_a_verdict(wrong: Reply) -> None:
    with pytest.raises(ProverFault):
        image_api.read_proof(wrong, 100)
    with pytest.raises(ProverFault):
        image_api.read_verdict(wrong)
    assert image_api.read_manifest(wrong) == Manifest()


def test_an_error_shows_only_printable_text() -> None:
    with pytest.raises(ProverFault) as fault:
        image_api.read_verdict(Reply(500, b"\x1b[31mred\x07" + b"x" * 1000))

    assert fault.value.message.isprintable()
    assert len(fault.value.message) < 300


def test_a_proof_above_the_limit_is_refused() -> None:
    with pytest.raises(ProverOutputTooLarge):
        image_api.read_proof(reply({"proof": base64.b64encode(bytes(11)).decode()}), 10)


@pytest.mark.parametrize("sample", [1, "x", {}, {"data": 1}, {"data": "%"}, {"data": None}])
def test_a_manifest_that_cannot_be_read_says_nothing(sample: object) -> None:
    assert image_api.read_manifest(reply({"name": "n", "sample": sample})) == Manifest()
    assert image_api.read_manifest(reply({"name": "n", "sample": None})) == Manifest(name="n")


def test_an_input_that_is_refused_is_told_from_a_fault() -> None:
    for status in (400, 413, 422):
        with pytest.raises(InputRefused):
            image_api.read_proof(reply({"error": "no"}, status=status), 10)
    with pytest.raises(ProverFault) as fault:
        image_api.read_proof(reply({"error": "no"}, status=500), 10)
    assert not isinstance(fault.value, InputRefused)
