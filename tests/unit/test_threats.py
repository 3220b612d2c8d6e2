"""The threat model names tests that exist, and each flaw can be put back where its table says."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

CONTRACTS = Path(__file__).parents[2] / "contracts"


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, CONTRACTS / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def tests_of_the_contract() -> set[str]:
    text = "".join(path.read_text() for path in (CONTRACTS / "test").glob("*.sol"))
    return set(re.findall(r"function (test\w+)\(", text))


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (CONTRACTS / "THREATS.md").read_text()))
    assert len(named) > 30
    assert named - tests_of_the_contract() == set()


def test_every_named_flaw_and_attack_is_in_the_threat_model_and_can_be_put_back() -> None:
    mutate = tool("mutate")
    assert mutate.misfits() == []
    named = {name for name in tests_of_the_contract() if name.startswith(("test_flaw_", "test_attack_"))}
    assert named - {mutant.test for mutant in mutate.MUTANTS} == set()
    assert named - set(re.findall(r"`(test_\w+)`", (CONTRACTS / "THREATS.md").read_text())) == set()


@pytest.mark.parametrize(
    ("now", "wrong"),
    [
        ({"a": 100}, []),
        ({"a": 102}, []),
        ({"a": 103}, ["a: 100 to 103"]),
        ({"a": 90, "b": 5}, []),
        ({}, ["a is not measured any more"]),
    ],
)
def test_a_figure_that_worsens_by_more_than_two_per_cent_is_an_error(
    now: dict[str, int], wrong: list[str]
) -> None:
    _, worse = tool("gas").compare({"a": 100}, now)
    assert worse == wrong
