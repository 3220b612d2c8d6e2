"""Replies of the prover image API, right and wrong."""

from __future__ import annotations

import base64
import json

import pytest

from gpn_desktop.adapters.docker import image_api
from gpn_desktop.adapters.docker.stream import Reply
from gpn_desktop.core.errors import ProverFault, ProverOutputTooLarge


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
    assert image_api.read_sample(reply({"sample": {"data": "ZGF0YQ=="}})) == b"data"


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
    assert image_api.read_sample(wrong) == b""


def test_an_error_shows_only_printable_text() -> None:
    with pytest.raises(ProverFault) as fault:
        image_api.read_verdict(Reply(500, b"\x1b[31mred\x07" + b"x" * 1000))

    assert fault.value.message.isprintable()
    assert len(fault.value.message) < 300


def test_a_proof_above_the_limit_is_refused() -> None:
    with pytest.raises(ProverOutputTooLarge):
        image_api.read_proof(reply({"proof": base64.b64encode(bytes(11)).decode()}), 10)


@pytest.mark.parametrize("sample", [None, 1, "x", {}, {"data": 1}, {"data": "%"}, {"data": None}])
def test_a_manifest_without_a_sample_is_fine(sample: object) -> None:
    assert image_api.read_sample(reply({"sample": sample})) == b""
