"""A network that is cut in two for a minute: nothing is decided twice, and all agree once it is healed.

Six nodes, each a process on a host of its own; every packet between the halves vanishes. A verdict takes
three of the five who do not prove, so neither half of three reaches one by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gpn_desktop.adapters.grpc.client import ProvingClient
from gpn_desktop.adapters.sqlite import SqliteStore
from gpn_desktop.composition import demo
from gpn_desktop.core.errors import ChainUnreachable, UnknownRequest
from gpn_desktop.core.messages import AnnouncementMessage, VotesMessage
from gpn_desktop.core.types import Address, Hash32
from gpn_desktop.ports.store import Kept
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.demo.stage import Operator, Stage
from gpn_desktop.services.views import JobView, Phase
from tests.e2e.lab import Lab, LabLauncher, lab
from tests.e2e.money import everybody_is_paid

SIZE = 6
ARGS = demo.DemoArgs(nodes=SIZE, requests=4, cheat=0, crash=False, builtin=True, keep=False)
PARTED = 60.0  # seconds
SHORT = 20.0
NOTICED = 30.0  # after which everybody knows that the others are gone
PROOF = 3.0
TURN = 20  # seconds
REWARD = 2_100_000
TOGETHER = 15.0  # seconds within which all have found each other again
DECIDED = (Phase.VERIFIED, Phase.SETTLED, Phase.PAID)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


class Halves:
    """The stage, its hosts, and a client for each node. ``far`` are the hosts behind the cut."""

    def __init__(self, stage: Stage, hosts: Lab) -> None:
        self.stage, self.hosts = stage, hosts
        self.far: Sequence[int] = ()
        self.clients = [ProvingClient(operator.grpc) for operator in stage.operators]
        self.cut_at = 0.0

    @property
    def near(self) -> list[int]:
        return [n for n in range(SIZE) if n not in self.far]

    def operators(self, numbers: Sequence[int]) -> list[Operator]:
        return [self.stage.operators[n] for n in numbers]

    async def order(self, ref: str, first: Sequence[int], turn: int = TURN, lifetime: int = 1800) -> Order:
        """A request that one of these is the first to prove."""
        (consumer,) = self.stage.consumers
        wanted = {operator.address for operator in self.operators(first)}
        for number in range(200):
            order = await consumer.side.order(
                f"{ref} {number}", consumer.image.sample, REWARD, turn, None, lifetime
            )
            if await self.stage.first_prover(order) in wanted:
                return order
            await consumer.discard(order)
        raise AssertionError("no request has the wanted first prover")

    async def send(self, order: Order, gateway: int) -> None:
        await self.clients[gateway].submit(order.signed.message, order.signed.signature, order.payload)

    async def view(self, number: int, request_id: Hash32) -> JobView | None:
        """The request as a node sees it now."""
        try:
            async for view in self.clients[number].watch(request_id):
                return view
        except UnknownRequest:
            return None
        raise AssertionError("unreachable")

    async def reach(self, number: int, request_id: Hash32, phases: Sequence[Phase], within: float) -> JobView:
        """The request on a node, once it is in one of these phases."""
        last: JobView | None = None
        try:
            async with asyncio.timeout(within):
                while last is None:
                    try:
                        async for last in self.clients[number].watch(request_id):
                            if last.phase in phases:
                                return last
                    except UnknownRequest:
                        await asyncio.sleep(0.2)  # a node does not tell when it has synced
        except TimeoutError:
            pass
        raise AssertionError(f"node {number + 1} has the request as {last}")

    def cut(self, far: Sequence[int]) -> None:
        self.far = far
        self.hosts.cut(far)
        self.cut_at = time.monotonic()

    async def heal(self, after: float) -> float:
        """Join the halves so many seconds after the cut; how long it takes until all are connected."""
        await asyncio.sleep(self.cut_at + after - time.monotonic())
        counts = [(await client.info()).peers for client in self.clients]
        self.hosts.heal()
        healed = time.monotonic()
        if after > NOTICED:
            assert counts == [len(self.far if n in self.far else self.near) - 1 for n in range(SIZE)]
        async with asyncio.timeout(TOGETHER):
            for client in self.clients:
                while (await client.info()).peers < SIZE - 1:  # noqa: ASYNC110 - a client can only ask
                    await asyncio.sleep(0.1)
        return time.monotonic() - healed

    async def aclose(self) -> None:
        for client in self.clients:
            await client.aclose()


@asynccontextmanager
async def halves(folder: Path) -> AsyncIterator[Halves]:
    async with lab(SIZE) as hosts:
        image = replace(demo.BUILTIN, delay=PROOF)
        stage = demo.make_stage(ARGS, LabLauncher(hosts), [image], folder)
        try:
            await stage.build()
            made = Halves(stage, hosts)
            try:
                yield made
            finally:
                await made.aclose()
        finally:
            await stage.aclose()


async def same_everywhere(net: Halves, order: Order) -> None:
    """All nodes have one verdict, one order of provers and one seed for a request.

    One that was away while the request was settled knows the prover from the chain, and of the proof nothing.
    """
    views = [await net.reach(n, order.id, DECIDED, 60) for n in range(SIZE)]
    told = {(v.prover, v.attempt, v.seed, tuple(t.prover for t in v.turns)) for v in views}
    assert len(told) == 1, [(n + 1, v.prover, v.attempt, v.phase) for n, v in enumerate(views)]
    assert len({v.proof_hash for v in views if v.proof_hash is not None}) == 1


async def journals(stage: Stage) -> dict[Address, list[Kept]]:
    """What every node has kept, once all have ended."""
    found = {}
    for operator in stage.operators:
        (path,) = operator.spec.data_dir.glob("*/node.db")
        store = SqliteStore(path)
        await store.open()
        rows = await store.jobs(0, 100)
        found[operator.address] = [kept for row in rows for kept in await store.kept(row.request_id)]
        await store.aclose()
    return found


def nobody_contradicts_itself(kept: dict[Address, list[Kept]]) -> None:
    """Over all journals together: one opinion on a proof, one proof found valid, one announced."""
    votes, valid, announced = {}, {}, {}
    for message in (k.message for journal in kept.values() for k in journal):
        if isinstance(message, AnnouncementMessage):
            said = message.signed.message
            assert announced.setdefault((said.request_id, said.prover), said.proof_hash) == said.proof_hash
        for cast in message.votes if isinstance(message, VotesMessage) else ():
            vote, voter = cast.signed.message, cast.signed.signer
            key = (voter, vote.request_id, vote.prover, vote.proof_hash)
            assert votes.setdefault(key, vote.valid) == vote.valid
            if vote.valid:
                proof = (vote.prover, vote.proof_hash)
                assert valid.setdefault((voter, vote.request_id), proof) == proof
    assert votes
    assert announced


async def equal_halves(net: Halves) -> list[Order]:
    """Neither half decides alone, and both agree once healed. The orders that have to be paid."""
    near, far = (0, 1, 2), (3, 4, 5)
    before = await net.order("before the cut", near)
    await net.send(before, 0)
    for number in range(SIZE):
        await net.reach(number, before.id, [Phase.PROVING], 20)
    net.cut(far)
    orders = [
        before,
        here := await net.order("near, to be proved near", near),
        there := await net.order("far, to be proved far", far),
        across := await net.order("near, to be proved far", far),
    ]
    short = await net.order("too short", near, lifetime=45)
    for order, gateway in ((here, 0), (there, 5), (across, 1), (short, 2)):
        await net.send(order, gateway)
    for number, order in ((0, here), (5, there)):
        await net.reach(number, order.id, [Phase.VERIFYING], 30)
    expired = await net.reach(2, short.id, [Phase.EXPIRED], 60)
    assert expired.valid_votes < expired.quorum
    for order in orders:
        views = [await net.view(number, order.id) for number in range(SIZE)]
        assert not [v for v in views if v is not None and v.phase in DECIDED]
    assert await net.view(5, here.id) is None
    assert await net.view(0, there.id) is None
    print(f"all are connected {await net.heal(PARTED):.1f} s after the cut of {PARTED:.0f} s")
    for order in orders:
        await same_everywhere(net, order)
    for number in range(SIZE):
        last = await net.view(number, short.id)
        assert last is None or last.phase is Phase.EXPIRED
    return orders


async def a_minority(net: Halves) -> list[Order]:
    """Four decide without the other two, who lose the chain as well, and then agree with what was decided."""
    near, far = (0, 1, 2, 3), (4, 5)
    here = await net.order("ordered far, proved near", near)
    await net.send(here, 5)
    for number in range(SIZE):
        await net.reach(number, here.id, [Phase.PROVING], 20)
    net.cut(far)
    there = await net.order("far, by few", far)
    await net.send(there, 5)
    await net.reach(5, there.id, [Phase.VERIFYING], 30)
    for number in far:
        net.hosts.chain_doors[number].close()
    late = await net.order("far, without a chain", far)
    with pytest.raises(ChainUnreachable):
        await net.send(late, 4)
    (consumer,) = net.stage.consumers
    await consumer.discard(late)
    for number in near:
        await net.reach(number, here.id, DECIDED, 30)
    for order in (here, there):
        last = await net.view(5, order.id)
        assert last is not None
        assert last.phase not in DECIDED
    for number in far:
        net.hosts.chain_doors[number].open()
    print(f"all are connected {await net.heal(SHORT):.1f} s after the cut of {SHORT:.0f} s")
    for order in (here, there):
        await same_everywhere(net, order)
    return [here, there]


async def test_whatever_a_cut_does_all_agree_once_healed_and_everybody_is_paid(tmp_path: Path) -> None:
    async with halves(tmp_path) as net:
        stage = net.stage
        orders = await equal_halves(net) + await a_minority(net)
        assert not [t for t in stage.crew.told if t.name == "contradiction"]
        await everybody_is_paid(stage, orders)
        payouts = [operator.spec.payout for operator in stage.operators]
        accounts = [stage.contract, *(c.address for c in stage.consumers), *payouts]
        assert (await stage.localnet.audit(stage.first_block, accounts)).difference == 0
        for operator in stage.operators:
            await stage.crew.stop(operator.address)
        nobody_contradicts_itself(await journals(stage))
