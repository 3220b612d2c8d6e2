"""Widgets on an offscreen platform; async tests run on the loop that the product uses."""

from __future__ import annotations

import asyncio
import gc
import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyside6")

from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pytest
import pytest_asyncio
import qasync
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from gpn_desktop.ui.theme import DARK, Theme
from gpn_desktop.ui.window import MainWindow
from tests.ui.fake import FakeFacade

Attach = Callable[[FakeFacade], MainWindow]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], qasync.QEventLoop]]:
    app = QApplication.instance() or QApplication(["gpn-desktop"])
    return {"qt": lambda: qasync.QEventLoop(app)}


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until it is so."""
    for _ in range(2_000):
        if true():
            return
        await asyncio.sleep(0.005)
    pytest.fail("waited in vain for 10 s")


@pytest.fixture(autouse=True)
def collect_here() -> Iterator[None]:
    """As in the product (see ui.collector): no other thread may find a widget among its garbage."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture(scope="session")
def theme(qapp: QApplication) -> Theme:
    """One for all: styling the application takes longer than most tests."""
    return Theme(qapp, DARK)


@pytest_asyncio.fixture
async def attach(theme: Theme) -> AsyncIterator[Attach]:
    """Opens windows on facades, and closes them after the test."""
    windows = []

    def open_window(facade: FakeFacade) -> MainWindow:
        window = MainWindow(theme, "GPN Desktop")
        windows.append(window)
        window.show()
        window.activateWindow()
        window.attach(facade)
        return window

    yield open_window
    for window in windows:
        await window.tasks.aclose()
        window.finish()
        window.deleteLater()
    # Left-over windows would be restyled with every later theme.
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
