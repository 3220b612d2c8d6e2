"""``gpn-desktop simulate``: the network under faults, in one process and on virtual time."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from gpn_desktop.core.errors import BadSimulation
from gpn_desktop.simulation import fairness
from gpn_desktop.simulation.drawing import draw
from gpn_desktop.simulation.fairness_text import report_text as fairness_text
from gpn_desktop.simulation.faults import Fault, parse
from gpn_desktop.simulation.plan import Plan
from gpn_desktop.simulation.plan_text import from_text, to_text
from gpn_desktop.simulation.report import Report, report_text, run
from gpn_desktop.simulation.shrink import shrink

MAX_NODES = 10_000
MAX_REQUESTS = 100_000


def run_simulate(args: argparse.Namespace) -> int:
    """0 when all that has to hold holds, 1 when something does not."""
    if args.fairness:
        return _fairness(args)
    plan = _plan(args)
    report = run(plan, _progress)
    print(json.dumps(report.as_json(), separators=(",", ":")) if args.json else report_text(report))
    if not report.violations:
        return 0
    _tell_how_to_repeat(args, plan, report)
    return 1


def _fairness(args: argparse.Namespace) -> int:
    """Who gets how much work, and what each way of cheating gains; beside the prototype's rule."""
    try:
        fair = fairness.measure(args.seed, args.draws, _progress)
    except ValueError as error:
        raise BadSimulation(f"{error}.") from error
    print(json.dumps(fair.as_json(), separators=(",", ":")) if args.json else fairness_text(fair))
    return 0


def _plan(args: argparse.Namespace) -> Plan:
    if args.plan is not None:
        try:
            return from_text(args.plan.read_text())
        except (OSError, ValueError) as error:
            raise BadSimulation(f"{args.plan}: {error}") from error
    try:
        faults = parse(args.faults)
    except ValueError as error:
        names = ", ".join(fault.value for fault in Fault)
        raise BadSimulation(f"{error}.", remedy=f"Faults are all, none, or some of: {names}.") from error
    if args.nodes > MAX_NODES or args.requests > MAX_REQUESTS:
        raise BadSimulation(f"At most {MAX_NODES} nodes and {MAX_REQUESTS} requests.")
    try:
        return draw(args.seed, args.nodes, args.requests, faults)
    except ValueError as error:
        raise BadSimulation(f"{error}.") from error


def _progress(text: str) -> None:
    """For whoever waits; not for files."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _tell_how_to_repeat(args: argparse.Namespace, plan: Plan, report: Report) -> None:
    if args.shrink is None:
        print("Run it again with --shrink FILE for the smallest plan that fails like this.", file=sys.stderr)
        return
    found = shrink(plan, _progress)
    if found is None:
        raise BadSimulation("The second run broke nothing; so chance came from outside of the seed.")
    path: Path = args.shrink
    try:
        path.write_text(to_text(found.plan))
    except OSError as error:
        raise BadSimulation(f"{path}: {error}") from error
    print(
        f"\n{found.rule}: broken with {len(found.plan.orders)} of {len(plan.orders)} requests and"
        f" {len(found.plan.incidents)} of {len(plan.incidents)} incidents, found in {found.runs} runs."
        f"\ngpn-desktop simulate --plan {path}",
        file=sys.stderr,
    )
