"""Consumers & images: who can be worked for, how their images do on this machine, committing and leaving."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QPoint, QTimer
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QMenu, QPushButton, QWidget

from gpn_desktop.core.types import Address, hex0x, short
from gpn_desktop.services.views import ConsumerView, NodeView
from gpn_desktop.ui.models.consumers import ConsumerLine, action_of, consumer_columns
from gpn_desktop.ui.models.table import TableModel
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.pages.consumer_detail import ConsumerDetail
from gpn_desktop.ui.pages.duties import Duties
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.widgets.basic import Card, button, set_property
from gpn_desktop.ui.widgets.empty import EmptyState, OrEmpty
from gpn_desktop.ui.widgets.sheet import Sheet
from gpn_desktop.ui.widgets.table import Table

COUNTDOWN = 5
SECOND_MS = 1000
ACTION_COLUMN = 5


class ConsumersPage(Page):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context, tr("Consumers & images"))
        theme = context.theme
        self._view: NodeView | None = None
        self._buttons: dict[Address, QPushButton] = {}
        self._counting: dict[Address, int] = {}
        self.duties = Duties(context, self._redraw)
        self.subtitle.setText(tr("Commit to the consumers whose images this machine can run in time."))
        self.filter = QLineEdit()
        self.filter.setFont(theme.fonts.body)
        self.filter.setPlaceholderText(tr("Filter by address or image"))
        self.filter.setAccessibleName(tr("Filter consumers"))
        self.filter.setClearButtonEnabled(True)
        self.filter.setFixedWidth(theme.fonts.px(240))
        self.filter.textChanged.connect(lambda _: self._redraw())
        self.more = button(tr("More"), theme, tip=tr("Stake, disk space"))
        self.more.clicked.connect(self._open_more)
        self.buttons.addWidget(self.filter)
        self.buttons.addWidget(self.more)
        self.sheet = Sheet(theme, context.tasks)
        self.sheet.opened.connect(lambda _: self._redraw())
        self.column.addWidget(self.sheet)
        self._add_list()
        self._second = QTimer(self)
        self._second.setInterval(SECOND_MS)
        self._second.timeout.connect(self._count)

    def _add_list(self) -> None:
        theme = self.context.theme
        card = Card(theme, padding=0)
        self.model: TableModel[ConsumerLine] = TableModel(
            consumer_columns(), lambda line: line.view.address, self
        )
        self.table = Table(theme, self.model, tr("Consumers"), tall=True)
        self.table.chosen.connect(self._choose)
        self.list = OrEmpty(self.table, EmptyState(theme))
        card.body.addWidget(self.list, 1)
        self.detail = ConsumerDetail(theme)
        self.column.addWidget(card, 3)
        self.column.addWidget(self.detail, 2)

    # what is shown --------------------------------------------------------------------------------------

    def opened(self) -> None:
        self.context.tasks.start(self.duties.load())

    def open_search(self) -> bool:
        self.filter.setFocus()
        self.filter.selectAll()
        return True

    def refresh(self, view: NodeView) -> None:
        self._view = view
        self._redraw()

    def tick(self) -> None:
        self.table.tick()

    def _redraw(self) -> None:
        if self._view is None:
            return
        words = self.filter.text().lower().split()
        lines = [self._line(consumer) for consumer in self._view.consumers]
        lines = [line for line in lines if all(word in _hay(line) for word in words)]
        self.model.set_rows(lines)
        self.list.show_content(bool(lines))
        if not lines:
            self.list.empty.say(*self._why_empty(self._view, bool(words)))
        self._place_buttons()
        if self.table.current_key() is None and lines:
            self.table.selectRow(0)
        self._choose(self.table.current_key())

    def _why_empty(self, view: NodeView, filtered: bool) -> tuple[str, str, str, Callable[[], object] | None]:
        if filtered:
            words = tr("No address or image has this in it.")
            return tr("No consumer matches"), words, tr("Clear the filter"), self.filter.clear
        if not view.chain_up and view.network != "testing":
            words = tr(
                "Consumers are read from the contract. They appear here as soon as an endpoint answers."
            )
            action = tr("Chain endpoints")
            return tr("The chain cannot be reached"), words, action, lambda: self.context.go("settings:chain")
        words = tr(
            "Consumers that register on the contract appear here, with what their images ask of this machine."
        )
        return tr("No consumers yet"), words, "", None

    def _line(self, consumer: ConsumerView) -> ConsumerLine:
        return self.duties.line(consumer, self._counting.get(consumer.address, 0))

    def _choose(self, key: object) -> None:
        line = next((line for line in self.model.rows if line.view.address == key), None)
        self.detail.show_line(line)

    # the buttons at the right end of the rows -----------------------------------------------------------

    def _place_buttons(self) -> None:
        """Each row has one button; at most one of them all is filled, and none while a sheet has its own."""
        present = {line.view.address for line in self.model.rows}
        for gone in self._buttons.keys() - present:
            del self._buttons[gone]  # the view deleted it with its row
        filled = not self.sheet.isHidden()
        for row, line in enumerate(self.model.rows):
            made = self._button(line.view.address, row)
            action = action_of(line)
            words = self.duties.words(action, line)
            made.setVisible(bool(words))
            if made.text() != words:
                made.setText(words)
                made.setAccessibleName(f"{words}, {short(line.view.address)}")
            made.setEnabled(not self.duties.busy(line.view.address))
            primary = action == "commit" and not filled
            filled = filled or primary
            set_property(made, "kind", "primary" if primary else "")
            made.setToolTip(self.duties.tip(action))

    def _button(self, consumer: Address, row: int) -> QPushButton:
        index = self.model.index(row, ACTION_COLUMN)
        if self.table.indexWidget(index) is None:
            made = button("", self.context.theme)
            made.clicked.connect(partial(self._act, consumer))
            self._buttons[consumer] = made
            self.table.setIndexWidget(index, _at_right_end(made))
        return self._buttons[consumer]

    def _act(self, consumer: Address) -> None:
        line = next((line for line in self.model.rows if line.view.address == consumer), None)
        if line is None:
            return
        self.table.choose(consumer)
        match action_of(line):
            case "try":
                self.duties.start_trial(line)
            case "stop":
                self._stop(line)
            case "commit":
                self._commit(line)
            case "manage":
                self._manage(line)
        self._redraw()

    def _stop(self, line: ConsumerLine) -> None:
        if self._counting.pop(line.view.address, 0) == 0:
            self.duties.stop_trial(line)

    def _commit(self, line: ConsumerLine) -> None:
        """The first time everything is said and asked; later there are five seconds to call it off."""
        if self.duties.registered:
            self._counting[line.view.address] = COUNTDOWN
            self._second.start()
        else:
            self.context.tasks.start(self.duties.ask_commit(line, self.sheet))

    def _count(self) -> None:
        for consumer, seconds in list(self._counting.items()):
            if seconds > 1:
                self._counting[consumer] = seconds - 1
                continue
            del self._counting[consumer]
            self.duties.commit(consumer)
        if not self._counting:
            self._second.stop()
        self._redraw()

    # menus ----------------------------------------------------------------------------------------------

    def _manage(self, line: ConsumerLine) -> None:
        at = self._buttons[line.view.address]
        entries = self.duties.entries(line, self.sheet)
        self._popup(entries, at)

    def _open_more(self) -> None:
        self._popup(self.duties.more(self.sheet), self.more)

    def _popup(self, entries: list[tuple[str, Callable[[], object]]], at: QPushButton) -> None:
        menu = QMenu(self)
        menu.setAccessibleName(at.text())
        for words, act in entries:
            menu.addAction(words).triggered.connect(lambda _=False, act=act: act())
        menu.aboutToHide.connect(menu.deleteLater)
        self.menu = menu
        menu.popup(at.mapToGlobal(QPoint(0, at.height() + 2)))


def _at_right_end(made: QPushButton) -> QWidget:
    holder = QWidget()
    row = QHBoxLayout(holder)
    row.setContentsMargins(0, 0, 12, 1)
    row.addStretch(1)
    row.addWidget(made)
    return holder


def _hay(line: ConsumerLine) -> str:
    return f"{hex0x(line.view.address)} {line.view.image_name} {line.view.image_digest.hex()}".lower()
