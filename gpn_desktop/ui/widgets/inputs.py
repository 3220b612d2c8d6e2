"""Controls that a style sheet alone cannot draw in the theme's colours: a box to tick, a list to choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QCheckBox, QComboBox

from gpn_desktop.ui.theme import Theme

BOX = 18
GAP = 8


class Check(QCheckBox):
    """A box with a word behind it; the whole of it can be clicked."""

    def __init__(self, theme: Theme, words: str) -> None:
        super().__init__(words)
        self._theme = theme
        self.setFont(theme.fonts.body)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: N802
        px = self._theme.fonts.px
        words = self.fontMetrics().horizontalAdvance(self.text())
        return QSize(px(BOX) + px(GAP) + words + 6, px(33))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return self.sizeHint()

    def hitButton(self, pos: QPoint) -> bool:  # noqa: N802
        return self.rect().contains(pos)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        theme, px = self._theme, self._theme.fonts.px
        size = px(BOX)
        box = QRect(2, (self.height() - size) // 2, size, size)
        on, able = self.isChecked(), self.isEnabled()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = "accent" if on and able else "muted"
        painter.setPen(QPen(theme.color(frame), 1))
        painter.setBrush(theme.color(("accent" if able else "raised") if on else "surface"))
        painter.drawRoundedRect(box.toRectF().adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        if on:
            inset = px(3)
            mark = theme.pixmap("check", "on_accent" if able else "muted", size - 2 * inset)
            painter.drawPixmap(box.x() + inset, box.y() + inset, mark)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.toRectF().adjusted(-1, -1, 1, 1), 5, 5)
        painter.setPen(theme.color("text" if able else "muted"))
        painter.setFont(self.font())
        rest = self.rect().adjusted(size + px(GAP) + 2, 0, 0, 0)
        painter.drawText(rest, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), self.text())
        painter.end()


class Choice(QComboBox):
    """One of several; ``chosen`` gets the value that is picked. A wheel over it scrolls the page instead."""

    def __init__(
        self, theme: Theme, options: Sequence[tuple[str, str]], chosen: Callable[[str], None]
    ) -> None:
        """``options`` are values, each with its words."""
        super().__init__()
        self._theme = theme
        for value, words in options:
            self.addItem(words, value)
        self.setFont(theme.fonts.body)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.activated.connect(lambda at: chosen(str(self.itemData(at))))
        theme.changed.connect(self.update)

    def choose(self, value: str) -> None:
        """Show this value, or the first where it is not offered; nobody is told."""
        self.setCurrentIndex(max(0, self.findData(value)))

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._theme.color("muted"), 1.5))
        half = self._theme.fonts.px(4)
        middle = QPoint(self.width() - self._theme.fonts.px(18), self.height() // 2 - half // 2)
        painter.drawPolyline([middle + QPoint(-half, 0), middle + QPoint(0, half), middle + QPoint(half, 0)])
        painter.end()
