"""The ledger of a node is what the chain owes it, line by line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from gpn_desktop.adapters.sqlite import MemoryStore
from gpn_desktop.adapters.system.clock import SystemClock
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import FileNotWritten
from gpn_desktop.core.ledger import LedgerRow, Query, State
from gpn_desktop.core.types import Address, Gwei, to_wei
from gpn_desktop.ports.chain import TxRecord, TxState
from gpn_desktop.services.batch import name_of
from gpn_desktop.services.ledger import Ledger, exact_eth
from gpn_desktop.services.views import Phase
from tests.services.test_settling import settled_everywhere
from tests.services.world import WINDOW, Member, until, world


def save(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")


async def sum_of(member: Member, state: State) -> int:
    lines = await member.node.ledger.page(Query(state=state), 0, 100)
    return sum(line.row.share for line in lines)


async def test_lines_add_up_to_what_the_chain_says_at_every_step() -> None:
    async with world(3) as net:
        orders = [await net.order(f"ref {n}") for n in range(3)]
        for order in orders:
            await net.send(order)
            await settled_everywhere(net, order)
        for member in net.members:
            assert await sum_of(member, State.WINDOW) == member.node.view().earnings.in_window > 0
        await net.advance(WINDOW + 1)
        for member in net.members:
            for order in orders:
                await member.reach(order, Phase.PAID)
            earned = member.node.view().earnings.claimable
            assert await sum_of(member, State.READY) == earned > 0
            assert await sum_of(member, State.WINDOW) == 0
        member = net.members[0]
        sent = await member.node.withdraw()
        await until(lambda: member.node.view().earnings.withdrawn == sent)
        assert to_wei(await sum_of(member, State.WITHDRAWN)) == sent  # type: ignore[arg-type]
        net.ledger.reorganise(1)
        await until(lambda: member.node.view().earnings.claimable == 0)
        await member.restart()
        assert to_wei(await sum_of(member, State.WITHDRAWN)) == sent  # type: ignore[arg-type]


async def test_the_export_holds_every_line_and_amounts_in_full(tmp_path: Path) -> None:
    async with world(3) as net:
        order = await net.order()
        await net.send(order)
        await settled_everywhere(net, order)
        member = next(m for m in net.members if m.sent("settle:"))
        path, told = tmp_path / "earned.csv", list[int]()
        assert await member.node.ledger.export(path, 0, None, save, told.append) == 1
        (row,) = csv.DictReader(path.read_text().splitlines())
        (line,) = await member.node.ledger.page(Query(), 0, 9)
        assert row["gross_gwei"] == str(line.row.share)
        assert row["gross_eth"] == exact_eth(to_wei(line.row.share))
        assert row["settled"].endswith("+00:00")
        fee = await member.node.ctx.store.tx_by_intent(member.sent("settle:")[0])
        assert fee is not None
        assert line.fees == fee.fee
        assert told == [1]

        def full(path: Path, text: str) -> None:
            raise OSError(28, "No space left on device")

        with pytest.raises(FileNotWritten, match="No space left"):
            await member.node.ledger.export(path, 0, None, full, told.append)


async def test_a_loss_stays_a_number_in_the_export(tmp_path: Path) -> None:
    store = MemoryStore()
    await store.open()
    key, request_id = keccak(b"key"), keccak(b"request")
    consumer = Address(bytes(20))
    await store.put_ledger(
        [LedgerRow(request_id, key, 9, 0, 1, 1_000, 1, consumer, Gwei(5), Gwei(0), Gwei(2))]
    )
    spent = TxRecord(f"extend:{name_of(key, 9)}:0", 0, keccak(b"tx"), b"", TxState.MINED, fee=2 * 10**9 + 1)
    await store.put_tx(spent)
    path = tmp_path / "loss.csv"
    await Ledger(store, SystemClock()).export(path, 0, None, save, lambda count: None)
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert (row["net_wei"], row["net_eth"]) == ("-1", "-0.000000000000000001")
    assert (row["role"], row["state"]) == ("verified", "window")
    assert await Ledger(store, SystemClock()).export(path, 0, 1_000, save, lambda count: None) == 0


def test_amounts_are_written_in_full() -> None:
    assert exact_eth(to_wei(1)) == "0.000000001000000000"  # type: ignore[arg-type]
    assert exact_eth(-1) == "-0.000000000000000001"  # type: ignore[arg-type]
    assert exact_eth(2 * 10**18 + 5) == "2.000000000000000005"  # type: ignore[arg-type]
