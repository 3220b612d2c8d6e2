"""The report of how long the window took to appear."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QWidget

from gpn_desktop.ui import startup


def test_a_process_grows_older_by_the_clock() -> None:
    first, since = startup.process_seconds(), time.monotonic()
    while time.monotonic() - since < 0.05:
        pass
    grown = startup.process_seconds() - first
    assert first > 0
    # /proc counts in hundredths, but only the start; the difference is the clock's own.
    assert 0.05 <= grown < 1


def test_systems_without_proc_say_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = startup.process_seconds()
    monkeypatch.setattr(startup, "PROC", tmp_path / "none")
    # There the start of the machine is known to the second.
    assert startup.process_seconds() == pytest.approx(known, abs=1.5)


async def test_the_first_paint_is_told_once(qapp: QApplication, capsys: pytest.CaptureFixture[str]) -> None:
    window = QWidget()
    told: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    startup.FirstPaint(window, told.set_result)  # a second call would raise
    startup.report(window, "first_paint_ms")
    assert not told.done()
    window.show()
    took = await asyncio.wait_for(told, 5)
    window.repaint()
    qapp.processEvents()
    assert 0 < took <= startup.process_seconds() * 1000 + 1  # it is told in whole milliseconds
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["first_paint_ms"] > 0
    window.close()
