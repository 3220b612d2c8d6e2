"""When to settle, and how: never at a loss, never too late, never dearer than the operator wants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.core.batching import (
    Terms,
    Verdict,
    Waiting,
    decide,
    gas_attested,
    gas_single,
    prefers_attested,
)
from gpn_desktop.core.types import Gwei, Millis, Wei

SNAPSHOT = Path(__file__).parents[3] / "contracts" / "snapshots" / "gasPerProof.json"
NOW = Millis(1_000_000_000)
FAR = Millis(NOW + 10**9)


def waiting(count: int, age: int = 0, share: int = 10**6, latest: Millis = FAR) -> list[Waiting]:
    return [Waiting(Millis(NOW - age * 1000), latest, Gwei(share))] * count


@pytest.mark.parametrize(
    ("batch", "terms", "cost", "price", "expected"),
    [
        ([], Terms(), 0, 0, Verdict.WAIT),
        (waiting(1), Terms(max_age=0), 1, 1, Verdict.SETTLE),
        (waiting(1, age=9), Terms(max_age=10), 1, 1, Verdict.WAIT),
        (waiting(1, age=10), Terms(max_age=10), 1, 1, Verdict.SETTLE),
        (waiting(9), Terms(max_batch=10, max_age=10), 1, 1, Verdict.WAIT),
        (waiting(10), Terms(max_batch=10, max_age=10), 1, 1, Verdict.SETTLE),
        (waiting(10), Terms(max_batch=10, max_age=10, max_gas=5), 1, 6, Verdict.WAIT),
        (waiting(10), Terms(max_batch=10, max_age=10, max_gas=5), 1, 5, Verdict.SETTLE),
        (waiting(10, share=1), Terms(max_batch=10), 10 * 10**9 + 1, 1, Verdict.WAIT),
        (waiting(10, share=1), Terms(max_batch=10), 10 * 10**9, 1, Verdict.SETTLE),
        (waiting(1, latest=NOW), Terms(max_age=10, max_gas=5), 1, 6, Verdict.SETTLE),
        (waiting(1, share=1, latest=NOW), Terms(), 10**9 + 1, 1, Verdict.WORTHLESS),
    ],
)
def test_when(batch: list[Waiting], terms: Terms, cost: int, price: int, expected: Verdict) -> None:
    assert decide(batch, NOW, terms, Wei(cost), price) is expected


shares = st.integers(0, 10**9).map(Gwei)
times = st.integers(0, 2 * NOW).map(Millis)
batches = st.lists(st.builds(Waiting, times, times, shares), max_size=20)
terms_ = st.builds(Terms, st.integers(1, 64), st.integers(0, 10**6), st.none() | st.integers(0, 10**12))


@given(batches, terms_, st.integers(0, 10**20), st.integers(0, 10**12))
def test_nothing_is_settled_at_a_loss_and_nothing_waits_beyond_its_time(
    batch: list[Waiting], terms: Terms, cost: int, price: int
) -> None:
    verdict = decide(batch, NOW, terms, Wei(cost), price)
    brings = sum(w.share for w in batch) * 10**9
    if verdict is Verdict.SETTLE:
        assert brings >= cost
    if batch and min(w.latest for w in batch) <= NOW:
        assert verdict is not Verdict.WAIT
        assert (verdict is Verdict.SETTLE) == (brings >= cost)
    if verdict is Verdict.WORTHLESS:
        assert brings < cost


@given(batches, terms_, st.integers(0, 10**20), st.integers(0, 10**12))
def test_cheaper_gas_never_makes_a_batch_wait(
    batch: list[Waiting], terms: Terms, cost: int, price: int
) -> None:
    if decide(batch, NOW, terms, Wei(cost), price) is Verdict.SETTLE:
        assert decide(batch, NOW, terms, Wei(cost // 2), price // 2) is Verdict.SETTLE


@pytest.mark.parametrize("verifiers", [3, 7, 15, 31])
def test_the_estimate_is_what_was_measured_or_a_little_more(verifiers: int) -> None:
    measured = {name: int(gas) for name, gas in json.loads(SNAPSHOT.read_text()).items()}
    estimates = {
        f"single, {verifiers} verifiers": gas_single(1, verifiers, verifiers + 1),
        f"ten, {verifiers} verifiers": gas_single(10, 10 * verifiers, verifiers + 1) / 10,
        f"attested, {verifiers} verifiers": gas_attested(10, verifiers, verifiers + 1) / 10,
    }
    for name, estimate in estimates.items():
        assert measured[name] <= estimate <= 1.05 * measured[name], name


def test_one_signature_each_is_better_unless_it_burns_more_than_it_saves() -> None:
    assert prefers_attested(saved_gas=20_000, gas_price=10**9, lost=Gwei(0))
    assert prefers_attested(saved_gas=20_000, gas_price=10**9, lost=Gwei(20_000))
    assert not prefers_attested(saved_gas=20_000, gas_price=10**9, lost=Gwei(20_001))
    assert not prefers_attested(saved_gas=-1, gas_price=10**9, lost=Gwei(0))
