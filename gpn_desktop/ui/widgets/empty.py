"""An empty list that helps: what will appear here, why it is empty, and one thing to do."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import button, label


class EmptyState(QWidget):
    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._act: Callable[[], object] | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(32, 32, 32, 32)
        column.setSpacing(6)
        middle = Qt.AlignmentFlag.AlignHCenter
        self._title = label("", theme.fonts.strong)
        self._text = label("", theme.fonts.body, "muted", wrap=True)
        self._title.setAlignment(middle)
        self._text.setAlignment(middle)
        self._text.setMaximumWidth(theme.fonts.px(420))
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self._text, 100)
        row.addStretch(1)
        column.addStretch(1)
        column.addWidget(self._title, 0, middle)
        column.addLayout(row)
        self.action = button(tr("Next step"), theme)
        self.action.clicked.connect(self._do)
        self.action.hide()
        column.addSpacing(8)
        column.addWidget(self.action, 0, middle)
        column.addStretch(2)

    def say(self, title: str, text: str, action: str = "", act: Callable[[], object] | None = None) -> None:
        """``action`` are the words of the button that does ``act``, where there is one thing to do."""
        self._title.setText(title)
        self._text.setText(text)
        self.setAccessibleName(f"{title}. {text}")
        self._act = act
        if action:
            self.action.setText(action)
            self.action.setAccessibleName(action)
        self.action.setVisible(act is not None)

    def _do(self) -> None:
        if self._act is not None:
            self._act()

    def title(self) -> str:
        return self._title.text()


class OrEmpty(QWidget):
    """Shows ``content``, or ``empty`` in its place."""

    def __init__(self, content: QWidget, empty: EmptyState) -> None:
        super().__init__()
        self.content, self.empty = content, empty
        self._stack = QStackedLayout(self)
        self._stack.addWidget(content)
        self._stack.addWidget(empty)

    def show_content(self, there: bool) -> None:
        self._stack.setCurrentWidget(self.content if there else self.empty)

    @property
    def is_empty(self) -> bool:
        return self._stack.currentWidget() is self.empty
