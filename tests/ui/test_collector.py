"""Cyclic garbage with widgets in it dies on the GUI thread, whoever allocates meanwhile."""

from __future__ import annotations

import gc
import threading
import weakref

from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from gpn_desktop.ui.collector import MainThreadCollector


class Knot:
    """Garbage that only the collector finds; tells on which thread it died."""

    def __init__(self, died_on: list[int]) -> None:
        self.me = self
        self.died_on = died_on
        self.thing = QObject()

    def __del__(self) -> None:
        self.died_on.append(threading.get_ident())


def allocate_much() -> None:
    for _ in range(20):
        keep = [[] for _ in range(10_000)]  # type: ignore[var-annotated]
        assert len(keep) == 10_000


def test_another_thread_never_collects(qtbot: QtBot) -> None:
    gc.collect()
    gc.enable()
    collector = MainThreadCollector()
    assert not gc.isenabled()
    died_on: list[int] = []
    knot = weakref.ref(Knot(died_on))
    busy = threading.Thread(target=allocate_much)
    busy.start()
    busy.join()
    assert knot() is not None
    collector.collect()
    assert knot() is None
    assert died_on == [threading.get_ident()]
    collector.stop()
    assert gc.isenabled()
    gc.disable()
