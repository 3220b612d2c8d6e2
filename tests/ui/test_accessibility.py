"""Every control of every page has a name, a tab stop, and text that can be read, in both themes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QListWidget,
    QPlainTextEdit,
    QTableView,
    QWidget,
)

from gpn_desktop.core.errors import NotSetUp
from gpn_desktop.core.types import Wei
from gpn_desktop.services.account import Funds
from gpn_desktop.services.desk import Desk
from gpn_desktop.ui.pagelist import PAGES
from gpn_desktop.ui.pages.wallet import WalletPage
from gpn_desktop.ui.sidebar import NavButton
from gpn_desktop.ui.theme import DARK, LIGHT, Theme, Tokens
from gpn_desktop.ui.window import MainWindow
from tests.ui.conftest import Attach, until
from tests.ui.fake import FakeFacade, demo_view, empty_view
from tests.ui.fake_desk import joining_desk
from tests.ui.painted import picture, strongest
from tests.ui.test_wallet import FakeAccount
from tests.unit.services.test_wallet import SECRET, Backend, wallet_in

KINDS: tuple[type[QWidget], ...] = (
    QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QListWidget, QPlainTextEdit, QTableView,
)  # fmt: skip


CONTRAST = 4.5


@pytest.fixture(params=[DARK, LIGHT], ids=["dark", "light"], autouse=True)
def tokens(request: pytest.FixtureRequest, theme: Theme) -> Iterator[Tokens]:
    """Every test in both themes."""
    theme.use(request.param)
    yield request.param
    theme.use(DARK)


def controls(window: MainWindow) -> list[QWidget]:
    """What a person could use now. The sidebar's pages are one stop, with arrows between them."""
    found = [widget for kind in KINDS for widget in window.findChildren(kind)]
    return [
        widget
        for widget in found
        if widget.isVisible()
        and widget.isEnabled()
        and not isinstance(widget, NavButton)
        and not _part_of_another(widget)
    ]


def _part_of_another(widget: QWidget) -> bool:
    """A table's corner, a spin box's line, the button that empties a search: used through their owner."""
    parent = widget.parentWidget()
    owners = QTableView | QComboBox | QAbstractSpinBox | QLineEdit
    return isinstance(parent, owners) or isinstance(parent and parent.parentWidget(), QComboBox)


def stops(window: MainWindow) -> set[QWidget]:
    """All that Tab comes past, once around the window."""
    seen: set[QWidget] = set()
    widget = window.nextInFocusChain()
    while widget is not window:
        if widget.focusPolicy().value & Qt.FocusPolicy.TabFocus.value:
            seen.add(widget)
        widget = widget.nextInFocusChain()
    return seen


def words(widget: QWidget) -> str:
    """What is written on a widget by itself; tables paint their cells, which are looked at one by one."""
    match widget:
        case QLabel():
            return "" if widget.pixmap() else widget.text()
        case QLineEdit():
            return widget.text() or widget.placeholderText()
        case QComboBox():
            return widget.currentText()
        case QAbstractButton():
            return widget.text()
        case QAbstractSpinBox() | QPlainTextEdit():
            return "text"
    return ""


def written(window: MainWindow) -> Iterator[tuple[str, QRect]]:
    """Each piece of text on the screen, and where it is in the window; not what is disabled."""
    for widget in window.findChildren(QWidget):
        if not widget.isVisible() or not widget.isEnabled() or widget.visibleRegion().isEmpty():
            continue
        if isinstance(widget, QTableView):
            yield from _cells(window, widget)
        elif words(widget).strip():
            box = widget.visibleRegion().boundingRect()
            yield words(widget), box.translated(widget.mapTo(window, QPoint()))


def _cells(window: MainWindow, table: QTableView) -> Iterator[tuple[str, QRect]]:
    model, room = table.model(), table.viewport()
    for row, column in product(range(model.rowCount()), range(model.columnCount())):
        index = model.index(row, column)
        box = table.visualRect(index) & room.visibleRegion().boundingRect()
        if box.height() < table.visualRect(index).height():
            break
        if index.data():
            yield str(index.data()), box.translated(room.mapTo(window, QPoint()))


