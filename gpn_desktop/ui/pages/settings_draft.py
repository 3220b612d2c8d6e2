"""Edits of the node's settings that are not applied yet, each checked while it is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gpn_desktop.ports.preferences import SettingRow, Source

if TYPE_CHECKING:
    from gpn_desktop.services.preferences import Preferences, SettingsView


class Draft(QObject):
    """``changed`` tells of every edit, and of what was read anew."""

    changed = Signal()

    def __init__(self, preferences: Preferences) -> None:
        super().__init__()
        self.preferences = preferences
        self.view: SettingsView | None = None
        self.edits: dict[str, str] = {}
        self._rows: dict[str, SettingRow] = {}

    def load(self, view: SettingsView) -> None:
        """What the file says now. Edits that it does not say already stay."""
        self.view = view
        self._rows = {row.key: row for row in view.rows}
        for key, value in list(self.edits.items()):
            if key not in self._rows or self._said(self._rows[key], value):
                del self.edits[key]
        self.changed.emit()

    @property
    def rows(self) -> tuple[SettingRow, ...]:
        return self.view.rows if self.view is not None else ()

    def row(self, key: str) -> SettingRow:
        return self._rows[key]

    def value(self, key: str) -> str:
        """As it is edited; "" for a setting that nobody set."""
        row = self._rows[key]
        return self.edits.get(key, "" if row.source is Source.DEFAULT else row.value)

    def set(self, key: str, value: str) -> None:
        row = self._rows[key]
        if row.locked or value == self.value(key):
            return
        if self._said(row, value):
            self.edits.pop(key, None)
        else:
            self.edits[key] = value
        self.changed.emit()

    def problem(self, key: str) -> str:
        if key in self.edits:
            return self.preferences.problem_of(key, self.edits[key])
        return self._rows[key].problem

    @property
    def wrong(self) -> tuple[str, ...]:
        """Edited settings that cannot be used as they are."""
        return tuple(key for key in self.edits if self.problem(key))

    def revert(self) -> None:
        self.edits.clear()
        self.changed.emit()

    @staticmethod
    def _said(row: SettingRow, value: str) -> bool:
        """Whether the file has it already: nothing to write."""
        if row.source is Source.DEFAULT:
            return value.strip() in ("", row.default)
        return value.strip() == row.value
