"""The sidebar: the pages by name, each with a shortcut, and counts where something waits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QVBoxLayout, QWidget

from gpn_desktop.ui.pagelist import PageSpec
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import SIDEBAR, Theme
from gpn_desktop.ui.widgets.brand import MARGINS, Brand

ITEM = 35
DIMMED = 0.45  # what cannot be opened yet


class NavButton(QAbstractButton):
    """One page. Painted here: an edge, an icon, a name and a count do not fit a push button."""

    def __init__(self, theme: Theme, name: str, icon: str, shortcut: str) -> None:
        super().__init__()
        self._theme = theme
        self._icon = icon
        self.count = 0
        self.setText(name)
        self.setCheckable(True)
        self.setAccessibleName(name)
        self.setToolTip(f"{name} ({shortcut})")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFixedHeight(theme.fonts.px(ITEM))
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(self._theme.fonts.px(SIDEBAR - 17), self._theme.fonts.px(ITEM))

    def show_count(self, count: int) -> None:
        if count != self.count:
            self.count = count
            self.setAccessibleName(f"{self.text()}, {count}" if count else self.text())
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        theme, fonts = self._theme, self._theme.fonts
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setOpacity(1.0 if self.isEnabled() else DIMMED)
        box = self.rect()
        painter.setPen(Qt.PenStyle.NoPen)
        if self.isChecked() or self.underMouse():
            painter.setBrush(theme.color("raised"))
            painter.drawRoundedRect(box, 6, 6)
        if self.isChecked():
            painter.setBrush(theme.color("accent"))
            painter.drawRoundedRect(QRect(0, 4, 3, box.height() - 8), 1.5, 1.5)
        if self.hasFocus():
            painter.setPen(theme.color("accent"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), 6, 6)
        size = fonts.px(16)
        tone = "text" if self.isChecked() else "muted"
        painter.drawPixmap(12, (box.height() - size) // 2, theme.pixmap(self._icon, tone, size))
        painter.setFont(fonts.medium)
        painter.setPen(theme.color(tone))
        text_box = box.adjusted(12 + size + 10, 0, -44 if self.count else -4, 0)
        painter.drawText(
            text_box, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), self.text()
        )
        if self.count:
            self._paint_count(painter, box)
        painter.end()

    def _paint_count(self, painter: QPainter, box: QRect) -> None:
        theme = self._theme
        painter.setFont(theme.fonts.badge)
        words = f"{self.count:,}"
        width = painter.fontMetrics().horizontalAdvance(words) + 14
        height = theme.fonts.px(17)
        pill = QRect(box.width() - width - 10, (box.height() - height) // 2, width, height)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("border" if self.isChecked() else "raised"))
        painter.drawRoundedRect(pill, height / 2, height / 2)
        painter.setPen(theme.color("text" if self.isChecked() else "muted"))
        painter.drawText(pill, int(Qt.AlignmentFlag.AlignCenter), words)


class Sidebar(QWidget):
    """What needs a node is closed until ``open``."""

    def __init__(self, theme: Theme, pages: Sequence[PageSpec], go: Callable[[str], None]) -> None:
        super().__init__()
        self.setObjectName("sidebar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(theme.fonts.px(SIDEBAR))
        self._theme, self._go = theme, go
        self.buttons: dict[str, NavButton] = {}
        self._alone = frozenset(spec.key for spec in pages if spec.alone)
        self._group = QButtonGroup(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(*MARGINS)
        column.setSpacing(2)
        column.addWidget(Brand(theme))
        column.addSpacing(18)
        for spec in pages:
            if not spec.low:
                column.addWidget(self._nav(spec))
        column.addStretch(1)
        for spec in pages:
            if spec.low:
                column.addWidget(self._nav(spec))

    def open(self) -> None:
        for made in self.buttons.values():
            made.setEnabled(True)

    def close_pages(self) -> None:
        """Those that need a node."""
        for key, made in self.buttons.items():
            made.setEnabled(key in self._alone)
            made.show_count(0)

    def hide_pages(self, keys: Collection[str]) -> None:
        """These pages have nothing to show here; all others have."""
        for key, made in self.buttons.items():
            made.setHidden(key in keys)

    def _nav(self, spec: PageSpec) -> NavButton:
        made = NavButton(self._theme, tr(spec.name), spec.icon, spec.shortcut)
        made.clicked.connect(lambda: self._go(spec.key))
        made.setEnabled(spec.alone)
        self._group.addButton(made)
        self.buttons[spec.key] = made
        return made

    def mark(self, key: str) -> None:
        self.buttons[key].setChecked(True)
