"""Logs & health: findings with what to do, a log that never holds the window up, a bundle to be seen."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton

from gpn_desktop.adapters.system.bundles import FileBundles
from gpn_desktop.adapters.system.logbook import RingLogBook
from gpn_desktop.core.health import Finding, Level
from gpn_desktop.services.desk import Desk
from gpn_desktop.services.diagnostics import Diagnostics
from gpn_desktop.services.facade import Facade
from gpn_desktop.services.health import Check, Health
from gpn_desktop.ui.pages.health import HealthPage
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.window import MainWindow
from tests.ui.conftest import until
from tests.unit.core.test_redaction import KEY

MARKUP = '<b>bold</b><img src="x">'


class Doctor:
    """A disk that is full until somebody makes room."""

    def __init__(self) -> None:
        self.asked = 0
        self.free = 1

    async def disk(self, _: Facade | None) -> Finding:
        self.asked += 1
        level = Level.BAD if self.free < 5 else Level.GOOD
        return Finding(
            "disk", "Disk", level, f"{self.free} GB free {MARKUP}", "Pulls fail.", "Make room.", "df -h"
        )

    async def clock(self, _: Facade | None) -> Finding:
        return Finding("clock", "Clock", Level.GOOD, "right", "Turns are taken in time.")


@pytest.fixture
def doctor() -> Doctor:
    return Doctor()


@pytest.fixture
def log() -> logging.Logger:
    return logging.Logger("gpn.test", logging.DEBUG)


Open = Callable[[], HealthPage]


@pytest_asyncio.fixture
async def opened(theme: Theme, doctor: Doctor, log: logging.Logger) -> AsyncIterator[Open]:
    """Opens the page; in the test itself, since checks begin with it and need its loop."""
    book = RingLogBook()
    log.addHandler(book)
    health = Health([Check("disk", "Disk", doctor.disk), Check("clock", "Clock", doctor.clock)])
    diagnostics = Diagnostics(health, book, FileBundles(), lambda: {"api": f"wss://x.example/v3/{KEY}"})
    window = MainWindow(theme, "GPN", desk=Desk(health=health, logs=book, diagnostics=diagnostics))

    def open_page() -> HealthPage:
        window.show()
        window.go("health")
        made = window.pages["health"]
        assert isinstance(made, HealthPage)
        return made

    yield open_page
    await window.tasks.aclose()
    window.finish()


def click(widget: QAbstractButton) -> None:
    assert widget.isVisible()
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


async def settled(page: HealthPage) -> None:
    await until(lambda: page._health is not None and not page._health.running and bool(page._health.findings))


async def test_what_is_bad_stands_first_with_what_to_do_and_goes_when_it_is_done(
    opened: Open, doctor: Doctor
) -> None:
    page = opened()
    await settled(page)
    assert page.findings is not None
    row = page.findings.rows["disk"]
    assert page.findings._order[0] == "disk"
    await until(row.details.isVisible)
    assert row.remedy.text() == "To do: Make room."
    assert row.command.text() == "df -h"
    assert MARKUP in row.full.text()
    assert row.full.textFormat() is Qt.TextFormat.PlainText
    assert "1 thing holds this machine back" in page.subtitle.text()
    doctor.free = 50
    click(row.again)
    await until(lambda: "50 GB" in row.full.text())
    await settled(page)
    assert "Nothing holds this machine back" in page.subtitle.text()
    assert doctor.asked == 2


async def test_the_log_is_followed_filtered_and_searched(opened: Open, log: logging.Logger) -> None:
    page = opened()
    card = page.log
    assert card is not None
    for number in range(3000):
        log.log(logging.WARNING if number % 100 == 0 else logging.INFO, "line %d %s", number, MARKUP)
    await until(lambda: len(card.model.rows) == 3000)
    assert card.table.verticalScrollBar().value() == card.table.verticalScrollBar().maximum()
    card.level.setCurrentIndex(2)
    card.level.activated.emit(2)
    await until(lambda: len(card.model.rows) == 30)
    card.search.setText("line 2900")
    await until(lambda: len(card.model.rows) == 1)
    card.table.selectRow(0)
    assert card.whole.toPlainText().endswith(MARKUP)
    card.search.setText("there is no such line")
    await until(lambda: card.list.is_empty)


async def test_a_flood_of_lines_leaves_the_window_alive(opened: Open, log: logging.Logger) -> None:
    page = opened()
    card = page.log
    assert card is not None
    for number in range(120_000):
        log.debug("%d", number)
    log.error("the last one")
    await until(lambda: bool(card.model.rows) and card.model.rows[-1].message == "the last one")
    assert len(card.model.rows) <= 50_000


async def test_the_bundle_is_seen_before_it_is_saved(opened: Open, tmp_path: Path) -> None:
    page = opened()
    await settled(page)
    click(page.collect)
    sheet = page.bundle
    assert sheet is not None
    await until(lambda: sheet.bundle is not None)
    assert sheet.bundle is not None
    shown = "".join(file.text for file in sheet.bundle.files)
    assert KEY not in shown
    assert sheet.bundle.redactions >= 1
    assert not page.split.isVisible()
    click(sheet.save)
    page.save.path.setText(str(tmp_path / "out.zip"))
    click(page.save.save)
    await until(lambda: (tmp_path / "out.zip").exists())
    assert KEY.encode() not in (tmp_path / "out.zip").read_bytes()
