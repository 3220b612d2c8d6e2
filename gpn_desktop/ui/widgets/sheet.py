"""A question inside the page: asks once, shows that it works on it, and ends in a plain word.

In place of a dialog: those spin a loop of their own, in which the node's loop would stand still.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout

from gpn_desktop.ui import text
from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import BusyBar, Card, IconLabel, button, label
from gpn_desktop.ui.widgets.facts import Fact, FactList


@dataclass(frozen=True, slots=True)
class Question:
    """What a sheet asks, and what follows.

    Attributes:
        act: done when it is confirmed; what it returns is the closing line.
        facts: figures to decide by.
        able: False shows the facts, but it cannot be confirmed.
        safe: what holds where it fails, as in "Nothing was sent."
    """

    title: str
    words: str
    confirm: str
    act: Callable[[], Coroutine[Any, Any, str]]
    working: str
    facts: tuple[Fact, ...] = ()
    able: bool = True
    safe: str = ""
    tone: str = "text"


class Sheet(Card):
    """``opened`` tells when it comes and goes: the page then hides its own filled button."""

    opened = Signal(bool)

    def __init__(self, theme: Theme, tasks: Tasks) -> None:
        super().__init__(theme)
        self._tasks = tasks
        self._question: Question | None = None
        self.working = False
        self.state = IconLabel(theme, bold=True)
        self.words = label("", theme.fonts.body, "muted", wrap=True)
        self.facts = FactList(theme, height=30)
        self.progress = BusyBar(theme)
        self.confirm = button(tr("Confirm"), theme, "primary")
        self.confirm.clicked.connect(self._act)
        self.cancel = button(tr("Cancel"), theme)
        self.cancel.clicked.connect(self.dismiss)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addStretch(1)
        row.addWidget(self.cancel)
        row.addWidget(self.confirm)
        for widget in (self.state, self.words, self.facts, self.progress):
            self.body.addWidget(widget)
        self.body.addLayout(row)
        self.hide()

    def ask(self, question: Question) -> None:
        if self.working:
            return
        self._question = question
        self._title(question.title, question.tone, "warn" if question.tone in ("warn", "bad") else "")
        self.words.setText(question.words)
        self.words.show()
        self.facts.show_facts(question.facts)
        self.facts.setVisible(bool(question.facts))
        self._name(question.confirm)
        self._mode(asking=question.able)
        self.show()
        self.opened.emit(True)
        (self.confirm if question.able else self.cancel).setFocus()

    def show_facts(self, title: str, words: str, facts: tuple[Fact, ...], tone: str) -> None:
        """Something to read, with nothing to decide."""
        if self.working:
            return
        self._question = None
        self._title(title, tone, "check" if tone == "good" else "warn")
        self.words.setText(words)
        self.words.show()
        self.facts.show_facts(facts)
        self.facts.setVisible(bool(facts))
        self._mode()
        self.show()
        self.opened.emit(True)
        self.cancel.setFocus()

    def dismiss(self) -> None:
        """Close it, unless it is at work: that goes on to its end."""
        if not self.working:
            self.hide()
            self.opened.emit(False)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Escape:
            self.dismiss()
        else:
            super().keyPressEvent(event)

    def _act(self) -> None:
        assert self._question is not None
        self.working = True
        self._title(self._question.working, "info", "proving")
        self._mode(working=True)
        self._tasks.start(self._work(self._question), self._failed)

    async def _work(self, question: Question) -> None:
        said = await question.act()
        self.working = False
        self._title(said, "good", "check")
        self.words.hide()
        self.facts.hide()
        self._mode()
        self.cancel.setFocus()

    def _failed(self, error: BaseException) -> None:
        self.working = False
        safe = self._question.safe if self._question is not None else ""
        self._title(tr("That did not work"), "bad", "warn")
        self.words.setText(f"{text.explain(error)} {safe}".strip())
        self.words.show()
        self._name(tr("Try again"))
        self._mode(asking=True)

    def _title(self, words: str, tone: str, icon: str) -> None:
        self.state.show_state(words, tone, icon)
        self.setAccessibleName(words)

    def _name(self, words: str) -> None:
        self.confirm.setText(words)
        self.confirm.setAccessibleName(words)

    def _mode(self, asking: bool = False, working: bool = False) -> None:
        self.progress.setVisible(working)
        self.progress.setAccessibleName(self.accessibleName())
        self.confirm.setVisible(asking)
        self.cancel.setVisible(not working)
        self.cancel.setText(tr("Cancel") if asking else tr("Close"))
        self.cancel.setAccessibleName(self.cancel.text())
