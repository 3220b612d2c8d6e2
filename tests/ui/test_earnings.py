"""The Earnings page: what the ledger holds, filtered, sorted, summed and exported."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import cast

from gpn_desktop.adapters.fiat import OwnRates
from gpn_desktop.adapters.system.preferences import MemoryDocument
from gpn_desktop.core.errors import RateWrong, StoreClosed
from gpn_desktop.core.ledger import Part, Query, State, total
from gpn_desktop.core.types import Gwei, hex0x
from gpn_desktop.ports.chain import TxRecord, TxState
from gpn_desktop.services.desk import Desk
from gpn_desktop.services.facade import Facade
from gpn_desktop.services.fiat import Fiat
from gpn_desktop.ui.models.earnings import bins
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.pages.earnings import EarningsPage
from gpn_desktop.ui.pages.earnings_chart import ChartCard
from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.theme import Theme
from tests.ui.conftest import until
from tests.ui.fake import CONSUMERS, FakeFacade, demo_view, empty_view, hash32


def save(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")


def open_page(theme: Theme, facade: FakeFacade) -> EarningsPage:
    tasks = Tasks(lambda error: None)
    context = PageContext(cast(Facade, facade), tasks, theme, lambda page: None, desk=Desk(save=save))
    page = EarningsPage(context)
    page.resize(1040, 760)
    page.show()
    page.refresh(facade.view())
    return page


def pick(page: EarningsPage | ChartCard, choice: str, value: str) -> None:
    box = getattr(page, choice)
    at = box.findData(value)
    assert at >= 0
    box.setCurrentIndex(at)
    box.activated.emit(at)


async def test_lines_sums_and_choices_come_from_the_ledger(theme: Theme) -> None:
    page = open_page(theme, FakeFacade(demo_view()))
    await until(lambda: len(page.model.rows) == 60 and page.count.text() == "60 rewards")
    times = [line.row.settled_ms for line in page.model.rows]
    assert times == sorted(times, reverse=True)
    assert page.chart.heading.text().endswith("ETH from 10 requests")
    assert sum(bar.value for bar in page.chart.chart.bars) == 3 * 1_470_000 + 7 * 157_500
    assert len(page.chart.facts.facts) == 3
    pick(page.chart, "side", "role")
    assert [fact.text for fact in page.chart.facts.facts] == ["Prover", "Verifier"]
    page.deleteLater()


async def test_filters_and_orders_are_the_stores_work(theme: Theme) -> None:
    page = open_page(theme, FakeFacade(demo_view()))
    await until(lambda: page.consumer.count() == 4)
    pick(page, "role", "proved")
    await until(lambda: page.count.text() == "15 rewards")
    assert all(line.row.part is Part.PROVED for line in page.model.rows)
    pick(page, "consumer", hex0x(CONSUMERS[1]))
    pick(page, "state", "ready")
    await until(lambda: page.count.text() == "2 rewards")
    assert {line.row.state for line in page.model.rows} == {State.READY}
    pick(page, "state", "window")
    await until(lambda: page.count.text() == "1 reward")
    pick(page, "role", "")
    pick(page, "consumer", "")
    pick(page, "state", "")
    pick(page, "sort", "largest")
    await until(lambda: len(page.model.rows) == 60)
    shares = [line.row.share for line in page.model.rows]
    assert shares == sorted(shares, reverse=True)
    page.deleteLater()


async def test_choices_that_leave_nothing_say_so(theme: Theme) -> None:
    page = open_page(theme, FakeFacade(empty_view()))
    await until(lambda: page.model.complete)
    assert page.list.empty.title() == "No rewards yet"
    pick(page, "state", "ready")
    await until(lambda: page.list.empty.title() == "No reward matches")
    page.deleteLater()


async def test_an_unreadable_ledger_is_told_and_read_again(theme: Theme) -> None:
    facade = FakeFacade(demo_view())
    store = facade.ledger.store
    await store.aclose()
    page = open_page(theme, facade)
    await until(lambda: page.list.empty.title() == "The rewards can’t be read")
    assert StoreClosed.code in page.list.empty.accessibleName()
    await store.open()
    facade.change(earnings=replace(facade.now.earnings, claimable=Gwei(5)))
    page.refresh(facade.view())
    await until(lambda: len(page.model.rows) == 60)
    page.deleteLater()


async def test_the_export_is_written_and_told(theme: Theme, tmp_path: Path) -> None:
    page = open_page(theme, FakeFacade(demo_view()))
    page.export.click()
    assert not page.withdraw.isVisible()  # the sheet has the filled button
    page.saving.path.setText(str(tmp_path / "rewards.csv"))
    page.saving.save.click()
    await until(lambda: page.saving.state.text().startswith("60 rewards written"))
    rows = list(csv.DictReader((tmp_path / "rewards.csv").read_text().splitlines()))
    lines = await FakeFacade(demo_view()).ledger.page(Query(), 0, 100)
    assert sum(int(row["gross_gwei"]) for row in rows) == sum(line.row.share for line in lines)
    page.saving.cancel.click()
    assert page.withdraw.isVisible()
    page.deleteLater()


def test_bins_are_whole_hours_and_days_of_the_operators_zone() -> None:
    now = datetime(2026, 11, 23, 17, 42, 5).astimezone()
    hours, days = bins(True, now), bins(False, now)
    assert (len(hours), len(days)) == (24, 30)
    assert {b - a for a, b in pairwise(hours)} == {3_600_000}
    assert hours == sorted(hours)
    assert days == sorted(set(days))
    assert datetime.fromtimestamp(days[-1] / 1000).astimezone() == now.replace(hour=0, minute=0, second=0)
    assert total([], days).share == 0


async def test_amounts_in_the_operators_currency(theme: Theme) -> None:
    facade = FakeFacade(demo_view())
    facade.ledger.fiat = Fiat(MemoryDocument(), OwnRates())
    page = open_page(theme, facade)
    await until(lambda: not page.currency.isHidden())
    assert "≈" not in page.ready.note.text()
    page.currency.click()
    page.form.input("price").setText("a lot")
    page.form.confirm.click()
    await until(lambda: RateWrong.code in page.form.answer.text())
    page.form.input("price").setText("2000")
    page.form.confirm.click()
    await until(lambda: page.form.state.text() == "Amounts are shown in EUR too.")
    assert page.ready.note.text().startswith("≈ 386.00 EUR")
    page.deleteLater()


async def test_a_withdrawal_from_before_a_restart_is_shown_until_it_is_mined(theme: Theme) -> None:
    facade = FakeFacade(demo_view())
    sent = TxRecord("withdraw:0", 3, hash32("tx"), b"raw", TxState.SENT)
    await facade.ledger.store.put_tx(sent)
    page = open_page(theme, facade)
    await until(lambda: not page.pending.isHidden())
    assert page.pending.text() == "A withdrawal is on its way: Sent"
    await facade.ledger.store.put_tx(replace(sent, state=TxState.MINED))
    page.refresh(replace(facade.view(), earnings=replace(facade.now.earnings, claimable=Gwei(0))))
    await until(page.pending.isHidden)
    page.deleteLater()


async def test_the_sheet_says_where_to_and_what_it_costs(theme: Theme) -> None:
    facade = FakeFacade(demo_view())
    page = open_page(theme, facade)
    page.withdraw.click()
    await until(lambda: len(page.sheet.facts.facts) == 4)
    found = {fact.text: fact.value for fact in page.sheet.facts.facts}
    assert found["To"] == hex0x(facade.now.payout or b"")
    assert found["Network"] == "Demo network"
    assert found["Net"] == "0.1930 ETH"  # without a chain there is no fee
    page.deleteLater()
