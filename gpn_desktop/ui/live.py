"""From the node's many changes to few repaints: the latest snapshot, at most once a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QElapsedTimer, QObject, QTimer, Signal

if TYPE_CHECKING:
    # For the types only: they pull in the protocol's cryptography, 0.3 s before the first paint.
    from gpn_desktop.services.facade import Facade


FRAME_MS = 100


class LiveView(QObject):
    """Emits the node's view after changes: the first at once, the following ones every ``frame_ms``."""

    # object, not a Qt type: amounts pass as Python integers, which have no 32-bit edge.
    changed = Signal(object)

    def __init__(self, facade: Facade, frame_ms: int = FRAME_MS) -> None:
        super().__init__()
        self._facade = facade
        self._frame_ms = frame_ms
        self._since = QElapsedTimer()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.flush)
        self._undo = facade.subscribe(self._poke)

    def flush(self) -> None:
        """Emit the view now."""
        self._since.start()
        self.changed.emit(self._facade.view())

    def close(self) -> None:
        self._timer.stop()
        self._undo()

    def _poke(self) -> None:
        if self._timer.isActive():
            return
        waited = self._since.elapsed() if self._since.isValid() else self._frame_ms
        self._timer.start(max(0, self._frame_ms - waited))
