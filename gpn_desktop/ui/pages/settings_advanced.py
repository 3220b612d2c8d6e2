"""Settings: all of them, in one list that can be searched, with what each is for and where it comes from."""

from __future__ import annotations

from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from gpn_desktop.ports.preferences import SettingRow, Source
from gpn_desktop.ui.models.table import Cell, Column, TableModel
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.pages.settings_draft import Draft
from gpn_desktop.ui.pages.settings_fields import WIDE, SettingField, sentence, source_words
from gpn_desktop.ui.pages.settings_general import Section
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.widgets.basic import Card
from gpn_desktop.ui.widgets.empty import EmptyState, OrEmpty
from gpn_desktop.ui.widgets.table import Table


class AdvancedSection(Section):
    """A table, and the editor of the row that is chosen in it."""

    def __init__(self, context: PageContext, draft: Draft) -> None:
        super().__init__(
            context, draft,
            tr("Every setting of the node. Command line and environment come before the file. Changes take "
               "effect when the node is restarted."),
        )  # fmt: skip
        theme = context.theme
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search by name, purpose or value"))
        self.search.setAccessibleName(tr("Search the settings"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._show)
        self.column.addWidget(self.search)
        self.model: TableModel[SettingRow] = TableModel(self._columns(), lambda row: row.key, self)
        self.table = Table(theme, self.model, tr("Settings"))
        self.table.chosen.connect(self._choose)
        self.table.activated.connect(self._edit)
        self.list = OrEmpty(self.table, EmptyState(theme))
        card = Card(theme, padding=0)
        card.body.addWidget(self.list, 1)
        self.column.addWidget(card, 1)
        holder = QWidget()
        self._place = QVBoxLayout(holder)
        self._place.setContentsMargins(0, 0, 0, 0)
        self.column.addWidget(holder)
        self.field: SettingField | None = None
        draft.changed.connect(self._show)
        self._show()

    def _columns(self) -> list[Column[SettingRow]]:
        return [
            Column(tr("Setting"), self._name_cell, 200),
            Column(tr("Value"), self._value_cell, 0),
            Column(tr("From"), _source_cell, 130),
        ]

    def _show(self) -> None:
        words = self.search.text().lower().split()
        rows = [row for row in self.draft.rows if all(word in self._hay(row) for word in words)]
        self.model.set_rows(rows)
        self.list.show_content(bool(rows))
        if not rows:
            self.list.empty.say(
                tr("No setting found"), tr("No name, purpose or value has all of these words.")
            )
        self.table.viewport().update()
        if rows and self.table.current_key() is None:
            self.table.selectRow(0)

    def _hay(self, row: SettingRow) -> str:
        return f"{row.key} {row.purpose} {self.draft.value(row.key)} {row.value}".lower()

    def _choose(self, key: object) -> None:
        if self.field is not None and self.field.key == key:
            return
        if self.field is not None:
            self._place.removeWidget(self.field)
            self.field.hide()
            self.field.deleteLater()
        self.field = SettingField(self.context.theme, self.draft, str(key), width=WIDE)
        self._place.addWidget(self.field)

    def _edit(self) -> None:
        """Enter goes from the row to its editor."""
        if self.field is not None:
            self.field.control.setFocus()

    def _name_cell(self, row: SettingRow) -> Cell:
        return Cell(row.key, mono=True, tip=sentence(row.purpose))

    def _value_cell(self, row: SettingRow) -> Cell:
        problem = self.draft.problem(row.key)
        value = self.draft.value(row.key)
        shown = value or row.default or "–"
        if problem:
            return Cell(shown, tone="bad", icon="warn", tip=sentence(problem))
        return Cell(shown, tone="text" if value else "muted", tip=shown)


def _source_cell(row: SettingRow) -> Cell:
    words = {
        Source.DEFAULT: tr("Default"),
        Source.FILE: tr("File"),
        Source.ENVIRONMENT: tr("Environment"),
        Source.COMMAND_LINE: tr("Command line"),
    }[row.source]
    return Cell(words, tone="muted" if row.source is Source.DEFAULT else "text", tip=source_words(row))
