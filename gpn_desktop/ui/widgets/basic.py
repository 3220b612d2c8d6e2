"""Labels, buttons and cards in the theme's language."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QFont, QGuiApplication, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme

COPIED_MS = 1500


def set_property(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet looks at, and restyle only if it changed."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)


class Words(QLabel):
    """Text over several lines that claims the height it needs; an aligned layout gives it too little."""

    def setText(self, text: str) -> None:  # noqa: N802
        super().setText(text)
        self._claim()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._claim()

    def _claim(self) -> None:
        self.setMinimumHeight(0)  # which Qt would answer at least, so that lines once claimed would stay
        self.setFixedHeight(max(0, self.heightForWidth(self.width())))


class Elided(QLabel):
    """One quiet line at the right of its room, shortened to it; full on hover."""

    def __init__(self, font: QFont) -> None:
        super().__init__()
        self._full = ""
        self.setFont(font)
        self.setProperty("tone", "muted")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def say(self, text: str) -> None:
        self._full = text
        self.setToolTip(text)
        self.setAccessibleName(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        room = max(0, self.width())
        self.setText(self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideRight, room))


class BusyBar(QProgressBar):
    """Something is at work, nobody knows how long; it stands still where the operator wants no motion."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.setTextVisible(False)
        self.setAccessibleName(tr("Working"))
        theme.on_change(self._move)

    def _move(self) -> None:
        self.setRange(0, 0 if self._theme.motion else 1)
        self.setValue(0 if self._theme.motion else 1)


def label(text: str, font: QFont, tone: str = "text", wrap: bool = False) -> QLabel:
    made = Words(text) if wrap else QLabel(text)
    made.setFont(font)
    made.setProperty("tone", tone)
    made.setWordWrap(wrap)
    made.setTextFormat(Qt.TextFormat.PlainText)
    return made


def button(text: str, theme: Theme, kind: str = "", tip: str = "") -> QPushButton:
    """``kind``: "primary" for the page's one main action, "link", "strip", or plain."""
    made = QPushButton(text)
    made.setFont(theme.fonts.medium)
    made.setProperty("kind", kind)
    made.setAccessibleName(text)
    made.setToolTip(tip)
    made.setAutoDefault(False)
    made.setIconSize(QSize(theme.fonts.px(16), theme.fonts.px(16)))
    if kind == "link":
        made.setCursor(Qt.CursorShape.PointingHandCursor)
    return made


def line() -> QFrame:
    made = QFrame()
    made.setObjectName("line")
    return made


class Card(QFrame):
    """A surface with an outline and a title; ``body`` takes the content."""

    def __init__(self, theme: Theme, title: str = "", padding: int = 16) -> None:
        super().__init__()
        self.setObjectName("card")
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(padding, padding, padding, padding)
        self.body.setSpacing(8)
        self.title = label(title, theme.fonts.strong)
        if title:
            self.body.addWidget(self.title)


class StatCard(Card):
    """One key figure with its unit, a label above and a quiet line below."""

    def __init__(self, theme: Theme, title: str) -> None:
        super().__init__(theme)
        self._title = title
        # Equal shares of a row, whatever their words.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(theme.fonts.px(150))
        self.body.setSpacing(2)
        self.body.addWidget(label(title, theme.fonts.label, "muted"))
        row = QHBoxLayout()
        row.setSpacing(5)
        self.figure = label("–", theme.fonts.figure)
        self.unit = label("", theme.fonts.body, "muted")
        row.addWidget(self.figure, 0, Qt.AlignmentFlag.AlignBaseline)
        row.addWidget(self.unit, 0, Qt.AlignmentFlag.AlignBaseline)
        row.addStretch(1)
        self.body.addLayout(row)
        self.note = label("", theme.fonts.label, "muted")
        self.body.addWidget(self.note)
        self.body.addStretch(1)

    def show_figure(self, figure: str, unit: str, note: str = "", tip: str = "") -> None:
        self.figure.setText(figure)
        self.unit.setText(unit)
        self.note.setText(note)
        self.setToolTip(tip)
        self.setAccessibleName(f"{self._title}: {figure} {unit}. {note}".strip())


class Icon(QLabel):
    """An icon of the theme that follows its changes."""

    def __init__(self, theme: Theme, name: str, tone: str, size: int = 16) -> None:
        super().__init__()
        self._theme, self._name, self._tone, self._size = theme, name, tone, size
        theme.on_change(self._draw)

    def _draw(self) -> None:
        size = self._theme.fonts.px(self._size)
        self.setPixmap(self._theme.pixmap(self._name, self._tone, size))


class IconLabel(QWidget):
    """A state: icon, word and colour together, never colour alone."""

    def __init__(self, theme: Theme, bold: bool = False) -> None:
        super().__init__()
        self._theme = theme
        self._look = ("", "text")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        self._icon = QLabel()
        self._icon.hide()
        self._text = label("", theme.fonts.strong if bold else theme.fonts.body)
        row.addWidget(self._icon)
        row.addWidget(self._text)
        row.addStretch(1)
        theme.changed.connect(self._paint_icon)

    def show_state(self, text: str, tone: str = "text", icon: str = "", mono: bool = False) -> None:
        self._text.setText(text)
        set_property(self._text, "tone", tone)
        set_property(self._text, "mono", mono)
        if self._look != (icon, tone):
            self._look = (icon, tone)
            self._paint_icon()

    def text(self) -> str:
        return self._text.text()

    def _paint_icon(self) -> None:
        icon, tone = self._look
        self._icon.setVisible(bool(icon))
        if icon:
            self._icon.setPixmap(self._theme.pixmap(icon, tone, self._theme.fonts.px(14)))


class CopyButton(QPushButton):
    """Copies a text and says so for a moment."""

    def __init__(self, theme: Theme, what: str) -> None:
        super().__init__(tr("Copy"))
        self.setFont(theme.fonts.label)
        self.setProperty("kind", "link")
        self.setAccessibleName(tr("Copy {what}").format(what=what))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAutoDefault(False)
        self.value = ""
        self._back = QTimer(self)
        self._back.setSingleShot(True)
        self._back.setInterval(COPIED_MS)
        self._back.timeout.connect(lambda: self.setText(tr("Copy")))
        self.clicked.connect(self._copy)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.value)
        self.setText(tr("Copied"))
        self._back.start()
