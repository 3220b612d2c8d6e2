"""Pause ▾: the ways to pause, and a line that says why the node pauses and when it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPoint
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QPushButton, QWidget

from gpn_desktop.core.pausing import Manner
from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import Icon, button, label, set_property
from gpn_desktop.ui.widgets.pause_words import gpu_lines, pause_line

if TYPE_CHECKING:
    from gpn_desktop.services.pausing import PauseView, Pausing

HOUR = 3600


class PauseButton(QPushButton):
    """Opens the menu; its word and icon tell whether the node pauses. Hidden until it is given a node.

    Args:
        go: opens a page; "settings:pausing" has the rules.
        above: whether the menu opens upwards, as from a strip at the window's foot.
    """

    def __init__(
        self, theme: Theme, tasks: Tasks, go: Callable[[str], None], kind: str = "", above: bool = False
    ) -> None:
        super().__init__()
        self._theme, self._tasks, self._above = theme, tasks, above
        self._pausing: Pausing | None = None
        self._running = 0
        self._paused: bool | None = None
        self.setFont(theme.fonts.medium)
        self.setAutoDefault(False)
        set_property(self, "kind", kind)
        self.menu_ = PauseMenu(self._act, lambda: go("settings:pausing"), self)
        self.clicked.connect(self.open_menu)
        theme.changed.connect(self._name)
        self.hide()

    def attach(self, pausing: Pausing) -> None:
        self._pausing = pausing
        self.refresh(0)
        self.show()

    def detach(self) -> None:
        self._pausing = None
        self.hide()

    def refresh(self, running: int) -> None:
        """``running`` proofs are at work: what pausing at once would lose."""
        if self._pausing is None:
            return
        self._running = running
        state = self._pausing.state()
        if self._paused != state.paused:
            self._paused = state.paused
            self._name()
        self.setToolTip(pause_line(state) or tr("Decline further turns; votes go on (Ctrl+P)"))
        if self.menu_.isVisible():
            self.menu_.offer(state, running)

    def open_menu(self) -> None:
        if self._pausing is None:
            return
        self.menu_.offer(self._pausing.state(), self._running)
        size = self.menu_.sizeHint()
        left = self.width() - size.width() if self._above else 0
        top = -size.height() if self._above else self.height()
        self.menu_.popup(self.mapToGlobal(QPoint(left, top)))

    def toggle(self) -> None:
        """By key: pause until resumed, or resume."""
        if self._pausing is None:
            return
        if self._pausing.state().manual.active:
            self._act(lambda pausing: pausing.resume())
        else:
            self._act(lambda pausing: pausing.pause())

    def _act(self, what: Callable[[Pausing], Coroutine[Any, Any, None]]) -> None:
        if self._pausing is not None:
            self._tasks.start(self._acted(what(self._pausing)))

    async def _acted(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            self.refresh(self._running)

    def _name(self) -> None:
        words = tr("Paused") if self._paused else tr("Pause")
        self.setText(f"{words} ▾")
        self.setAccessibleName(tr("Paused, open the menu") if self._paused else tr("Pause, open the menu"))
        self.setIcon(self._theme.icon("pause", "warn" if self._paused else "text"))


class PauseMenu(QMenu):
    """Ways to pause. ``act`` is given what to do with the node's pausing."""

    def __init__(
        self,
        act: Callable[[Callable[[Pausing], Coroutine[Any, Any, None]]], None],
        rules: Callable[[], None],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._act = act
        self.setAccessibleName(tr("Pause"))
        self.setToolTipsVisible(True)
        self.why = self._line()
        self.resume = self._entry(tr("Resume"), lambda pausing: pausing.resume())
        self._rule = self.addSeparator()
        self.finish = self._entry(tr("Finish the work, then pause"), lambda pausing: pausing.pause())
        self.hour = self._entry(tr("Pause for 1 h"), lambda p: p.pause(time.time() + HOUR))
        self.three = self._entry(tr("Pause for 3 h"), lambda p: p.pause(time.time() + 3 * HOUR))
        self.now = self._entry("", lambda pausing: pausing.pause(None, Manner.NOW))
        self.addSeparator()
        self.rules = QAction(tr("Pause rules…"), self)
        self.rules.triggered.connect(rules)
        self.addAction(self.rules)

    def offer(self, state: PauseView, running: int) -> None:
        """What can be chosen now, with what it costs."""
        by_hand = state.manual.active
        self.why.setText(pause_line(state))
        self.why.setVisible(state.paused)
        self.resume.setVisible(by_hand)
        self._rule.setVisible(state.paused)
        open_ended = by_hand and state.manual.until is None
        self.finish.setVisible(not open_ended)
        self.finish.setText(
            tr("Finish the work, then pause until resumed") if running else tr("Pause until resumed")
        )
        self.now.setVisible(bool(running) or not by_hand)
        lost = plural(running, tr("proof at work is lost"), tr("proofs at work are lost"))
        self.now.setText(tr("Pause now: {lost}").format(lost=lost) if running else tr("Pause now"))
        self.now.setToolTip(
            tr("The reward goes to the next prover, and a turn that is missed can cost stake.")
            if running
            else ""
        )

    def _line(self) -> QAction:
        made = QAction(self)
        made.setEnabled(False)
        self.addAction(made)
        return made

    def _entry(self, words: str, what: Callable[[Pausing], Coroutine[Any, Any, None]]) -> QAction:
        made = QAction(words, self)
        made.triggered.connect(lambda: self._act(what))
        self.addAction(made)
        return made


class PauseNote(QFrame):
    """Why the node pauses, what ends it, and the button that does; hidden while it works on all it has."""

    def __init__(self, theme: Theme, tasks: Tasks, go: Callable[[str], None]) -> None:
        super().__init__()
        self._tasks = tasks
        self._pausing: Pausing | None = None
        self.setObjectName("banner")
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(8)
        self._icons = {tone: Icon(theme, "pause", tone) for tone in ("warn", "info")}
        for icon in self._icons.values():
            row.addWidget(icon)
        self.words = label("", theme.fonts.body, wrap=True)
        row.addWidget(self.words, 1)
        self.resume = button(tr("Resume"), theme)
        self.resume.clicked.connect(self._resume)
        self.rules = button(tr("Pause rules…"), theme, "link")
        self.rules.clicked.connect(lambda: go("settings:pausing"))
        row.addWidget(self.rules)
        row.addWidget(self.resume)
        self.hide()

    def refresh(self, pausing: Pausing) -> None:
        self._pausing = pausing
        state = pausing.state()
        words = " ".join(part for part in (pause_line(state), *gpu_lines(state)) if part)
        self.setVisible(bool(words))
        if not words:
            return
        self.words.setText(words)
        self.setAccessibleName(words)
        tone = "warn" if state.paused else "info"
        set_property(self, "tone", tone)
        for name, icon in self._icons.items():
            icon.setVisible(name == tone)
        self.resume.setVisible(state.manual.active)
        self.rules.setVisible(not state.manual.active or len(state.pausing) > 1)

    def _resume(self) -> None:
        if self._pausing is not None:
            self._tasks.start(self._resumed(self._pausing))

    async def _resumed(self, pausing: Pausing) -> None:
        try:
            await pausing.resume()
        finally:
            self.refresh(pausing)
