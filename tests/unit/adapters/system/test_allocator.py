"""What a process freed goes back to the system, although something above it lives."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from gpn_desktop.adapters.system import allocator

# Of a size that comes from the heap, and every hundredth stays: a page or more is free between two of them.
HELD = """
import json, psutil
from gpn_desktop.adapters.system.allocator import trimmer
def rss(): return psutil.Process().memory_info().rss
blocks = [bytes([1]) * 2000 for _ in range(20_000)]
full = rss()
kept = blocks[::100]
del blocks
freed = rss()
trimmer()()
print(json.dumps([full, freed, rss()]))
"""


@pytest.mark.skipif(allocator.trimmer() is None, reason="this C library gives back what is free by itself")
def test_it_gives_back_what_lies_below_something_that_lives() -> None:
    run = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    full, freed, after = json.loads(run.stdout)
    assert full - freed < 4e6  # else there is nothing to give back
    assert full - after > 30e6


async def test_it_is_done_again_and_again_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: asyncio.Queue[bool] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def trim() -> None:
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        loop.call_soon_threadsafe(trimmed.put_nowait, here)

    monkeypatch.setattr(allocator, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(allocator, "trimmer", lambda: trim)
    task = asyncio.create_task(allocator.keep_trim())
    async with asyncio.timeout(5):
        assert [await trimmed.get() for _ in range(3)] == [False] * 3
    task.cancel()
