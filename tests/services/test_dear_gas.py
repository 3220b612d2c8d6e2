"""Gas over the operator's ceiling: settlements and withdrawals wait for it, and are done once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from gpn_desktop.core.errors import FeesTooHigh
from gpn_desktop.core.types import ZERO_HASH
from gpn_desktop.ports.chain import TxRecord, TxState
from gpn_desktop.services.views import Phase
from tests.services.test_settling import settled_everywhere
from tests.services.world import WINDOW, Member, quiet, until, world


@dataclass
class DearGas:
    """A member's chain while gas is over its ceiling: whatever is asked for is queued."""

    member: Member
    dear: bool = True
    refused: int = 0

    def __post_init__(self) -> None:
        self.submit = self.member.chain.submit
        self.member.chain.submit = self.ask  # type: ignore[method-assign]

    async def ask(self, intent: str, call: Any) -> TxRecord:
        if not self.dear:
            return await self.submit(intent, call)
        self.refused += 1
        why = "Gas costs 41 gwei, over the ceiling of 40 gwei."
        await self.member.disk.platter.put_tx(TxRecord(intent, -1, ZERO_HASH, b"", TxState.QUEUED, error=why))
        raise FeesTooHigh(why)


async def test_a_settlement_waits_for_cheaper_gas_without_an_alarm() -> None:
    async with world(3) as net:
        order = await net.order()
        first, *_ = await net.ranked(order)
        gas = DearGas(first)
        await net.send(order)
        await first.reach(order, Phase.VERIFIED)
        await until(lambda: gas.refused > 0, "the first try")
        net.ledger.mine()
        await until(lambda: gas.refused > 1, "another try")
        assert first.node.ctx.alerts == []
        gas.dear = False
        net.ledger.mine()
        await settled_everywhere(net, order)
        assert net.settled() == 1
        await quiet()
        states = [tx.state for tx in await first.disk.platter.recent_txs(99)]
        assert TxState.QUEUED not in states, "nothing seems to wait that does not"


async def test_a_withdrawal_waits_and_is_done_once() -> None:
    async with world(3) as net:
        order = await net.order()
        await net.send(order)
        await settled_everywhere(net, order)
        await net.advance(WINDOW + 1)
        member = net.members[0]
        await member.reach(order, Phase.PAID)
        gas = DearGas(member)
        for _ in range(2):
            with pytest.raises(FeesTooHigh):
                await member.node.withdraw()
        gas.dear = False
        assert await member.node.withdraw() > 0
        assert len(member.sent("withdraw:")) == 1
        assert await member.node.withdraw() == 0
