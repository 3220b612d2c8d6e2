"""Demo: the story of the demo network, line by line, as it happens."""

from __future__ import annotations

from gpn_desktop.services.views import NodeView
from gpn_desktop.ui import text
from gpn_desktop.ui.models.table import Cell, Column, TableModel
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.pages.tour import TourCard
from gpn_desktop.ui.story import Story, StoryLine
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.widgets.basic import Card, button
from gpn_desktop.ui.widgets.table import Table

_ICONS = {"bad": "cross", "warn": "warn", "good": "check", "info": "info"}


class DemoPage(Page):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context, tr("Demo network"))
        self.subtitle.setText(
            tr("A chain, a consumer and its provers on this machine. This window is node-1, the gateway.")
        )
        self._story = context.story or Story()
        self.tour = TourCard(context, self._story)
        self.column.addWidget(self.tour)
        self.join = button(tr("Join a network…"), context.theme, tip=tr("Ends the demo and sets up a node"))
        self.join.clicked.connect(lambda: context.go("join"))
        self.buttons.addWidget(self.join)
        card = Card(context.theme, tr("What happened"), padding=0)
        card.title.setContentsMargins(16, 16, 16, 0)
        self.model: TableModel[StoryLine] = TableModel(story_columns(), lambda line: line.number, self)
        self.table = Table(context.theme, self.model, tr("What happened in the demo"))
        card.body.addWidget(self.table, 1)
        self.column.addWidget(card, 1)
        self._story.told.connect(self._told)
        self.model.set_rows(self._story.lines)

    def refresh(self, view: NodeView) -> None:
        """The story comes by itself, not with the snapshots."""
        self.tour.refresh(view)

    def opened(self) -> None:
        self.table.scrollToBottom()

    def _told(self, line: StoryLine) -> None:
        at_end = self.table.verticalScrollBar().value() == self.table.verticalScrollBar().maximum()
        self.model.insert(len(self.model.rows), [line])
        if at_end:
            self.table.scrollToBottom()


def story_columns() -> list[Column[StoryLine]]:
    return [
        Column(tr("Time"), lambda line: Cell(text.clock(line.time_ms), tone="muted"), 120),
        Column(tr("Event"), _event_cell, 0),
    ]


def _event_cell(line: StoryLine) -> Cell:
    """Details are quiet and set in; an icon sets them in as well."""
    icon = _ICONS.get(line.tone, "")
    if line.detail and not icon:
        return Cell(f"     {line.text}", tone="muted")
    return Cell(line.text, tone=line.tone, icon=icon)
