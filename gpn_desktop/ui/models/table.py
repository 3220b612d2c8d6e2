"""A table of immutable rows that changes by differences, so that selection and scrolling stay where they are.

Rows become cells only when they are painted; a delegate asks once per cell for a whole ``Cell``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

Row = TypeVar("Row")
Index = QModelIndex | QPersistentModelIndex

# Enum members compare slowly, and data() runs for each cell of each repaint.
DISPLAY = int(Qt.ItemDataRole.DisplayRole)
TOOLTIP = int(Qt.ItemDataRole.ToolTipRole)
ACCESSIBLE = int(Qt.ItemDataRole.AccessibleTextRole)
ALIGNMENT = int(Qt.ItemDataRole.TextAlignmentRole)
CELL = int(Qt.ItemDataRole.UserRole)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_NOWHERE = QModelIndex()


@dataclass(frozen=True, slots=True)
class Cell:
    """What one cell shows. ``tone`` and ``icon`` are names of the theme; ``sub`` is a second, quiet line.

    ``bar`` draws how far something is, in thousandths; ``after`` is said quietly behind text and bar.
    """

    text: str
    tone: str = "text"
    icon: str = ""
    tip: str = ""
    sub: str = ""
    mono: bool = False
    strong: bool = False
    bar: int | None = None
    after: str = ""


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """``width`` in pixels at the normal text size; 0 takes the room that is left."""

    title: str
    cell: Callable[[Row], Cell]
    width: int = 0
    right: bool = False


class TableModel(QAbstractTableModel, Generic[Row]):
    def __init__(
        self,
        columns: Sequence[Column[Row]],
        key: Callable[[Row], Hashable],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.columns = tuple(columns)
        self.rows: list[Row] = []
        self._key = key

    # Qt's questions ---------------------------------------------------------------------------------

    def rowCount(self, parent: Index = _NOWHERE) -> int:  # noqa: N802
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _NOWHERE) -> int:  # noqa: N802
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: Index, role: int = DISPLAY) -> Any:
        if role == CELL:
            return self.columns[index.column()].cell(self.rows[index.row()])
        if role in (DISPLAY, TOOLTIP, ACCESSIBLE):
            cell = self.columns[index.column()].cell(self.rows[index.row()])
            if role == TOOLTIP:
                return cell.tip or cell.text
            return f"{cell.text}, {cell.sub}" if cell.sub else cell.text
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = DISPLAY) -> Any:  # noqa: N802
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == DISPLAY:
            return self.columns[section].title
        if role == ALIGNMENT:
            return _RIGHT if self.columns[section].right else _LEFT
        return None

    # changes ----------------------------------------------------------------------------------------

    def key_at(self, row: int) -> Hashable:
        return self._key(self.rows[row])

    def find(self, key: Hashable) -> int:
        """The row with this key, or -1."""
        return next((i for i, row in enumerate(self.rows) if self._key(row) == key), -1)

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Become ``rows`` by removals, moves, insertions and updates; never by a reset."""
        wanted = {self._key(row) for row in rows}
        self._remove_others(wanted)
        present = {self._key(row) for row in self.rows}
        at = 0
        while at < len(rows):
            key = self._key(rows[at])
            if key in present:
                self._place(at, key, rows[at])
                at += 1
                continue
            end = at
            while end < len(rows) and self._key(rows[end]) not in present:
                end += 1
            self.insert(at, rows[at:end])
            at = end

    def insert(self, at: int, rows: Sequence[Row]) -> None:
        self.beginInsertRows(_NOWHERE, at, at + len(rows) - 1)
        self.rows[at:at] = rows
        self.endInsertRows()

    def remove(self, first: int, last: int) -> None:
        """Remove the rows ``first`` to ``last``, both included."""
        self.beginRemoveRows(_NOWHERE, first, last)
        del self.rows[first : last + 1]
        self.endRemoveRows()

    def update(self, at: int, row: Row) -> None:
        """Put ``row`` at its place; the view repaints it if it differs and is visible."""
        if self.rows[at] == row:
            return
        self.rows[at] = row
        self.dataChanged.emit(self.index(at, 0), self.index(at, len(self.columns) - 1), [CELL, DISPLAY])

    def update_all(self, rows: Mapping[int, Row]) -> None:
        """As ``update``, for many rows by their places; neighbours are told of together, which costs less."""
        changed = sorted(at for at, row in rows.items() if self.rows[at] != row)
        for at in changed:
            self.rows[at] = rows[at]
        last = len(self.columns) - 1
        for _, run in groupby(enumerate(changed), key=lambda pair: pair[1] - pair[0]):
            places = [at for _, at in run]
            self.dataChanged.emit(self.index(places[0], 0), self.index(places[-1], last), [CELL, DISPLAY])

    def _remove_others(self, wanted: set[Hashable]) -> None:
        last = len(self.rows) - 1
        while last >= 0:
            if self._key(self.rows[last]) in wanted:
                last -= 1
                continue
            first = last
            while first > 0 and self._key(self.rows[first - 1]) not in wanted:
                first -= 1
            self.remove(first, last)
            last = first - 1

    def _place(self, at: int, key: Hashable, row: Row) -> None:
        if self._key(self.rows[at]) != key:
            source = next(i for i in range(at + 1, len(self.rows)) if self._key(self.rows[i]) == key)
            self.beginMoveRows(_NOWHERE, source, source, _NOWHERE, at)
            self.rows.insert(at, self.rows.pop(source))
            self.endMoveRows()
        self.update(at, row)
