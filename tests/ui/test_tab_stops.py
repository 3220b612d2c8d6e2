"""Every control of every page can be reached by the Tab key alone, and says its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QListWidget,
    QPlainTextEdit,
    QTableView,
    QWidget,
)

from gpn_desktop.core.errors import NotSetUp
from gpn_desktop.ui.pagelist import PAGES
from gpn_desktop.ui.sidebar import NavButton
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.window import MainWindow
from tests.ui.conftest import Attach, until
from tests.ui.fake import FakeFacade, demo_view, empty_view
from tests.ui.fake_desk import joining_desk

KINDS: tuple[type[QWidget], ...] = (
    QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QListWidget, QPlainTextEdit, QTableView,
)  # fmt: skip


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


def check(window: MainWindow, where: str) -> None:
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
