"""What asks inside of the page: a title, something to decide by, progress, and two buttons.

In place of a dialog: those spin a loop of their own, in which the node's loop would stand still.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import BusyBar, Card, IconLabel, button, label


class Asking(Card):
    """``opened`` tells when it comes and goes: the page then hides its own filled button.

    It shows one of three things: a question (``asking``), work on its answer (``working``), or how it ended.
    """

    opened = Signal(bool)

    def __init__(self, theme: Theme, tasks: Tasks, *middle: QWidget) -> None:
        """``middle`` stands between the words and the progress."""
        super().__init__(theme)
        self._theme, self._tasks = theme, tasks
        self.working = False
        self.state = IconLabel(theme, bold=True)
        self.words = label("", theme.fonts.body, "muted", wrap=True)
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
        for widget in (self.state, self.words, *middle, self.progress):
            self.body.addWidget(widget)
        self.body.addLayout(row)
        self.hide()

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
        """It was confirmed."""
        raise NotImplementedError

    def _open(self) -> None:
        self.show()
        self.opened.emit(True)

    def _title(self, words: str, tone: str, icon: str = "") -> None:
        self.state.show_state(words, tone, icon)
        self.setAccessibleName(words)
        self.progress.setAccessibleName(words)

    def _name(self, words: str) -> None:
        """What the confirming button says."""
        self.confirm.setText(words)
        self.confirm.setAccessibleName(words)

    def _mode(self, asking: bool = False, working: bool = False) -> None:
        self.progress.setVisible(working)
        self.confirm.setVisible(asking)
        self.cancel.setVisible(not working)
        self.cancel.setText(tr("Cancel") if asking else tr("Close"))
        self.cancel.setAccessibleName(self.cancel.text())
