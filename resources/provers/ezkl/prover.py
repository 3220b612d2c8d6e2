"""A small neural network's output, proved by ezkl (halo2 with KZG commitments on BN254). See circuit.py.

The input is JSON: ``{"input": [16 whole numbers from -128 to 127]}``, each read as n/128. The proof says what
the network gives for it: 4 numbers of the field, 32 bytes each, little-endian, then halo2's proof. Who has
the input, the proof and the request's id can check it. The id goes in as a tag: sha256(id ‖ 0 ‖ data), its
first 16 bytes as 8 numbers of 16 bits.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# The library keeps its tables in a folder of its own; nothing but /tmp can be written to here.
os.environ.setdefault("EZKL_REPO_PATH", tempfile.gettempdir() + "/ezkl")
sys.path[:0] = [str(HERE.parent / "common"), str(HERE / "packages")]

import circuit  # noqa: E402
import ezkl  # type: ignore[import-not-found]  # noqa: E402
from server import BadRequest, serve  # type: ignore[import-not-found]  # noqa: E402

FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617
VERIFYING_KEY = "30ed3426cbcab134afade42ad393e418655e32063f6038399d09cad831bbe882"
PROOF_BYTES = 5344
ELEMENT = 32
ONE = 1 << circuit.SCALE


class Prover:
    """Works in ``folder``, which has room for the keys (14 MB) and one proof."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if circuit.setup(folder) != VERIFYING_KEY:
            raise RuntimeError("the circuit's files make another verifying key")

    def prove(self, request_id: str, data: bytes) -> bytes:
        numbers = statement(data)
        witness, found = self._folder / "witness.json", self._folder / "proof.json"
        given = self._folder / "input.json"
        given.write_text(json.dumps({"input_data": [[n / ONE for n in numbers], tag(request_id, data)]}))
        ezkl.gen_witness(str(given), str(HERE / "network.ezkl"), str(witness), None, None)
        ezkl.prove(
            str(witness),
            str(HERE / "network.ezkl"),
            str(self._folder / "pk.key"),
            str(found),
            str(HERE / "kzg.srs"),
        )
        made = json.loads(found.read_text())
        begin = circuit.INPUTS + circuit.TAG
        outputs = made["instances"][0][begin : begin + circuit.OUTPUTS]
        return b"".join(bytes.fromhex(output) for output in outputs) + bytes(made["proof"])

    def validate(self, request_id: str, proof: bytes, data: bytes) -> bool:
        try:
            numbers = statement(data)
        except BadRequest:
            return False  # no proof is valid for a statement that says nothing
        length = circuit.OUTPUTS * ELEMENT
        if len(proof) != length + PROOF_BYTES:
            return False
        outputs = [proof[at : at + ELEMENT] for at in range(0, length, ELEMENT)]
        if any(int.from_bytes(output, "little") >= FIELD for output in outputs):
            return False
        public = [n % FIELD for n in numbers] + [n * ONE for n in tag(request_id, data)]
        bound = public[circuit.INPUTS :]
        hexed = [element(n) for n in public] + [o.hex() for o in outputs] + [element(n) for n in bound]
        return self._holds({"instances": [hexed], "proof": list(proof[length:])})

    def _holds(self, claim: dict[str, Any]) -> bool:
        path = self._folder / "claim.json"
        path.write_text(json.dumps(claim))
        settings, key, srs = HERE / "settings.json", self._folder / "vk.key", HERE / "kzg.srs"
        try:
            return bool(ezkl.verify(str(path), str(settings), str(key), str(srs), False))
        except RuntimeError:
            return False  # how ezkl says no
        except BaseException as error:
            # A proof at which the library gives up altogether is no proof either; all else is a fault.
            if type(error).__name__ == "PanicException":
                return False
            raise


def statement(data: bytes) -> list[int]:
    """The input's numbers; BadRequest for anything else than their one form."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise BadRequest("the input is no JSON") from None
    numbers = value.get("input") if isinstance(value, dict) and set(value) == {"input"} else None
    if not isinstance(numbers, list) or len(numbers) != circuit.INPUTS:
        raise BadRequest('the input is not {"input": [16 numbers]}')
    if not all(type(n) is int and -128 <= n <= 127 for n in numbers):
        raise BadRequest("the input's numbers are whole, from -128 to 127")
    return numbers


def tag(request_id: str, data: bytes) -> list[int]:
    digest = hashlib.sha256(request_id.encode() + b"\0" + data).digest()
    return [int.from_bytes(digest[at : at + 2], "big") for at in range(0, 2 * circuit.TAG, 2)]


def element(number: int) -> str:
    return number.to_bytes(ELEMENT, "little").hex()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        serve(Prover(Path(scratch)), HERE)
