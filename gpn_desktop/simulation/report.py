"""What a run says at its end; the same plan says the same to the last byte."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.simulation.checks import RULES, Violation
from gpn_desktop.simulation.plan import Plan
from gpn_desktop.simulation.world import World

OUTCOMES: Final = ("paid", "expired", "late", "cancelled", "refused", "unpaid")
SHOWN: Final = 20  # violations that are told one by one

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Report:
    """``verdict_ms``: from a request's signing to its first verdict, median and 95th percentile.

    ``fingerprint`` covers every verdict, settlement and payout. ``hours`` are virtual.
    """

    seed: int
    nodes: int
    requests: int
    faults: tuple[str, ...]
    hours: float
    steps: int
    messages: int
    lost: int
    outcomes: dict[str, int]
    counts: dict[str, int]
    verdict_ms: tuple[int, int]
    fingerprint: str
    violations: tuple[Violation, ...]

    def as_json(self) -> dict[str, object]:
        """For machines; the order of the keys is fixed."""
        whole = asdict(self)
        whole["violations"] = [asdict(v) for v in self.violations[:SHOWN]]
        whole["violated"] = {rule: sum(v.rule == rule for v in self.violations) for rule in RULES}
        return whole


def run(plan: Plan, progress: Progress | None = None) -> Report:
    """Run a plan to its end."""
    world = World(plan)
    world.run(_telling(world, progress))
    checks, chain = world.checks, world.chain
    outcomes = Counter(world.outcome(request_id) for request_id in world.sent_at)
    counts = {**checks.counts, "reverted transactions": chain.reverted, "reorganisations": chain.reorgs}
    times = sorted(checks.verdict_ms) or [0]
    return Report(
        plan.seed,
        len(plan.members),
        len(world.sent_at),
        tuple(sorted(fault.value for fault in plan.faults)),
        round(world.elapsed / 3_600_000, 2),
        world.timeline.steps,
        world.network.messages,
        world.network.lost,
        {name: outcomes[name] for name in OUTCOMES},
        dict(sorted(counts.items())),
        (int(statistics.median(times)), times[int(len(times) * 0.95)]),
        _fingerprint(world),
        tuple(checks.violations),
    )


def _telling(world: World, progress: Progress | None) -> Callable[[], None] | None:
    if progress is None:
        return None

    def tell() -> None:
        ended = sum(record.paid for record in world.chain.records.values())
        progress(f"{world.elapsed / 60_000:.0f} virtual minutes, {len(world.sent_at)} requests, {ended} paid")

    return tell


def _fingerprint(world: World) -> str:
    parts = [request_id + b"".join(world.checks.verdicts.get(request_id, ())) for request_id in world.sent_at]
    parts += [
        request_id + b"".join(record.voters) + record.block.to_bytes(8, "big")
        for request_id, record in world.chain.records.items()
    ]
    parts += [member + earned.to_bytes(16, "big") for member, earned in world.chain.earned.items()]
    return keccak(*parts, world.timeline.steps.to_bytes(8, "big")).hex()


def report_text(report: Report) -> str:
    """For people."""
    lines = [
        f"{report.nodes} nodes, {report.requests} requests, {report.hours} virtual hours, seed {report.seed}",
        f"faults: {', '.join(report.faults) or 'none'}",
        "",
        *(f"{count:>8}  {name}" for name, count in report.outcomes.items() if count),
        "",
        *(f"{count:>8}  {name}" for name, count in report.counts.items()),
        f"{report.messages:>8}  messages, {report.lost} of them lost",
        f"{report.verdict_ms[0] / 1000:>8.1f}  s to a verdict (median)",
        f"{report.verdict_ms[1] / 1000:>8.1f}  s to a verdict (95th percentile)",
        "",
        *(
            f"{'broken' if any(v.rule == rule for v in report.violations) else 'holds':>8}  {rule}"
            for rule in RULES
        ),
    ]
    lines += [f"  at {v.at / 1000:.3f} s: {v.rule}: {v.what}" for v in report.violations[:SHOWN]]
    return "\n".join(lines)
