"""A bar per item, drawn from integers; the words beside it say the same to those who do not see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRectF, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QToolTip, QWidget

from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme

GAP = 4
WIDEST = 22


@dataclass(frozen=True, slots=True)
class Bar:
    value: int
    tip: str


class BarChart(QWidget):
    """Bars from left to right, the last one in full colour."""

    def __init__(self, theme: Theme, name: str) -> None:
        super().__init__()
        self._theme = theme
        self._name = name
        self._bars: tuple[Bar, ...] = ()
        self.setMinimumHeight(theme.fonts.px(150))
        theme.changed.connect(self.update)

    @property
    def bars(self) -> tuple[Bar, ...]:
        return self._bars

    def show_bars(self, bars: Sequence[Bar]) -> None:
        bars = tuple(bars)
        if bars == self._bars:
            return
        self._bars = bars
        self.setAccessibleName(self._name)
        self.setAccessibleDescription("; ".join(bar.tip for bar in bars[-8:]))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        top = max((bar.value for bar in self._bars), default=0)
        if top == 0:
            painter.setFont(self._theme.fonts.body)
            painter.setPen(self._theme.color("muted"))
            words = tr("Bars appear here as soon as something is earned.")
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), words)
            painter.end()
            return
        latest = max(at for at, bar in enumerate(self._bars) if bar.value)
        dim = QColor(self._theme.color("accent"))
        dim.setAlphaF(0.62)
        for at, bar in enumerate(self._bars):
            box = self._place(at)
            height = max(3, box.height() * bar.value // top) if bar.value else 2
            painter.setBrush(
                self._theme.color("accent")
                if at == latest
                else dim
                if bar.value
                else self._theme.color("border")
            )
            painter.drawRoundedRect(QRectF(box.x(), box.bottom() - height, box.width(), height), 2, 2)
        painter.end()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            at = int(event.pos().x() // self._step())
            if 0 <= at < len(self._bars):
                QToolTip.showText(event.globalPos(), self._bars[at].tip, self)
            return True
        return super().event(event)

    def _step(self) -> float:
        return min(WIDEST + GAP, self.width() / max(1, len(self._bars)))

    def _place(self, at: int) -> QRectF:
        step = self._step()
        return QRectF(at * step, 0, max(2.0, step - GAP), float(self.height()))
