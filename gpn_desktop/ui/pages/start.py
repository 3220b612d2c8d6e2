"""Before there is a node: what is being started, or why it could not start and what to do."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from gpn_desktop.core.errors import GpnError
from gpn_desktop.ui import text
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import Card, IconLabel, button, label


class StartPage(QWidget):
    again = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        card = Card(theme)
        card.setFixedWidth(theme.fonts.px(480))
        self.state = IconLabel(theme, bold=True)
        self.words = label("", theme.fonts.body, "muted", wrap=True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setTextVisible(False)
        self.retry = button(tr("Try again"), theme, "primary")
        self.retry.clicked.connect(self.again)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.retry)
        card.body.addWidget(self.state)
        card.body.addWidget(self.words)
        card.body.addWidget(self.progress)
        card.body.addLayout(row)
        column.addStretch(2)
        column.addWidget(card, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)
        self.show_starting()

    def show_starting(self) -> None:
        self.state.show_state(tr("Starting the node"), "text", "proving")
        self.words.setText(tr("Key, journal, network and provers are opened in turn."))
        self.progress.show()
        self.retry.hide()

    def show_failure(self, error: BaseException) -> None:
        code = error.code if isinstance(error, GpnError) else ""
        self.state.show_state(tr("The node could not start. {code}").format(code=code).strip(), "bad", "warn")
        self.words.setText(
            f"{error.message} {error.remedy}" if isinstance(error, GpnError) else text.explain(error)
        )
        self.progress.hide()
        self.retry.show()
        self.retry.setFocus()
