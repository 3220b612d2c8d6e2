"""The log in the window: filter, search, follow, read one line in full, export."""

from __future__ import annotations

import time

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPlainTextEdit

from gpn_desktop.ports.health import LogBook, LogLine
from gpn_desktop.ui import text
from gpn_desktop.ui.models.logs import LogModel, level_look
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import Card, CopyButton, IconLabel, button, label
from gpn_desktop.ui.widgets.empty import EmptyState, OrEmpty
from gpn_desktop.ui.widgets.inputs import Check, Choice
from gpn_desktop.ui.widgets.table import Table

TYPING_MS = 150
DETAIL = 88


class LogCard(Card):
    """``export_asked`` wants the shown lines in a file."""

    export_asked = Signal()

    def __init__(self, theme: Theme, book: LogBook) -> None:
        super().__init__(theme, padding=0)
        self._theme = theme
        self._line: LogLine | None = None
        self._following = False
        self.model = LogModel(book, self)
        self.model.counted.connect(self._counted)
        self.table = Table(theme, self.model, tr("Log"))
        self.table.chosen.connect(self._choose)
        self.table.verticalScrollBar().valueChanged.connect(self._scrolled)
        self.list = OrEmpty(self.table, EmptyState(theme))
        self.body.addLayout(self._head())
        self.body.addWidget(self.list, 1)
        self.body.addWidget(self._detail())
        self.body.setSpacing(0)

    def _head(self) -> QHBoxLayout:
        theme = self._theme
        head = QHBoxLayout()
        head.setContentsMargins(16, 12, 16, 4)
        head.setSpacing(8)
        head.addWidget(label(tr("Log"), theme.fonts.strong))
        self.count = label("", theme.fonts.body, "muted")
        head.addWidget(self.count, 1)
        self.follow = Check(theme, tr("Follow the end"))
        self.follow.setAccessibleName(tr("Follow the end of the log"))
        self.follow.setChecked(True)
        self.follow.toggled.connect(self._to_end)
        levels = (("0", tr("All levels")), ("20", tr("Info and above")), ("30", tr("Warnings and errors")),
                  ("40", tr("Errors")))  # fmt: skip
        self.level = Choice(theme, levels, lambda _: self._filter())
        self.level.setAccessibleName(tr("Least level shown"))
        self.search = QLineEdit()
        self.search.setFont(theme.fonts.body)
        self.search.setPlaceholderText(tr("Search the log"))
        self.search.setAccessibleName(tr("Search the log"))
        self.search.setToolTip(tr("Search the log (Ctrl+F)"))
        self.search.setClearButtonEnabled(True)
        self.search.setFixedWidth(theme.fonts.px(200))
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(TYPING_MS)
        self._typing.timeout.connect(self._filter)
        self.search.textChanged.connect(lambda: self._typing.start())
        self.export = button(tr("Export…"), theme, tip=tr("Write the lines that are shown to a file"))
        self.export.clicked.connect(self.export_asked.emit)
        for widget in (self.follow, self.level, self.search, self.export):
            head.addWidget(widget)
        return head

    def _detail(self) -> Card:
        theme = self._theme
        self.detail = Card(theme)
        self.detail.setObjectName("")  # inside of a card, no second outline
        head = QHBoxLayout()
        head.setSpacing(8)
        self.about = IconLabel(theme)
        self.copy = CopyButton(theme, tr("the line"))
        self.close_detail = button(tr("Close"), theme, "link")
        self.close_detail.setAccessibleName(tr("Close the line"))
        self.close_detail.clicked.connect(self.detail.hide)
        head.addWidget(self.about, 1)
        head.addWidget(self.copy)
        head.addWidget(self.close_detail)
        # Takes no markup at all: what a stranger's name or error text contains is shown, never interpreted.
        self.whole = QPlainTextEdit()
        self.whole.setReadOnly(True)
        self.whole.setTabChangesFocus(True)
        self.whole.setFont(theme.fonts.mono)
        self.whole.setAccessibleName(tr("The line in full"))
        self.whole.setFixedHeight(theme.fonts.px(DETAIL))
        self.detail.body.addLayout(head)
        self.detail.body.addWidget(self.whole)
        self.detail.hide()
        return self.detail

    # following ------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        super().showEvent(event)
        self.model.start()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        super().hideEvent(event)
        self.model.stop()

    def _counted(self) -> None:
        shown = len(self.model.rows)
        self.count.setText(plural(shown, tr("line"), tr("lines")))
        self.list.show_content(bool(shown))
        self.export.setEnabled(bool(shown))
        if not shown and self.model.filtered:
            self.list.empty.say(tr("No line matches"), tr("Choose another level, or search for other words."))
        elif not shown:
            self.list.empty.say(
                tr("Nothing was logged yet"), tr("What the program does and what fails appears here.")
            )
        self._to_end(self.follow.isChecked())

    def _to_end(self, follow: bool) -> None:
        if follow:
            self._following = True
            self.table.scrollToBottom()
            self._following = False

    def _scrolled(self, value: int) -> None:
        """Who scrolls up wants to read; who scrolls back to the end wants to follow."""
        if not self._following:
            self.follow.setChecked(value >= self.table.verticalScrollBar().maximum())

    def _filter(self) -> None:
        self.model.set_filter(int(self.level.currentData()), self.search.text())

    # one line -------------------------------------------------------------------------------------------

    def _choose(self, key: object) -> None:
        at = self.model.find(key)
        if at < 0:
            return
        self._line = line = self.model.rows[at]
        look = level_look(line.level)
        when = text.clock(line.time_ms, precise=True)
        self.about.show_state(f"{look.word} · {line.logger} · {when}", look.tone, look.icon)
        self.whole.setPlainText(line.message)
        self.copy.value = line.message
        # Who reads a line would lose it to those that follow.
        self.follow.setChecked(False)
        self.detail.show()
        self.body.activate()
        self.table.scrollTo(self.model.index(at, 0))


def export_name() -> str:
    return time.strftime("gpn-desktop-log-%Y%m%d-%H%M%S.txt", time.gmtime())
