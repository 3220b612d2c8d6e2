"""How many requests per second a network of five processes takes without falling behind."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from gpn_desktop.composition import demo
from gpn_desktop.services.demo.stage import Stage
from gpn_desktop.services.views import Phase
from tests.bench.rows import Row

NAMES = ("requests sustained by 5 nodes", "verdict under that load, p95")
TOGETHER = 6  # requests under way at a time
COUNT = 100
REWARD = 100_000
VERIFIED = (Phase.VERIFIED, Phase.SETTLED, Phase.PAID)


async def measure() -> list[Row]:
    """Always the same number under way; what is sustained is how fast the verdicts come."""
    args = demo.DemoArgs(5, 1, cheat=0, crash=False, builtin=True, keep=False)
    image = replace(demo.BUILTIN, delay=0.0)
    with tempfile.TemporaryDirectory(prefix="gpn-bench-") as folder:
        stage = demo.make_stage(args, demo.process_launcher(), [image], Path(folder))
        try:
            await stage.build()
            await _request(stage, "warm-up", asyncio.Semaphore())
            places = asyncio.Semaphore(TOGETHER)
            began = time.perf_counter()
            times = sorted(
                await asyncio.gather(*(_request(stage, f"request-{n}", places) for n in range(COUNT)))
            )
            spent = time.perf_counter() - began
        finally:
            await stage.aclose()
    return [
        Row(NAMES[0], round(COUNT / spent, 1), ">= 10", "/s"),
        Row(NAMES[1], round(times[int(COUNT * 0.95)] * 1000), "< 1000", "ms"),
    ]


async def _request(stage: Stage, ref: str, places: asyncio.Semaphore) -> float:
    """Seconds from sending to the verdict."""
    assert stage.gateway is not None
    async with places:
        order = await stage.consumers[0].order(ref, REWARD, 60)
        began = time.perf_counter()
        await stage.gateway.submit(order.signed.message, order.signed.signature, order.payload)
        async for view in stage.gateway.watch(order.id):
            if view.phase in VERIFIED:
                return time.perf_counter() - began
    raise AssertionError(f"{ref} ended without a verdict")
