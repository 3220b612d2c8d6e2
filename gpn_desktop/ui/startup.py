"""How long the window took to appear, for ``--startup-report``: from the process's start to its first paint.

What counts is what a person waits for, so the clock starts with the process, before any of our code ran.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QWidget

PROC: Final = Path("/proc/self/stat")
# Of /proc/self/stat behind the command's closing bracket: the start in clock ticks since the machine's.
_START: Final = 19


def process_seconds() -> float:
    """The age of this process."""
    try:
        fields = PROC.read_text().rpartition(")")[2].split()
    except OSError:
        return _asked_of_system()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[_START]) / os.sysconf("SC_CLK_TCK")


def _asked_of_system() -> float:
    # Not on Linux: there it counts from the machine's start in whole seconds.
    import psutil  # type: ignore[import-untyped]

    return time.time() - float(psutil.Process().create_time())


class FirstPaint(QObject):
    """Calls ``painted`` with the process's age in milliseconds, once, when the window is painted."""

    def __init__(self, window: QWidget, painted: Callable[[int], object]) -> None:
        super().__init__(window)
        self._window = window
        self._painted = painted
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  # Qt's name
        if event.type() == QEvent.Type.Paint:
            self._window.removeEventFilter(self)
            # Paint events are answered from one flush of the whole window; the loop's next turn is after it.
            QTimer.singleShot(0, self._tell)
        return False

    def _tell(self) -> None:
        self._painted(round(process_seconds() * 1000))
        self.deleteLater()


def report(window: QWidget, name: str) -> None:
    """Print one line of JSON on stdout, with the milliseconds under this name, when ``window`` is painted."""
    FirstPaint(window, lambda took: print(json.dumps({name: took}), flush=True))
