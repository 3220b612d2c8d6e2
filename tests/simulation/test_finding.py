"""The simulator finds what it is there to find: a rule is taken out of the network, and a run breaks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gpn_desktop.core import job as core_job
from gpn_desktop.core import voting
from gpn_desktop.core.job import Job, ProofKey
from gpn_desktop.core.voting import Tally, Verdict
from gpn_desktop.simulation import checks, recovery
from gpn_desktop.simulation.case import Case
from gpn_desktop.simulation.chain import Chain
from gpn_desktop.simulation.drawing import draw
from gpn_desktop.simulation.faults import parse
from gpn_desktop.simulation.journal import Journal
from gpn_desktop.simulation.node import Node
from gpn_desktop.simulation.report import run
from gpn_desktop.simulation.shrink import shrink

SEEDS = range(12)


def breaks(*rules: str, nodes: int = 24, requests: int = 60, faults: str = "all") -> bool:
    """Whether some seed breaks one of the rules."""
    plans = (draw(seed, nodes, requests, parse(faults)) for seed in SEEDS)
    return any(v.rule in rules for plan in plans for v in run(plan).violations)


def test_an_order_that_is_not_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that computes its order anew after a reorganisation signs a second time."""
    monkeypatch.setattr(recovery, "pin", lambda node, case: None)
    assert breaks(checks.NO_CONTRADICTION)


def test_a_statement_that_is_journalled_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    def keep_own(self: Node, case: Case, message: object) -> bool:
        self.later(5, lambda: self.journal.keep(case.id, message, True, self.now))  # type: ignore[arg-type]
        return True

    monkeypatch.setattr(Node, "keep_own", keep_own)
    assert breaks(checks.JOURNAL_FIRST)


def test_a_quorum_of_one_vote_less(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_soon(tally: Tally, verifiers: int, quorum: int) -> Verdict:
        return voting.verdict(tally, verifiers, max(1, quorum - 2))

    monkeypatch.setattr(core_job, "verdict", too_soon)
    assert breaks(checks.ENDS, checks.ONE_VERDICT, checks.NO_FALSE_REWARD)


def test_two_provers_that_sign_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(job: Job, key: ProofKey) -> bool:
        return False

    monkeypatch.setattr(core_job, "_own_goes_before", never)
    assert breaks(checks.ONE_VERDICT, nodes=8, faults="latency,partition,loss,slow,reordering")


def test_a_contract_that_pays_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    credit = Chain._credit

    def generous(self: Chain, member: object, amount: int) -> None:
        credit(self, member, amount + 1)  # type: ignore[arg-type]

    monkeypatch.setattr(Chain, "_credit", generous)
    assert breaks(checks.BOOKS)


def test_a_journal_that_loses_a_vote(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a node forgot in a crash it can contradict: here, by signing for another proof."""
    keep = Journal.keep

    def forgetful(self: Journal, request_id: object, message: object, own: bool, time: int) -> None:
        keep(self, request_id, message, own, time)  # type: ignore[arg-type]
        if own:
            self.statements[request_id].pop()  # type: ignore[index]

    monkeypatch.setattr(Journal, "keep", forgetful)
    assert breaks(checks.NO_CONTRADICTION)


def test_a_failing_plan_shrinks_to_what_it_takes_and_still_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "pin", lambda node, case: None)
    for seed in SEEDS:
        plan = draw(seed, 24, 40, parse("all"))
        found = shrink(plan)
        if found is None:
            continue
        assert len(found.plan.orders) <= 3
        assert len(found.plan.incidents) < len(plan.incidents)
        assert any(v.rule == found.rule for v in run(found.plan).violations)
        return
    pytest.fail("no seed failed")


def test_a_sound_plan_does_not_shrink() -> None:
    assert shrink(draw(1, 12, 6, parse("all"))) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--faults", "rain"], "partition"),
        (["--nodes", "3"], "at least 4 nodes"),
        (["--requests", "0"], "one request"),
        (["--nodes", "1000000"], "At most"),
        (["--plan", "nowhere.json"], "nowhere.json"),
    ],
)
def test_the_command_line_says_what_is_wrong(options: list[str], words: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gpn_desktop", "simulate", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert words in done.stderr
    assert "GPN-2062" in done.stderr
    assert "Traceback" not in done.stderr
