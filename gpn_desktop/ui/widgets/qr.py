"""A QR code, drawn dark on white in both themes: cameras need the contrast."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

QUIET = 2  # modules of white around it


class QrCode(QWidget):
    def __init__(self, side: int) -> None:
        super().__init__()
        self._side = side
        self._rows: tuple[tuple[bool, ...], ...] = ()
        self.setFixedSize(side, side)

    def show_text(self, text: str, name: str) -> None:
        import segno  # only where a code is shown

        code = segno.make(text, error="m", micro=False)
        self._rows = tuple(tuple(bool(dark) for dark in row) for row in code.matrix)
        self.setAccessibleName(name)
        self.setToolTip(text)
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(self._side, self._side)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        if not self._rows:
            return
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.white)
        step = self.width() / (len(self._rows) + 2 * QUIET)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(Qt.GlobalColor.black)
        for y, row in enumerate(self._rows):
            for x, dark in enumerate(row):
                if dark:
                    painter.drawRect(QRectF((x + QUIET) * step, (y + QUIET) * step, step + 0.3, step + 0.3))
        painter.end()
