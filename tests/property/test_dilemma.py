"""The threat model shows what the model of blind verifiers computes, and the model is what happens."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

CONTRACTS = Path(__file__).parents[2] / "contracts"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dilemma", CONTRACTS / "tools" / "dilemma.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["dilemma"] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


dilemma = _load()


def test_the_threat_model_shows_the_figures_of_the_model() -> None:
    text = (CONTRACTS / "THREATS.md").read_text()
    for row in [*dilemma.advantage_table(), *dilemma.rate_table()]:
        assert row in text, f"THREATS.md lacks {row}"


@pytest.mark.parametrize(("volume", "rate"), [(30, 1 / 200), (3000, 1 / 200), (300, 1 / 20)])
def test_the_closed_form_is_what_a_blind_verifier_earns(volume: int, rate: float) -> None:
    played = dilemma.simulated(volume, rate, requests=3_000_000, seed=7)
    assert played == pytest.approx(dilemma.seat(0.0, volume, rate), rel=0.05)


@given(cost=st.floats(0.001, 0.9), volume=st.integers(1, 100_000))
@settings(max_examples=200, deadline=None)
def test_from_the_needed_rate_on_honesty_pays(cost: float, volume: int) -> None:
    rate = dilemma.needed_rate(cost, volume)
    honest = 1.0 - cost
    assert dilemma.seat(cost, volume, rate) == pytest.approx(honest)
    assert dilemma.seat(cost, volume, min(1.0, rate * 1.01)) < honest
    assert dilemma.seat(cost, volume, rate * 0.99) > honest
