"""The real prover image: what its statement demands, and that a proof can be written in one way only."""

from __future__ import annotations

import json

import pytest

from gpn_desktop.adapters.docker import DockerRuntime
from gpn_desktop.core.errors import ProverFault
from tests.contract.runtime import images

WITHIN = 60.0
FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617
BASE_FIELD = 21888242871839275222246405745257275088696311157297823662689037894645226208583


def changed(**fields: object) -> bytes:
    """The sample input with other fields; None takes one out."""
    value = json.loads(images.sample("groth16")) | fields
    return json.dumps({name: field for name, field in value.items() if field is not None}).encode()


async def test_a_statement_needs_its_root_and_a_member(docker_runtime: DockerRuntime) -> None:
    image = images.built("groth16")
    await docker_runtime.ensure(image)

    for wrong in [
        changed(root=None),
        changed(root=1),
        changed(root="01"),
        changed(root=str(FIELD)),
        changed(root="1"),
        changed(secret="12"),
        changed(secret="0"),
        changed(members=[]),
        changed(members="all"),
        b"",
        b"[]",
        b"null",
    ]:
        with pytest.raises(ProverFault, match="HTTP 400"):
            await docker_runtime.prove(image, "ref", wrong, WITHIN)
    assert await docker_runtime.validate(image, "ref", bytes(288), b"", WITHIN) is False


async def test_a_proof_says_nothing_about_another_root_and_has_one_form(
    docker_runtime: DockerRuntime,
) -> None:
    image = images.built("groth16")
    data = changed()
    proof = await docker_runtime.prove(image, "ref", data, WITHIN)
    assert len(proof) == 288
    assert await docker_runtime.validate(image, "ref", proof, data, WITHIN)

    # The witness stays out of validation, but its bytes are part of the input that the proof is bound to.
    for other in [changed(root="1"), changed(scope="2"), changed(secret=None), changed(root=None)]:
        assert not await docker_runtime.validate(image, "ref", proof, other, WITHIN)

    for place, order in [*((place, BASE_FIELD) for place in range(8)), (8, FIELD)]:
        start = place * 32
        number = int.from_bytes(proof[start : start + 32], "big") + order
        again = proof[:start] + number.to_bytes(32, "big") + proof[start + 32 :]
        assert not await docker_runtime.validate(image, "ref", again, data, WITHIN)
