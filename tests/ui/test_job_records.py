"""What stands beside a request: its transactions, its containers' log, giving it up, and the export."""

from __future__ import annotations

import csv
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from gpn_desktop.adapters.files import replace_file
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.chain import TxRecord, TxState
from gpn_desktop.services.desk import Desk
from gpn_desktop.ui.pages.jobs import JobsPage
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.window import MainWindow
from tests.ui.conftest import Attach, until
from tests.ui.fake import FakeFacade, demo_view, hash32, history_row


def click(widget: QPushButton) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


def jobs(window: MainWindow) -> JobsPage:
    window.go("jobs")
    page = window.pages["jobs"]
    assert isinstance(page, JobsPage)
    return page


async def test_a_requests_transactions_and_log_are_beside_it_as_plain_text(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    chosen = facade.now.jobs[5].request_id
    sent = TxRecord("settle:77", 3, hash32("tx"), b"", TxState.MINED)
    failed = TxRecord("extend:77:0", 4, Hash32(bytes(32)), b"", TxState.REVERTED, error="AlreadyCounted")
    facade.sent[chosen] = [sent, failed]
    facade.written[chosen] = {"prove": "<b>witness</b> 3\n", "validate": "ok"}
    page = jobs(attach(facade))
    page.table.choose(chosen)

    await until(lambda: len(page.detail.transactions.facts) == 2)
    first, second = page.detail.transactions.facts
    assert (first.text, first.copy) == ("Settle: Mined", "0x" + hash32("tx").hex())
    assert (second.text, second.value, "AlreadyCounted" in second.tip) == (
        "Extend: Failed",
        "not signed yet",
        True,
    )
    assert page.detail.log.toPlainText() == "[prove]\n<b>witness</b> 3\n[validate]\nok"

    page.table.choose(facade.now.jobs[6].request_id)
    await until(lambda: "no transaction" in page.detail.no_transactions.text())
    assert not page.detail.log.isVisible()


async def test_only_a_turn_at_work_can_be_given_up_and_it_is_asked_first(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    page = jobs(attach(facade))
    page.table.choose(facade.now.jobs[4].request_id)
    assert not page.detail.give_up.isVisible()
    page.table.choose(facade.now.jobs[0].request_id)
    assert page.detail.give_up.isVisible()
    click(page.detail.give_up)
    assert facade.given_up == []
    click(page.sheet.confirm)
    await until(lambda: facade.given_up == [facade.now.jobs[0].request_id])


async def test_a_phase_is_a_word_of_the_search(attach: Attach) -> None:
    page = jobs(attach(FakeFacade(demo_view())))
    page.search.setText("0x paid")
    page._narrow("expired")
    assert page.search.text() == "0x expired"
    assert page.phases.currentText() == "Expired"
    page._narrow("")
    assert page.search.text() == "0x"
    assert page.phases.currentText() == "All phases"


async def test_the_history_is_exported_whole_and_no_cell_is_a_formula(theme: Theme, tmp_path: Path) -> None:
    rows = [history_row(number, 1_790_000_000_000) for number in range(1203)]
    rows[7] = type(rows[7])(**{f: getattr(rows[7], f) for f in rows[7].__slots__} | {"ref": "=cmd()"})
    facade = FakeFacade(demo_view(), rows)
    window = MainWindow(theme, "GPN Desktop", desk=Desk(save=replace_file))
    window.show()
    window.attach(facade)
    page = jobs(window)
    click(page.export)
    page.saving.path.setText(str(tmp_path / "out" / "jobs.csv"))
    click(page.saving.save)
    await until(lambda: "written" in page.saving.state.text())

    with (tmp_path / "out" / "jobs.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert len(read) == 1203
    assert {row["ref"] for row in read} >= {"'=cmd()", "old-0", "old-1202"}
    assert read[0]["reward_gwei"] == "2100000"

    click(page.saving.cancel)
    click(page.export)
    page.saving.path.setText(str(tmp_path / "out" / "jobs.csv" / "below-a-file"))
    click(page.saving.save)
    await until(lambda: "GPN-2087" in page.saving.state.text())
    await window.tasks.aclose()
    window.finish()