def check_contrast(window: MainWindow, where: str) -> None:
    image = picture(window)
    faint = [
        f"{text[:40]!r} {found:.2f}"
        for text, box in written(window)
        if (found := strongest(image, box)) < CONTRAST
    ]
    assert faint == [], where


def check(window: MainWindow, where: str) -> None:
    check_contrast(window, where)
    there, reached = controls(window), stops(window)
    assert there, where
    unreachable = [f"{type(w).__name__} {w.accessibleName()!r}" for w in there if w not in reached]
    assert unreachable == [], where
    nameless = [
        f"{type(w).__name__} in {type(w.parentWidget()).__name__}" for w in there if not w.accessibleName()
    ]
    assert nameless == [], where


@pytest.mark.parametrize("busy", [True, False], ids=["busy", "empty"])
async def test_every_page(attach: Attach, busy: bool) -> None:
    window = attach(FakeFacade(demo_view() if busy else empty_view()))
    await until(window.isActiveWindow)
    for spec in PAGES:
        if spec.of_story or spec.key == "settings":
            continue
        window.go(spec.key)
        QApplication.sendPostedEvents()
        check(window, spec.key)


async def test_the_way_to_a_network_and_the_settings(theme: Theme, tmp_path: Path) -> None:
    window = MainWindow(theme, "GPN", desk=joining_desk(tmp_path))
    window.show()
    window.start_page.show_failure(NotSetUp("No network is named."))
    join = window.start_page.join
    assert join is not None
    await until(lambda: join.way is not None)
    check(window, "start")
    join._act("network")
    check(window, "the network's form")
    window.go("wallet")
    check(window, "wallet")
    window.go("settings")
    page = window.pages["settings"]
    await until(lambda: page.draft.view is not None)  # type: ignore[attr-defined]
    for key in ("general", "chain", "limits", "notifications", "data", "machines", "advanced"):
        page.open_part(key)
        QApplication.sendPostedEvents()
        check(window, f"settings, {key}")
    await window.tasks.aclose()
    window.finish()


async def test_what_opens_inside_of_a_page(attach: Attach) -> None:
    window = attach(FakeFacade(demo_view()))
    await until(window.isActiveWindow)
    window.go("earnings")
    page = window.pages["earnings"]
    page._ask()  # type: ignore[attr-defined]
    check(window, "withdrawing")
    window.go("jobs")
    jobs = window.pages["jobs"]
    jobs.table.selectRow(0)  # type: ignore[attr-defined]
    await until(lambda: window.pages["jobs"].detail.isVisible())  # type: ignore[attr-defined]
    check(window, "a job")
    window.go("votes")
    votes = window.pages["votes"]
    votes.table.selectRow(0)  # type: ignore[attr-defined]
    votes.evidence.click()  # type: ignore[attr-defined]
    await until(votes.sheet.isVisible)  # type: ignore[attr-defined]
    check(window, "the evidence of a vote")
    window.quit_sheet.ask(demo_view(), tray=True)
    check(window, "quitting with proofs running")


async def test_every_form_of_the_wallet(theme: Theme, tmp_path: Path) -> None:
    wallet = wallet_in(tmp_path, Backend())
    window = MainWindow(theme, "GPN", desk=Desk(wallet=wallet))
    window.show()
    window.go("wallet")
    page = window.pages["wallet"]
    assert isinstance(page, WalletPage)
    await until(lambda: page.main.isVisible() and page._looking is None)
    await page._create()
    check(window, "a new key")
    page.form.dismiss()
    await wallet.import_hex(SECRET)
    facade = FakeFacade(demo_view())
    facade.account = FakeAccount()
    window.attach(facade)
    window.go("wallet")
    page = window.pages["wallet"]
    assert isinstance(page, WalletPage)
    forms = page.forms
    for made in (forms.export, forms.test_file, forms.test_words, forms.import_words, forms.import_hex,
                 forms.import_keystore, forms.payout, forms.unlock):  # fmt: skip
        page._ask(made())
        QApplication.sendPostedEvents()
        check(window, made.__name__)
    page._ask(forms.send(Funds(Wei(2 * 10**18), Wei(10**15))))
    check(window, "send")
    await window.tasks.aclose()
    window.finish()
