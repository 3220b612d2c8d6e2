"""What an image says of itself, and what it gets of the machine."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.core.errors import ManifestInvalid
from gpn_desktop.core.manifest import GIB, MAX_SAMPLE, MIB, Limits, Manifest, granted, parse, shortfalls

FULL = {
    "name": "groth16",
    "description": "proves\nthings",
    "prove_seconds": 15,
    "validate_seconds": 2.5,
    "memory_mb": 512,
    "cpus": 1.5,
    "tmp_mb": 8,
    "pids": 40,
    "gpu": True,
    "vram_mb": 8192,
    "driver": "535.104",
    "sample": {"request_id": "sample", "data": "ZGF0YQ=="},
    "homepage": "left alone",
}


def test_every_field_is_read_in_its_unit() -> None:
    assert parse(FULL) == Manifest(
        "groth16",
        "proves things",
        15.0,
        2.5,
        512 * MIB,
        1.5,
        8 * MIB,
        40,
        True,
        8192 * MIB,
        "535.104",
        b"data",
    )
    assert parse({}) == Manifest()


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *(("prove_seconds", bad) for bad in (0, -1, True, "15", float("nan"), float("inf"), 10**9, [])),
        *(("memory_mb", bad) for bad in (0, 1.5, -3, 2**80, {})),
        ("pids", 0),
        ("cpus", "all"),
        ("gpu", 1),
        ("driver", "535; rm"),
        ("driver", 535),
        ("name", 7),
        ("name", "n" * 501),
        *(("sample", bad) for bad in (1, {}, {"data": 1}, {"data": "%"}, {"data": "ZGF0YQ==\n"})),
        ("sample", {"data": base64.b64encode(bytes(MAX_SAMPLE + 1)).decode()}),
    ],
)
def test_a_wrong_field_is_named(field: str, wrong: object) -> None:
    with pytest.raises(ManifestInvalid, match=field):
        parse({**FULL, field: wrong})


@pytest.mark.parametrize("wrong", [None, [], "manifest", 3])
def test_what_is_no_object_is_no_manifest(wrong: object) -> None:
    with pytest.raises(ManifestInvalid):
        parse(wrong)


positive = st.floats(0.5, 1e5, allow_nan=False)
limits = st.builds(
    Limits,
    memory=st.integers(1, 64 * GIB),
    cpus=st.just(0.0) | positive,
    tmp=st.integers(1, GIB),
    pids=st.integers(1, 4096),
    gpu=st.booleans(),
    prove_seconds=positive,
    validate_seconds=positive,
)
wishes = st.builds(
    Manifest,
    prove_seconds=st.none() | positive,
    validate_seconds=st.none() | positive,
    memory=st.none() | st.integers(1, 128 * GIB),
    cpus=st.none() | positive,
    tmp=st.none() | st.integers(1, 4 * GIB),
    pids=st.none() | st.integers(1, 10_000),
    gpu=st.booleans(),
)


@given(wishes, limits)
def test_nothing_is_granted_above_the_caps(wish: Manifest, caps: Limits) -> None:
    got = granted(wish, caps)

    assert got.memory <= caps.memory
    assert got.tmp <= caps.tmp
    assert got.pids <= caps.pids
    assert got.gpu == (wish.gpu and caps.gpu)
    assert got.prove_seconds <= caps.prove_seconds
    assert got.validate_seconds <= caps.validate_seconds
    if caps.cpus:
        assert 0 < got.cpus <= caps.cpus
    if wish.memory is not None:
        assert got.memory == min(wish.memory, caps.memory)


def test_what_an_image_does_not_get_is_told() -> None:
    wish = parse({**FULL, "pids": 4000})
    caps = Limits(memory=256 * MIB, cpus=1, tmp=4 * MIB, pids=128, prove_seconds=10)

    said = shortfalls(wish, caps)

    assert len(said) == 6
    assert "512 MiB of memory; the cap is 256 MiB" in said[0]
    assert shortfalls(wish, Limits(memory=GIB, tmp=GIB, pids=5000, gpu=True)) == ()
