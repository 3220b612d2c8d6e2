"""``kill -9`` at every boundary of the journal, on real processes: nothing lost, nothing contradicted.

One network serves all of it, one boundary after the other, as a long-lived one would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from statistics import median
from typing import Final

import pytest

from gpn_desktop.core.errors import GpnError
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.demo.stage import POCKET, Operator
from gpn_desktop.services.views import Phase
from tests.e2e.crash.boundaries import BOUNDARIES, Boundary, Part, listed
from tests.e2e.crash.network import DONE, Network

AT_WORK: Final = 5.0  # seconds from a start after a fall until it serves again

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="package")]

PROVING: Final = Boundary(Part.PROVER, "after", "set:proving", "")
KEPT_VOTE: Final = Boundary(Part.VERIFIER, "after", "keep:own:VotesMessage", "")


async def falls_before_it_serves(net: Network, operator: Operator, boundary: Boundary) -> None:
    process = await net.launch(operator, boundary)
    async with asyncio.timeout(60):
        async for _ in process.events():
            pass


# One for each part: how the victim comes to the boundary, and what there is to show besides -----------------


async def as_gateway(net: Network, boundary: Boundary) -> list[Order]:
    order = await net.order(besides=net.victim)
    net.arm(net.victim, boundary)
    with pytest.raises(GpnError):
        await net.send(order, net.victim)
    await net.fell()
    await net.rise(net.victim)
    await net.send(order, net.victim)  # as a client does that was given no answer
    return [order]


async def as_prover(net: Network, boundary: Boundary) -> list[Order]:
    order = await net.order(prover=net.victim)
    net.arm(net.victim, boundary)
    await net.send(order)
    await net.fell()
    await net.rise(net.victim)
    return [order]


async def as_decliner(net: Network, boundary: Boundary) -> list[Order]:
    order = await net.order(prover=net.victim)
    net.arm(net.victim, PROVING)
    await net.send(order)
    await net.fell()
    await falls_before_it_serves(net, net.victim, boundary)
    await net.rise(net.victim)
    return [order]


async def as_verifier(net: Network, boundary: Boundary) -> list[Order]:
    order = await net.order(besides=net.victim)
    net.arm(net.victim, boundary)
    await net.send(order)
    await net.fell()
    await net.rise(net.victim)
    return [order]


async def as_attester(net: Network, boundary: Boundary) -> list[Order]:
    prover = net.stage.operators[3]
    usual = prover.spec
    await net.change(prover, replace(usual, settle_batch=2, settle_age=600))
    orders = [await net.order(prover=prover)]
    await net.send(orders[0])
    await net.reaches(orders[0], net.victim, Phase.VERIFIED)
    net.arm(net.victim, boundary)
    orders.append(await net.order(prover=prover))
    await net.send(orders[1])
    await net.fell()
    await net.rise(net.victim)
    for order in orders:
        await net.reaches(order, prover, *DONE)
    await net.change(prover, usual)
    return orders


async def as_late_voter(net: Network, boundary: Boundary) -> list[Order]:
    order = await net.order(besides=net.victim)
    net.arm(net.victim, KEPT_VOTE)
    await net.send(order)
    await net.fell()
    await net.reaches(order, net.stage.operators[0], *DONE)
    await falls_before_it_serves(net, net.victim, boundary)
    await net.rise(net.victim)
    await net.counted(order, net.victim)
    return [order]


async def as_paid(net: Network, boundary: Boundary) -> list[Order]:
    order = await net.order(prover=net.victim)
    await net.send(order)
    await net.reaches(order, net.victim, *DONE)
    net.arm(net.victim, boundary)
    await net.pay()
    await net.fell()
    await net.rise(net.victim)
    for operator in (net.stage.operators[0], net.victim):
        await net.reaches(order, operator, Phase.PAID)
    return [order]


async def as_newcomer(net: Network, boundary: Boundary) -> list[Order]:
    stage = net.stage
    newcomer = Operator(stage.make_spec(len(stage.operators)))
    await stage.localnet.fund(newcomer.address, POCKET)
    await falls_before_it_serves(net, newcomer, boundary)
    await net.rise(newcomer)
    stage.operators.append(newcomer)
    assert stage.chain is not None
    info = await stage.chain.prover(newcomer.address)
    assert info is not None
    assert info.stake == newcomer.spec.stake
    candidates = [c.prover for c in await stage.chain.committee(stage.consumers[0].address)]
    assert candidates.count(newcomer.address) == 1
    await net.transactions_agree(newcomer)
    await stage.crew.stop(newcomer.address)
    return []


AS: Final[dict[Part, Callable[[Network, Boundary], Awaitable[list[Order]]]]] = {
    Part.GATEWAY: as_gateway,
    Part.PROVER: as_prover,
    Part.DECLINER: as_decliner,
    Part.VERIFIER: as_verifier,
    Part.ATTESTER: as_attester,
    Part.SETTLER: as_prover,
    Part.LATE_VOTER: as_late_voter,
    Part.PAID: as_paid,
    Part.NEWCOMER: as_newcomer,
}


def marked(boundary: Boundary) -> object:
    marks = () if boundary.usual else (pytest.mark.slow,)
    return pytest.param(boundary, id=boundary.name, marks=marks)


@pytest.mark.parametrize("boundary", [marked(boundary) for boundary in BOUNDARIES])
async def test_killed_at(network: Network, boundary: Boundary) -> None:
    before = network.known()
    orders = await AS[boundary.part](network, boundary)
    for order in orders:
        for operator in (network.stage.operators[0], network.victim):
            await network.reaches(order, operator, *DONE)
    # Where an ordinary start takes long as well, the machine is slow or busy with something else.
    assert network.took[-1] <= max(AT_WORK, 2.5 * network.usual_start)
    await network.settled_once(*orders)
    network.no_contradiction()
    for operator, jobs in before.items():
        assert jobs <= network.journal(network.operator(operator)).jobs()
    await network.transactions_agree(network.victim)


async def test_every_own_word_reached_somebody_else(network: Network) -> None:
    await network.all_counted()


async def test_every_share_is_paid_to_the_wei(network: Network) -> None:
    await network.pay()
    for order in network.orders:
        await network.reaches(order, network.stage.operators[0], Phase.PAID)
    await network.paid_to_the_wei()
    for operator in network.stage.operators[: len(network.stage.crew.running)]:
        await network.transactions_agree(operator)


async def test_a_fall_makes_no_start_longer(network: Network) -> None:
    usual, middle = network.usual_start, median(network.took)
    print(f"{len(network.took)} starts: half of them within {middle:.2f} s; without a fall {usual:.2f} s")
    assert middle <= max(AT_WORK, 1.5 * usual)


async def test_every_kind_of_write_has_its_boundary(network: Network) -> None:
    assert network.kinds() <= listed()
