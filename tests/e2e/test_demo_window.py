"""The demo beside a window with several consumers: the window's own node serves them all."""

from __future__ import annotations

import asyncio

import pytest

from gpn_desktop.composition.demo_args import DemoArgs
from gpn_desktop.composition.demo_window import WindowDemo
from gpn_desktop.services.views import Phase


@pytest.mark.timeout(180)
async def test_the_windows_node_serves_every_consumer(caplog: pytest.LogCaptureFixture) -> None:
    played: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    lines: list[str] = []

    def say(text: str) -> None:
        lines.append(text)
        if "the network goes on" in text:
            played.set_result(text)

    def failed(text: str) -> None:
        played.set_exception(AssertionError(text))

    args = DemoArgs(nodes=3, requests=2, builtin=True, consumers=("groth16", "mock"))
    demo = WindowDemo(args, say, failed, lambda tour: None)
    try:
        node = await demo.facade()
        async with asyncio.timeout(120):
            assert (await played).startswith("2 of 2 requests proved, verified and paid")
        shown = node.view()
        served = {c.address for c in shown.consumers if c.committed and c.snapshot_id}
        assert len(served) == 2
        assert {job.consumer for job in shown.jobs} == served
        assert [job.phase for job in shown.jobs] == [Phase.PAID] * 4  # the warm-ups are two
    finally:
        await demo.end()
    assert sum("wants proofs of builtin:test" in line for line in lines) == 2
    assert not [r for r in caplog.records if "never retrieved" in r.getMessage()]
