"""The log as a table: follows the book at most ten times a second, and never works for longer than a frame.

However many lines come, only those that the book keeps are shown; what was dropped there goes here too. All
texts are painted as they are: a line with markup in it is a line with markup in it.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections.abc import Callable
from html import escape

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from gpn_desktop.ports.health import LogBook, LogLine
from gpn_desktop.ui import text
from gpn_desktop.ui.models.phases import Look
from gpn_desktop.ui.models.table import Cell, Column, TableModel
from gpn_desktop.ui.text import tr

FRAME_MS = 100
# Of catching up, as after a change of the filter: the rest of the frame is for painting.
BUDGET = 0.006
CATCH_UP_MS = 8
PAGE = 500
LONGEST = 400


def level_look(level: int) -> Look:
    """Icon, word and colour of a level."""
    if level >= logging.ERROR:
        return Look(tr("Error"), "bad", "cross")
    if level >= logging.WARNING:
        return Look(tr("Warning"), "warn", "warn")
    if level >= logging.INFO:
        return Look(tr("Info"), "text", "info")
    return Look(tr("Debug"), "muted", "dash")


def log_columns() -> tuple[Column[LogLine], ...]:
    return (
        Column(tr("Time"), lambda line: Cell(text.clock(line.time_ms, precise=True), "muted"), 118),
        Column(tr("Level"), _level, 104),
        Column(tr("From"), lambda line: Cell(line.logger, "muted", tip=plain_tip(line.logger)), 132),
        Column(tr("Message"), _message),
    )


def _level(line: LogLine) -> Cell:
    look = level_look(line.level)
    return Cell(look.word, look.tone, look.icon)


def _message(line: LogLine) -> Cell:
    first, _, more = line.message[: LONGEST + 1].partition("\n")
    shown = first[:LONGEST] + (" …" if more or len(first) > LONGEST else "")
    return Cell(shown, tip=plain_tip(line.message[:LONGEST]))


def plain_tip(words: str) -> str:
    """A tool tip that shows the words as they are; Qt would take some of them for markup."""
    return f"<qt>{escape(words)}</qt>"


class LogModel(TableModel[LogLine]):
    """``counted`` tells that lines came or went. Follows the book between ``start`` and ``stop``."""

    counted = Signal()
    _arrived = Signal()

    def __init__(self, book: LogBook, parent: QObject | None = None) -> None:
        super().__init__(log_columns(), lambda line: line.number, parent)
        self._book = book
        self._next = 0
        self._level = 0
        self._words: tuple[str, ...] = ()
        self._undo: Callable[[], None] | None = None
        self._told = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._flush)
        # Lines are logged on any thread; this one is the window's.
        self._arrived.connect(self._wait, Qt.ConnectionType.QueuedConnection)

    @property
    def filtered(self) -> bool:
        return bool(self._words) or self._level > 0

    def start(self) -> None:
        if self._undo is None:
            self._undo = self._book.subscribe(self._line_came)
            self._flush()

    def stop(self) -> None:
        """Nobody looks; what comes until ``start`` is taken up then."""
        if self._undo is not None:
            self._undo()
            self._undo = None
        self._timer.stop()

    def set_filter(self, level: int, words: str) -> None:
        """Lines of at least this level that have all of the words, in message or logger."""
        wanted = (level, tuple(words.lower().split()))
        if wanted == (self._level, self._words):
            return
        self._level, self._words = wanted
        if self.rows:
            self.remove(0, len(self.rows) - 1)
        self._next = self._book.first
        self._flush()

    def matching(self) -> list[LogLine]:
        """All lines that are shown."""
        return list(self.rows)

    def _line_came(self) -> None:
        if not self._told:
            self._told = True
            self._arrived.emit()

    def _wait(self) -> None:
        if self._undo is not None and not self._timer.isActive():
            self._timer.start(FRAME_MS)

    def _flush(self) -> None:
        self._told = False
        end = time.perf_counter() + BUDGET
        self._drop_old()
        caught_up = False
        while not caught_up and time.perf_counter() < end:
            caught_up = self._take()
        if not caught_up:
            self._timer.start(CATCH_UP_MS)
        self.counted.emit()

    def _take(self) -> bool:
        """One page of the book; whether it was the last."""
        lines = self._book.since(self._next, PAGE)
        if not lines:
            return True
        self._next = lines[-1].number + 1
        shown = [line for line in lines if self._shows(line)]
        if shown:
            self.insert(len(self.rows), shown)
        return len(lines) < PAGE

    def _drop_old(self) -> None:
        first = self._book.first
        if self.rows and self.rows[0].number < first:
            gone = bisect_left(self.rows, first, key=lambda line: line.number)
            self.remove(0, gone - 1)

    def _shows(self, line: LogLine) -> bool:
        if line.level < self._level:
            return False
        if not self._words:
            return True
        whole = f"{line.logger} {line.message}".lower()
        return all(word in whole for word in self._words)
