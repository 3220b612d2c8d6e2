"""Cyclic garbage is collected on the GUI thread, and on no other.

Python runs its collector on whichever thread allocates next. If that is the network's, it destroys widgets'
wrappers that had become garbage away from Qt's thread, which ends the process with a segmentation fault.
"""

from __future__ import annotations

import gc
from typing import Final

from PySide6.QtCore import QObject, QTimer

EVERY_MS: Final = 1000


class MainThreadCollector(QObject):
    """Takes over collecting for as long as it lives; its owner calls ``stop`` at the end."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._enabled = gc.isenabled()
        gc.disable()
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.collect)
        self._timer.start()

    def collect(self) -> None:
        """The generations that are due by Python's own thresholds; the young one always."""
        counts, limits = gc.get_count(), gc.get_threshold()
        if counts[2] > limits[2]:
            gc.collect(2)
        elif counts[1] > limits[1]:
            gc.collect(1)
        else:
            gc.collect(0)

    def stop(self) -> None:
        self._timer.stop()
        if self._enabled:
            gc.enable()
