"""The table: one look for all, painted by a delegate of its own (a style sheet costs several times more)."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, Qt, Signal
from PySide6.QtGui import QFontMetrics, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from gpn_desktop.ui.models.table import CELL, Cell, TableModel
from gpn_desktop.ui.theme import Theme

PAD = 12
ROW = 38
TALL_ROW = 57
HEADER = 38


EDGE = 16
LEAST = 110
NARROWEST = 0.9
BAR = 120


def inner(box: QRect, column: int, columns: int) -> QRect:
    """Where a cell's text goes; the outer columns keep the card's padding."""
    return box.adjusted(PAD if column else EDGE, 0, -PAD if column < columns - 1 else -EDGE, -1)


class Header(QHeaderView):
    """Column titles, quiet, above a rule."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._theme = theme

    def paintSection(self, painter: QPainter, rect: QRect, logicalIndex: int) -> None:  # noqa: N802, N803
        model = self.model()
        role = Qt.ItemDataRole
        title = model.headerData(logicalIndex, self.orientation(), role.DisplayRole)
        side = model.headerData(logicalIndex, self.orientation(), role.TextAlignmentRole)
        painter.fillRect(rect.x(), rect.bottom(), rect.width(), 1, self._theme.color("border"))
        painter.setFont(self._theme.fonts.label)
        painter.setPen(self._theme.color("muted"))
        box = inner(rect, logicalIndex, self.count())
        title = painter.fontMetrics().elidedText(title, Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, side, title)


class CellDelegate(QStyledItemDelegate):
    def __init__(self, theme: Theme, right: frozenset[int], parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._right = right
        self._view = parent

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        cell: Cell = index.data(CELL)
        box: QRect = option.rect
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        theme = self._theme
        if selected:
            painter.fillRect(box, theme.color("raised"))
            if index.column() == 0 and self._view.hasFocus():
                painter.fillRect(box.x(), box.y(), 3, box.height() - 1, theme.color("accent"))
        painter.fillRect(box.x(), box.bottom(), box.width(), 1, theme.color("border"))
        room = inner(box, index.column(), index.model().columnCount())
        if cell.sub:
            half = room.height() // 2
            self._text(painter, room.adjusted(0, 8, 0, -half), cell, index.column())
            quiet = Cell(cell.sub, tone="muted", mono=True)
            self._text(painter, room.adjusted(0, half, 0, -8), quiet, index.column())
        else:
            self._text(painter, room, cell, index.column())

    def _text(self, painter: QPainter, box: QRect, cell: Cell, column: int) -> None:
        fonts = self._theme.fonts
        font = fonts.mono if cell.mono else fonts.strong if cell.strong else fonts.body
        if cell.icon:
            size = fonts.px(14)
            top = box.y() + (box.height() - size) // 2
            painter.drawPixmap(box.x(), top, self._theme.pixmap(cell.icon, cell.tone, size))
            box = box.adjusted(size + 6, 0, 0, 0)
        painter.setFont(font)
        painter.setPen(self._theme.color(cell.tone))
        if cell.bar is not None or cell.after:
            self._text_and_more(painter, box, cell)
            return
        side = Qt.AlignmentFlag.AlignRight if column in self._right else Qt.AlignmentFlag.AlignLeft
        text = QFontMetrics(font).elidedText(cell.text, Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, int(side | Qt.AlignmentFlag.AlignVCenter), text)

    def _text_and_more(self, painter: QPainter, box: QRect, cell: Cell) -> None:
        """A word, how far it is, and a quiet figure behind, from left to right."""
        metrics = painter.fontMetrics()
        middle = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        painter.drawText(box, middle, cell.text)
        box = box.adjusted(metrics.horizontalAdvance(cell.text) + 6, 0, 0, 0)
        if cell.bar is not None and box.width() > 0:
            width = min(self._theme.fonts.px(BAR), box.width())
            track = QRect(box.x(), box.center().y() - 2, width, 6)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.color("border"))
            painter.drawRoundedRect(track, 3, 3)
            painter.setBrush(self._theme.color("accent"))
            track.setWidth(max(6, width * min(1000, cell.bar) // 1000))
            painter.drawRoundedRect(track, 3, 3)
            box = box.adjusted(width + 8, 0, 0, 0)
        painter.setFont(self._theme.fonts.body)
        painter.setPen(self._theme.color("muted"))
        rest = painter.fontMetrics().elidedText(cell.after, Qt.TextElideMode.ElideRight, max(0, box.width()))
        painter.drawText(box, middle, rest)


class Table(QTableView):
    """Rows are chosen whole, by mouse or arrows; Tab leaves the table. ``chosen`` carries the row's key."""

    chosen = Signal(object)

    def __init__(self, theme: Theme, model: TableModel[Any], name: str, tall: bool = False) -> None:
        super().__init__()
        self._theme = theme
        self._rows_model = model
        self.setAccessibleName(name)
        self.setModel(model)
        right = frozenset(i for i, column in enumerate(model.columns) if column.right)
        self.setItemDelegate(CellDelegate(theme, right, self))
        self.setMinimumHeight(theme.fonts.px(HEADER + 3 * ROW))
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self._set_headers(tall)
        self._widths = [theme.fonts.px(column.width or LEAST) for column in model.columns]
        self._stretch = [at for at, column in enumerate(model.columns) if not column.width]
        self.selectionModel().currentRowChanged.connect(self._current_changed)
        theme.changed.connect(self.viewport().update)

    def tick(self) -> None:
        """Repaint what shows running time."""
        if self.isVisible():
            self.viewport().update()

    def last_in_sight(self) -> int:
        """The last row that is on the screen, at least in part; 0 without any."""
        last = self.rowAt(self.viewport().height() - 1)
        return last if last >= 0 else max(0, len(self._rows_model.rows) - 1) if self.isVisible() else 0

    def current_key(self) -> object | None:
        index = self.currentIndex()
        return self._rows_model.key_at(index.row()) if index.isValid() else None

    def choose(self, key: object) -> bool:
        """Select the row with this key; False if it is not here."""
        row = self._rows_model.find(key)
        if row < 0:
            return False
        self.selectRow(row)
        return True

    def _set_headers(self, tall: bool) -> None:
        fonts = self._theme.fonts
        rows = self.verticalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(fonts.px(TALL_ROW if tall else ROW))
        header = Header(self._theme, self)
        self.setHorizontalHeader(header)
        header.setSectionsClickable(False)
        header.setFixedHeight(fonts.px(HEADER))
        header.setMinimumSectionSize(fonts.px(40))
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit(self.viewport().width())

    def _fit(self, room: int) -> None:
        """Room left goes to the stretching columns; with too little, all give way, down to a floor."""
        header = self.horizontalHeader()
        needed = sum(self._widths)
        extra = max(0, room - needed) // max(1, len(self._stretch))
        share = min(1.0, max(NARROWEST, room / needed))
        for at, width in enumerate(self._widths):
            header.resizeSection(at, int(width * share) + (extra if at in self._stretch else 0))

    def _current_changed(self, current: QModelIndex, before: QModelIndex) -> None:
        if current.isValid():
            self.chosen.emit(self._rows_model.key_at(current.row()))
