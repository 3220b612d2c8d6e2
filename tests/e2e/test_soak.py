"""Three minutes of a steady load: nothing gets lost, and no node grows by what it has done.

The whole hour is ``python -m tests.soak``. In three minutes the last 500 requests are not yet all that a node
keeps in memory, so what is allowed is their share: about 20 KB each.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.soak.load import Wanted, soak

MINUTES = 3
RATE = 2.0
ALLOWED_MB = 12.0  # 360 requests' worth, and what the allocator makes of it


@pytest.mark.slow
@pytest.mark.timeout(420)
async def test_three_minutes_at_two_requests_a_second_lose_nothing_and_leak_nothing() -> None:
    report = await soak(Wanted(MINUTES * 60, RATE), asyncio.Event())
    print(report.text())
    assert report.failures == {}
    assert report.lost_nodes == []
    assert report.sent >= 0.9 * MINUTES * 60 * RATE
    assert report.verified == report.settled == report.sent
    assert len(report.nodes) == 5
    for node in report.nodes:
        assert node.rss_mb[1] - node.rss_mb[0] <= ALLOWED_MB
        assert node.files[1] - node.files[0] <= 4
        assert node.threads[1] - node.threads[0] <= 4
