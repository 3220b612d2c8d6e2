"""How long a thousand nodes take for a thousand requests under all faults, on one core."""

from __future__ import annotations

import asyncio
import time

from gpn_desktop.simulation.drawing import draw
from gpn_desktop.simulation.faults import parse
from gpn_desktop.simulation.report import run
from tests.bench.rows import Row

NAMES = ("simulation of 1,000 nodes, 1,000 requests, all faults",)
SEED = 7


async def measure() -> list[Row]:
    """Processor time: it waits for nothing."""
    return await asyncio.to_thread(_measure)


def _measure() -> list[Row]:
    began = time.thread_time()
    report = run(draw(SEED, 1_000, 1_000, parse("all")))
    spent = time.thread_time() - began
    return [Row(NAMES[0], None if report.violations else round(spent, 1), "<= 60", "s")]
