"""SIGINT and SIGTERM reach the window's loop as the wish to close, the same way as its close button.

Python runs signal handlers between bytecodes only, and an idle Qt loop runs none; so the signal's byte wakes
a socket that Qt watches. Works on Windows too, where asyncio has no signal handlers.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from types import FrameType

from PySide6.QtCore import QObject, QSocketNotifier

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class QuitSignals(QObject):
    def __init__(self, asked: Callable[[], object]) -> None:
        super().__init__()
        self._asked = asked
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._notifier = QSocketNotifier(self._read.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._woken)
        self._old_fd = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, _seen) for number in SIGNALS}

    def close(self) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_fd)
        self._notifier.setEnabled(False)
        self._read.close()
        self._write.close()

    def _woken(self) -> None:
        if any(number in SIGNALS for number in self._read.recv(64)):
            self._asked()


def _seen(number: int, frame: FrameType | None) -> None:
    """Python needs a handler to write the wake-up byte; the work is done in the loop."""
