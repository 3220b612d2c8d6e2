"""A real node whose turns are proved by two workers besides itself; one of them is killed in mid-proof."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gpn_desktop.adapters.cluster.certificates import Authority
from gpn_desktop.adapters.cluster.joining import Invitations, JoinCode
from gpn_desktop.adapters.system.processes import PROGRAM, ProcessLauncher
from gpn_desktop.composition import demo
from gpn_desktop.core.types import Address
from gpn_desktop.ports.processes import NodeSpec
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.demo.stage import Operator, Stage
from gpn_desktop.services.views import JobView, Phase
from tests.contract.cluster.site import WorkerProcess, free_port, start_worker

ARGS = demo.DemoArgs(nodes=4, requests=1, builtin=True)
REWARD, TURN, PROOF_SECONDS = 2_100_000, 30, 4.0
NODE = "node-4"

pytestmark = pytest.mark.timeout(240)


class ClusterLauncher(ProcessLauncher):
    """One of the nodes takes workers."""

    def __init__(self, port: int) -> None:
        super().__init__(os.environ)
        self._port = port

    def program(self, spec: NodeSpec) -> Sequence[str]:
        if spec.name != NODE:
            return PROGRAM
        Authority(spec.data_dir / "cluster").create()
        return ("env", f"GPN_CLUSTER_LISTEN=127.0.0.1:{self._port}", *PROGRAM)


@asynccontextmanager
async def network(folder: Path) -> AsyncIterator[tuple[Stage, Operator, list[WorkerProcess]]]:
    port = free_port()
    image = replace(demo.BUILTIN, delay=PROOF_SECONDS)
    stage = demo.make_stage(ARGS, ClusterLauncher(port), [image], folder)
    workers: list[WorkerProcess] = []
    try:
        await stage.build()
        node = stage.operators[-1]
        cluster = node.spec.data_dir / "cluster"
        for name in ("one", "two"):
            code = JoinCode(
                "127.0.0.1", port, Authority(cluster).fingerprint(), Invitations(cluster).invite()
            )
            workers.append(await start_worker(folder, name, str(code), PROOF_SECONDS))
        for name in ("one", "two"):
            await stage.crew.until(
                lambda t, n=name: t.name == "worker_ready" and t.fields["worker"] == n,
                60,  # type: ignore[misc]
            )
        yield stage, node, workers
    finally:
        for worker in workers:
            await worker.end()
        await stage.aclose()


async def orders_for(stage: Stage, prover: Address, count: int, ref: str) -> list[Order]:
    """Requests whose first prover is the one wanted."""
    (consumer,) = stage.consumers
    found: list[Order] = []
    for number in range(500):
        order = await consumer.order(f"{ref}-{number}", REWARD, TURN)
        if await stage.first_prover(order) == prover:
            found.append(order)
            if len(found) == count:
                return found
        else:
            await consumer.discard(order)
    raise AssertionError("no request has the wanted first prover")


async def verdict(stage: Stage, order: Order) -> JobView:
    assert stage.gateway is not None
    async with asyncio.timeout(120):
        async for view in stage.gateway.watch(order.id):
            if view.phase in (Phase.VERIFIED, Phase.SETTLED, Phase.PAID):
                return view
    raise AssertionError("the request was never verified")


async def test_three_turns_at_once_and_a_killed_worker_cost_no_turn(tmp_path: Path) -> None:
    async with network(tmp_path) as (stage, node, workers):
        assert stage.gateway is not None
        for act in ("all there", "one killed"):
            orders = await orders_for(
                stage, node.address, 3 if act == "all there" else 2, act.replace(" ", "-")
            )
            mark = len(stage.crew.told)
            for order in orders:
                await stage.gateway.submit(order.signed.message, order.signed.signature, order.payload)
            for order in orders:
                wanted = order.id.hex()
                await stage.crew.until(
                    lambda t, w=wanted: t.name == "proving" and t.fields.get("request") == w,
                    60,
                    mark,  # type: ignore[misc]
                )
            if act == "one killed":
                await asyncio.sleep(PROOF_SECONDS / 4)  # both are at work by then
                workers[0].process.kill()
            views = [await verdict(stage, order) for order in orders]

            assert [view.prover for view in views] == [node.address] * len(orders)
            assert [view.attempt for view in views] == [0] * len(orders)
            told = stage.crew.told[mark:]
            assert not [t for t in told if t.name == "declined" and t.address == node.address]
        lost = [t.fields["worker"] for t in stage.crew.told if t.name == "worker_lost"]
        assert lost == ["one"]
