"""Who was paid in the end, to the wei, by the chain's own books."""

from __future__ import annotations

import asyncio

from gpn_desktop.core.types import Hash32
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.demo.stage import WINDOW, Operator, Stage
from gpn_desktop.services.views import Phase


async def reaches(stage: Stage, request_id: Hash32, phase: Phase, within: float = 90) -> None:
    """The gateway tells of the request in this phase."""
    assert stage.gateway is not None
    async with asyncio.timeout(within):
        async for view in stage.gateway.watch(request_id):
            if view.phase is phase:
                return
    raise AssertionError(f"the request never was {phase.value}")


async def everybody_is_paid(stage: Stage, orders: list[Order]) -> None:
    """Each request is in one settlement, no other is, and every payout address has exactly its share."""
    assert stage.chain is not None
    for order in orders:
        await reaches(stage, order.id, Phase.SETTLED)
    await stage.localnet.advance(WINDOW + 1)
    for order in orders:
        await reaches(stage, order.id, Phase.PAID)
    settled = [record.request_id for event in stage.books.settled.values() for record in event.records]
    assert sorted(settled) == sorted(order.id for order in orders)
    owed, burned = await stage.books.expected(stage.chain)
    rewards = sum(order.signed.message.reward for order in orders)
    assert sum(owed.values()) + burned == rewards * 10**9
    for operator in stage.operators:
        await payout_is(stage, operator, owed[operator.address])


async def payout_is(stage: Stage, operator: Operator, wei: int) -> None:
    assert stage.chain is not None
    mark = 0
    async with asyncio.timeout(60):
        while (has := await stage.chain.balance(operator.spec.payout)) < wei:
            told = await stage.crew.until(
                lambda t: t.address == operator.address and t.name == "withdrawn", 60, mark
            )
            mark = stage.crew.told.index(told) + 1
    assert has == wei, operator.spec.name
