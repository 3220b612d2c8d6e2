"""The prover image API (protocol.md) as bytes: requests to send, and replies that are not to be trusted."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from gpn_desktop.adapters.docker import http
from gpn_desktop.adapters.docker.stream import Reply
from gpn_desktop.core import jsontext
from gpn_desktop.core import manifest as manifests
from gpn_desktop.core.errors import InputRefused, ManifestInvalid, ProverFault, ProverOutputTooLarge
from gpn_desktop.core.manifest import Manifest

SMALL = 64 * 1024  # the largest reply that is not a proof
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Call:
    """One request and the largest reply body that it may get, in bytes."""

    request: bytes
    limit: int


def prove(ref: str, data: bytes, max_proof: int) -> Call:
    body = {"request_id": ref, "data": _text(data)}
    return Call(_post("/prove", body), max_proof * 4 // 3 + SMALL)


def validate(ref: str, proof: bytes, data: bytes) -> Call:
    body = {"request_id": ref, "proof": _text(proof), "data": _text(data)}
    return Call(_post("/validate", body), SMALL)


def manifest() -> Call:
    return Call(http.encode_request("GET", "/manifest"), manifests.MAX_SAMPLE * 2)


def read_proof(reply: Reply, max_proof: int) -> bytes:
    """The proof of a /prove reply.

    Raises:
        ProverFault, ProverOutputTooLarge
    """
    text = _object(reply).get("proof")
    if not isinstance(text, str):
        raise ProverFault("The prover's answer has no proof.")
    try:
        proof = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProverFault("The prover's proof is no base64.") from None
    if len(proof) > max_proof:
        raise ProverOutputTooLarge(f"The proof is larger than {max_proof:,} bytes.")
    return proof


def read_verdict(reply: Reply) -> bool:
    """The verdict of a /validate reply; ProverFault where there is none."""
    valid = _object(reply).get("valid")
    if not isinstance(valid, bool):
        raise ProverFault("The prover's answer has no verdict.")
    return valid


def read_manifest(reply: Reply) -> Manifest:
    """The manifest of a /manifest reply; an empty one where the image offers none that can be read."""
    try:
        return manifests.parse(_object(reply))
    except (ProverFault, ManifestInvalid):
        return Manifest()


def _object(reply: Reply) -> dict[str, Any]:
    if 400 <= reply.status < 500:
        raise InputRefused(f"The prover refuses the input with HTTP {reply.status}: {_excerpt(reply.body)}")
    if reply.status != 200:
        raise ProverFault(f"The prover answered with HTTP {reply.status}: {_excerpt(reply.body)}")
    try:
        value = jsontext.parse(reply.body)
    except ValueError:
        raise ProverFault(f"The prover's answer is no JSON: {_excerpt(reply.body)}") from None
    if not isinstance(value, dict):
        raise ProverFault("The prover's answer is no JSON object.")
    return value


def _excerpt(body: bytes) -> str:
    text = body[:_SHOWN].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "?" for c in text)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _post(path: str, body: dict[str, str]) -> bytes:
    return http.encode_request("POST", path, json.dumps(body).encode())
