"""The network under faults, by seed: what has to hold, holds; and a run is the same whenever it is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from gpn_desktop.simulation.drawing import draw
from gpn_desktop.simulation.faults import TWO_FACED, Fault, parse
from gpn_desktop.simulation.plan import Kind, Trouble
from gpn_desktop.simulation.plan_text import from_text, to_text
from gpn_desktop.simulation.report import Report, run

ALL = parse("all")
FURTHER_SEEDS = 200
AT_ONCE = 5


def ran(seed: int, nodes: int, requests: int, faults: frozenset[Fault] = ALL) -> Report:
    report = run(draw(seed, nodes, requests, faults))
    assert report.violations == (), (
        f"gpn-desktop simulate --nodes {nodes} --requests {requests} --seed {seed}"
    )
    return report


def test_without_faults_every_request_is_paid_but_those_that_are_not_meant_to_be() -> None:
    plan = draw(1, 40, 60, parse("none"))
    report = run(plan)
    assert report.violations == ()
    kinds = [order.kind for order in plan.orders]
    assert report.outcomes["paid"] == kinds.count(Kind.PLAIN)
    assert report.outcomes["refused"] == kinds.count(Kind.CHEAP)
    assert report.outcomes["cancelled"] == kinds.count(Kind.CANCELLED)
    assert report.lost == 0


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.value)
def test_each_fault_alone_breaks_nothing_and_work_is_paid(fault: Fault) -> None:
    report = ran(3, 30, 30, frozenset({fault}))
    assert report.outcomes["paid"] >= 10


@pytest.mark.parametrize("seed", range(8))
def test_all_faults_together_break_nothing(seed: int) -> None:
    report = ran(seed, 50, 40)
    assert report.outcomes["unpaid"] == 0
    assert report.outcomes["paid"] >= 20


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("first", range(1000, 1000 + FURTHER_SEEDS, AT_ONCE))
def test_further_seeds(first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        ran(seed, 50, 25)


def test_the_faults_of_a_run_happen() -> None:
    """A run under faults that never occur would show nothing."""
    plan = draw(5, 120, 120, ALL)
    assert {incident.trouble for incident in plan.incidents} == set(Trouble)
    assert any(member.habit in TWO_FACED for member in plan.members)
    report = run(plan)
    counts = report.counts
    for name in (
        "crashes",
        "crashes right after the journal",
        "reorganisations",
        "proofs voted down",
        "contradictions seen",
        "faults provable",
        "settlements",
        "votes without the proof",
    ):
        assert counts.get(name, 0) > 0, name
    assert report.lost > 0
    assert report.outcomes["late"] > 0


def test_a_run_is_the_same_in_another_process_to_the_last_byte() -> None:
    command = [sys.executable, "-m", "gpn_desktop", "simulate", "--json", "--nodes", "40", "--requests", "30"]
    outputs = []
    for hash_seed in ("1", "2"):  # the order of Python's sets differs
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(command, env=env, capture_output=True, check=True)
        assert done.stderr == b""
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    said = json.loads(outputs[0])
    assert said["violations"] == []
    assert said["outcomes"]["paid"] > 0


def test_another_seed_is_another_run() -> None:
    one, other = run(draw(1, 20, 10, ALL)), run(draw(2, 20, 10, ALL))
    assert one.fingerprint != other.fingerprint


def test_a_plan_outlives_a_file() -> None:
    plan = draw(9, 30, 20, ALL)
    again = from_text(to_text(plan))
    assert again == plan
    assert run(again) == run(plan)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-10],
        lambda text: "[]",
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: text.replace('"habit": "honest"', '"habit": "kind"', 1),
        lambda text: text.replace('"orders"', '"order"'),
        lambda text: text.replace('"gateway": ', '"gateway": 99', 1),
        lambda text: text.replace('"node": ', '"node": -', 1).replace("-0", "-1"),
        lambda text: text.replace('"quorum": ', '"quorum": 9', 1),
    ],
)
def test_what_is_no_plan_is_refused_in_words(spoil: object) -> None:
    text = spoil(to_text(draw(9, 30, 20, ALL)))  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"\w+"):
        from_text(text)


def test_fewer_orders_of_a_plan_are_a_plan() -> None:
    plan = draw(4, 30, 20, ALL)
    half = replace(plan, orders=plan.orders[::2])
    report = run(half)
    assert report.violations == ()
    assert report.requests < run(plan).requests
