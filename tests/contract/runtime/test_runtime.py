"""What every prover runtime promises."""

from __future__ import annotations

import asyncio

import pytest

from gpn_desktop.core.errors import GpnError, ProverTimeout
from gpn_desktop.ports.runtime import ImageState
from tests.contract.runtime.conftest import Subject

WITHIN = 60.0


async def test_a_proof_holds_for_its_request_and_input_alone(subject: Subject) -> None:
    runtime, image, data = subject.runtime, subject.image, subject.data
    await runtime.ensure(image)

    proof = await runtime.prove(image, "first", data, WITHIN)
    tampered = [
        bytes([proof[0] ^ 1]) + proof[1:],
        proof[:-1] + bytes([proof[-1] ^ 1]),
        proof[:-1],
        proof + b"\0",
    ]
    other_input = data + b" "

    assert await runtime.validate(image, "first", proof, data, WITHIN)
    assert not await runtime.validate(image, "second", proof, data, WITHIN)
    assert not await runtime.validate(image, "first", proof, other_input, WITHIN)
    for wrong in [*tampered, b"", bytes(len(proof)), b"\xff" * len(proof), b"no proof at all"]:
        assert not await runtime.validate(image, "first", wrong, data, WITHIN)


async def test_an_image_serves_from_ensure_to_release(subject: Subject) -> None:
    runtime, image = subject.runtime, subject.image

    assert runtime.state(image) is ImageState.ABSENT
    await runtime.ensure(image)
    await runtime.ensure(image)
    assert runtime.state(image) is ImageState.SERVING
    await runtime.release(image)
    await runtime.release(image)
    assert runtime.state(image) is ImageState.READY


async def test_proving_makes_an_image_ready_by_itself(subject: Subject) -> None:
    proof = await subject.runtime.prove(subject.image, "ref", subject.data, WITHIN)

    assert subject.runtime.state(subject.image) is ImageState.SERVING
    assert await subject.runtime.validate(subject.image, "ref", proof, subject.data, WITHIN)


async def test_a_late_proof_is_a_timeout_and_the_next_one_works(subject: Subject) -> None:
    runtime, image, data = subject.runtime, subject.image, subject.data
    await runtime.ensure(image)

    with pytest.raises(ProverTimeout):
        await runtime.prove(image, "late", data, subject.too_short)

    proof = await runtime.prove(image, "next", data, WITHIN)
    assert await runtime.validate(image, "next", proof, data, WITHIN)


async def test_a_cancelled_proof_leaves_the_runtime_working(subject: Subject) -> None:
    runtime, image, data = subject.runtime, subject.image, subject.data
    await runtime.ensure(image)
    running = asyncio.create_task(runtime.prove(image, "cancelled", data, WITHIN))
    done, _ = await asyncio.wait([running], timeout=subject.too_short)
    assert not done

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    proof = await runtime.prove(image, "next", data, WITHIN)
    assert await runtime.validate(image, "next", proof, data, WITHIN)


async def test_many_calls_at_once_get_their_own_answers(subject: Subject) -> None:
    runtime, image, data = subject.runtime, subject.image, subject.data
    refs = [f"ref-{number}" for number in range(3)]

    proofs = await asyncio.gather(*(runtime.prove(image, ref, data, WITHIN) for ref in refs))
    verdicts = await asyncio.gather(
        *(runtime.validate(image, ref, proof, data, WITHIN) for ref in refs for proof in proofs)
    )

    assert verdicts == [a == b for a in refs for b in refs]


async def test_a_closed_runtime_refuses(subject: Subject) -> None:
    await subject.runtime.ensure(subject.image)
    await subject.runtime.aclose()
    await subject.runtime.aclose()

    with pytest.raises(GpnError):
        await subject.runtime.ensure(subject.image)
    with pytest.raises(GpnError):
        await subject.runtime.prove(subject.image, "ref", subject.data, WITHIN)
