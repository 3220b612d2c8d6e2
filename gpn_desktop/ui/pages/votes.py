"""Votes: this node's and the others', with the committee's verdict beside each."""

from __future__ import annotations

from gpn_desktop.services.views import NodeView
from gpn_desktop.ui.models.table import TableModel
from gpn_desktop.ui.models.votes import VoteLine, lines_of, vote_columns
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.widgets.basic import Card, button
from gpn_desktop.ui.widgets.empty import EmptyState, OrEmpty
from gpn_desktop.ui.widgets.table import Table


class VotesPage(Page):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context, tr("Votes"))
        theme = context.theme
        self._view: NodeView | None = None
        self.only_mine = button(tr("Only my votes"), theme)
        self.only_mine.setCheckable(True)
        self.only_mine.toggled.connect(self._again)
        self.buttons.addWidget(self.only_mine)
        self.model: TableModel[VoteLine] = TableModel(vote_columns(), lambda v: v.key, self)
        self.table = Table(theme, self.model, tr("Votes"))
        card = Card(theme, padding=0)
        self.list = OrEmpty(self.table, EmptyState(theme))
        card.body.addWidget(self.list)
        self.column.addWidget(card, 1)

    def refresh(self, view: NodeView) -> None:
        if self._view is not None and self._view.jobs == view.jobs and self.model.rows:
            return
        self._view = view
        self._again()

    def _again(self) -> None:
        if self._view is None:
            return
        only_mine = self.only_mine.isChecked()
        lines = lines_of(self._view.jobs, only_mine)
        self.model.set_rows(lines)
        self.list.show_content(bool(lines))
        mine = [line for line in lines if line.mine]
        decided = [line for line in mine if line.outcome is not None]
        agree = sum(line.outcome == line.valid for line in decided)
        words = tr("{all} on the latest requests, {mine} of them by this node.").format(
            all=plural(len(lines), tr("vote"), tr("votes")), mine=len(mine)
        )
        if decided:
            words += " " + tr("{n} of {all} decided ones agree with the committee.").format(
                n=agree, all=len(decided)
            )
        self.subtitle.setText(words)
        if not lines:
            self._explain(only_mine)

    def _explain(self, only_mine: bool) -> None:
        if only_mine:
            title, why = (
                tr("This node has not voted yet"),
                tr(
                    "It checks each proof of its consumers in its own prover image and signs what it found. "
                    "Its votes appear here, with the committee’s verdict beside each."
                ),
            )
        else:
            title, why = (
                tr("No votes yet"),
                tr("Votes appear here when a prover has announced a proof and the committee has checked it."),
            )
        self.list.empty.say(title, why)
