"""A node that comes late: it learns what is open from its peers, and takes part in what comes next."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gpn_desktop.adapters.grpc.client import ProvingClient
from gpn_desktop.composition import demo
from gpn_desktop.core.errors import UnknownRequest
from gpn_desktop.core.types import Hash32
from gpn_desktop.services.consumer import Gateway, Order
from gpn_desktop.services.demo.stage import Stage
from gpn_desktop.services.views import JobView, Phase

ARGS = demo.DemoArgs(nodes=5, requests=1, cheat=0, crash=False, builtin=True, keep=False)
SLOW = 15.0  # seconds of one proof: longer than a node takes to start


async def until(gateway: Gateway, request_id: Hash32, *phases: Phase) -> JobView:
    async with asyncio.timeout(90):
        async for view in gateway.watch(request_id):
            if view.phase in phases:
                return view
    raise AssertionError("the request ended otherwise")


async def send(stage: Stage, ref: str) -> Order:
    order = await stage.consumers[0].order(ref, 2_100_000, 60)
    assert stage.gateway is not None
    await stage.gateway.submit(order.signed.message, order.signed.signature, order.payload)
    return order


async def known(client: ProvingClient, request_id: Hash32) -> JobView:
    """The request as another node sees it, once that has synced it."""
    async with asyncio.timeout(30):
        while True:
            try:
                async for view in client.watch(request_id):
                    return view
            except UnknownRequest:
                await asyncio.sleep(0.1)  # a node does not tell when it has synced
    raise AssertionError("unreachable")


@pytest.mark.timeout(240)
async def test_a_sixth_node_syncs_and_votes(tmp_path: Path) -> None:
    image = replace(demo.BUILTIN, delay=SLOW)
    stage = demo.make_stage(ARGS, demo.process_launcher(), [image], tmp_path)
    try:
        await stage.build()
        done = (Phase.VERIFIED, Phase.SETTLED)
        open_order = await send(stage, "open while the sixth starts")
        sixth = await stage.start_operator(stage.make_spec(5))
        client = ProvingClient(sixth.grpc)
        synced = await known(client, open_order.id)
        assert synced.phase in (Phase.PROVING, Phase.WAITING, Phase.VERIFYING)
        assert stage.gateway is not None
        verified = await until(stage.gateway, open_order.id, *done)
        seen = await until(client, open_order.id, *done)
        assert seen.proof_hash == verified.proof_hash
        assert sixth.address not in {vote.voter for vote in verified.votes}  # it has no seat there

        await stage.crew.until(lambda t: t.address == sixth.address and t.name == "committed", 60)
        await stage.take_snapshot()
        order = await send(stage, "with the sixth")
        assert sixth.address in order.snapshot.members
        async with asyncio.timeout(90):
            async for view in stage.gateway.watch(order.id):
                took_part = {vote.voter for vote in view.votes} | {view.prover}
                if sixth.address in took_part and view.phase in done:
                    break
        assert view.seed is not None
        mine = await until(client, order.id, *done)
        assert mine.seed == view.seed  # so it knew the latest proof
        await client.aclose()
    finally:
        await stage.aclose()
