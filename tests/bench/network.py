"""What the network adds to a proof: five node processes on one machine, a test prover of a known duration."""

from __future__ import annotations

from gpn_desktop.composition import demo
from gpn_desktop.services.demo.model import Outcome, percentile
from tests.bench.rows import Row

NAMES = ("overhead p50", "overhead p95", "overhead relative to a direct call, 2 s proof")
REQUESTS = 20
PROVE_SECONDS = 2.0


async def measure() -> list[Row]:
    """Requests in turn, after one warm-up."""
    args = demo.DemoArgs(5, REQUESTS, cheat=0, crash=False, builtin=True, keep=False)
    outcomes = await demo.measure(args, PROVE_SECONDS)
    overheads = [o.overhead_ms for o in outcomes if o.overhead_ms is not None]
    return [
        Row(NAMES[0], percentile(overheads, 0.5), "<= 150", "ms"),
        Row(NAMES[1], percentile(overheads, 0.95), "<= 500", "ms"),
        Row(NAMES[2], _ratio(outcomes), "<= 1.15", "x", PROVE_SECONDS),
    ]


def _ratio(outcomes: list[Outcome]) -> float | None:
    """The median of total time over the time of the work alone."""
    ratios = [o.total_ms / o.work_ms for o in outcomes if o.total_ms and o.work_ms]
    return None if not ratios else round(sorted(ratios)[len(ratios) // 2], 3)
