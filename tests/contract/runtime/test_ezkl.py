"""The second proof system in its image: what it proves, and that nothing else passes for it."""

from __future__ import annotations

import json

import pytest

from gpn_desktop.adapters.docker import DockerRuntime
from gpn_desktop.core.errors import InputRefused
from tests.contract.runtime import images

WITHIN = 60.0
OUTPUTS = 4 * 32


def inputs(*numbers: object) -> bytes:
    return json.dumps({"input": list(numbers)}).encode()


async def test_a_proof_is_of_one_input_and_one_request(docker_runtime: DockerRuntime) -> None:
    image, data = images.built("ezkl"), images.sample("ezkl")
    proof = await docker_runtime.prove(image, "ref", data, WITHIN)
    other = inputs(*(json.loads(data)["input"][:-1]), 45)

    async def valid(claim: bytes, ref: str = "ref", of: bytes = data) -> bool:
        return await docker_runtime.validate(image, ref, claim, of, WITHIN)

    assert await valid(proof)
    assert not await valid(proof, ref="other")
    assert not await valid(proof, of=other)
    assert not await valid(proof, of=data.replace(b" ", b""))  # the same numbers, but not what was asked for
    for at in range(0, len(proof), 191):
        assert not await valid(proof[:at] + bytes([proof[at] ^ 4]) + proof[at + 1 :]), at
    for wrong in (b"", proof[:-1], proof + b"\0", proof[OUTPUTS:], bytes(len(proof)), b"\xff" * len(proof)):
        assert not await valid(wrong)


async def test_outputs_are_the_networks_and_in_one_form(docker_runtime: DockerRuntime) -> None:
    image = images.built("ezkl")
    zeros, data = inputs(*[0] * 16), images.sample("ezkl")
    one = await docker_runtime.prove(image, "ref", data, WITHIN)
    two = await docker_runtime.prove(image, "ref", data, WITHIN)
    none = await docker_runtime.prove(image, "ref", zeros, WITHIN)
    field = 21888242871839275222246405745257275088548364400416034343698204186575808495617
    first = int.from_bytes(one[:32], "little")

    assert one[:OUTPUTS] == two[:OUTPUTS] != none[:OUTPUTS]
    assert one[OUTPUTS:] != two[OUTPUTS:]
    again = (first + field).to_bytes(32, "little") if first + field < 2**256 else one[32:64]
    assert not await docker_runtime.validate(image, "ref", again + one[32:], data, WITHIN)


WRONG_INPUTS = [
    b"", b"[]", b"{}", b"\xff", b"[" * 5000, inputs(*[0] * 15), inputs(*[0] * 17), inputs(*[0] * 15, 128),
    inputs(*[0] * 15, -129), inputs(*[0] * 15, 0.5), inputs(*[0] * 15, True), inputs(*[0] * 15, "1"),
    json.dumps({"input": [0] * 16, "more": 1}).encode(),
]  # fmt: skip


async def test_an_input_of_another_form_is_refused_and_has_no_proof(docker_runtime: DockerRuntime) -> None:
    image = images.built("ezkl")
    for data in WRONG_INPUTS:
        with pytest.raises(InputRefused):
            await docker_runtime.prove(image, "ref", data, WITHIN)
        assert not await docker_runtime.validate(image, "ref", b"proof", data, WITHIN)
