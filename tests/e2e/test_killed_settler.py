"""SIGKILL of the settling node at each boundary of its settlement: settled once, and paid to the wei."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gpn_desktop.adapters.chain.localnet import AnvilLocalnet
from gpn_desktop.adapters.system.processes import PROGRAM, ProcessLauncher
from gpn_desktop.composition import demo
from gpn_desktop.core.types import Address
from gpn_desktop.ports.processes import NodeSpec
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.demo.stage import Operator, Stage
from gpn_desktop.services.views import Phase
from tests.e2e.money import everybody_is_paid, reaches
from tests.e2e.world import eventually

ARGS = demo.DemoArgs(nodes=4, requests=1, cheat=0, crash=False, builtin=True, keep=False)
REWARD = 2_100_000
DYING = (sys.executable, "-m", "tests.e2e.dying")

pytestmark = pytest.mark.timeout(240)


class DeadlyLauncher(ProcessLauncher):
    """``victims``: nodes that die at a boundary of their first settlement, by name."""

    def __init__(self) -> None:
        super().__init__(os.environ)
        self.victims: dict[str, str] = {}

    def program(self, spec: NodeSpec) -> Sequence[str]:
        when = self.victims.pop(spec.name, "")
        return (*DYING, when) if when else PROGRAM


@asynccontextmanager
async def network(folder: Path, when: str = "") -> AsyncIterator[tuple[Stage, Operator]]:
    """Four nodes; the last of them is the victim."""
    launcher = DeadlyLauncher()
    if when:
        launcher.victims["node-4"] = when
    stage = demo.make_stage(ARGS, launcher, [demo.BUILTIN], folder)
    try:
        await stage.build()
        yield stage, stage.operators[-1]
    finally:
        await stage.aclose()


async def proved_by(stage: Stage, prover: Address, ref: str) -> Order:
    """A request whose first prover is the one wanted, sent to the gateway."""
    (consumer,) = stage.consumers
    assert stage.gateway is not None
    for number in range(200):
        order = await consumer.order(f"{ref}-{number}", REWARD, 30)
        if await stage.first_prover(order) == prover:
            await stage.gateway.submit(order.signed.message, order.signed.signature, order.payload)
            return order
        await consumer.discard(order)
    raise AssertionError("no request has the wanted first prover")


@pytest.mark.parametrize("when", ["signed", "sent"])
async def test_killed_at_a_boundary_it_settles_once_and_is_paid(tmp_path: Path, when: str) -> None:
    async with network(tmp_path, when) as (stage, victim):
        doomed = stage.crew.let_die(victim.address)
        order = await proved_by(stage, victim.address, "fatal")
        await stage.crew.ended(doomed, 60)
        await stage.restart(victim)
        await everybody_is_paid(stage, [order])


async def test_killed_in_a_reorganisation_that_drops_its_settlement(tmp_path: Path) -> None:
    async with network(tmp_path) as (stage, victim):
        order = await proved_by(stage, victim.address, "dropped")
        await reaches(stage, order.id, Phase.SETTLED)
        await eventually(lambda: bool(stage.books.settled))
        (event,) = stage.books.settled.values()
        stage.crew.kill(victim.address)
        assert isinstance(stage.localnet, AnvilLocalnet)
        assert stage.chain is not None
        head = await stage.chain.head()
        await stage.localnet.reorganise(head.number - event.block.number + 1)
        await eventually(lambda: not stage.books.settled)
        # The gateway too has to have seen it go: the clock may not be moved before it is settled again.
        await reaches(stage, order.id, Phase.VERIFIED)
        await stage.restart(victim)
        await everybody_is_paid(stage, [order])
