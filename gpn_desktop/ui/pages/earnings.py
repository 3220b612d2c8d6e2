"""Earnings: what is ready, what waits in its window, what was withdrawn and what it cost."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout

from gpn_desktop.core.types import Gwei
from gpn_desktop.services.views import JobView, NodeView, Phase
from gpn_desktop.ui import text
from gpn_desktop.ui.models import jobs as cells
from gpn_desktop.ui.models.jobs import JobLine, line_of
from gpn_desktop.ui.models.table import Cell, Column, TableModel
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.pages.withdraw import WithdrawSheet
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.widgets.basic import Card, StatCard, button
from gpn_desktop.ui.widgets.empty import EmptyState, OrEmpty
from gpn_desktop.ui.widgets.table import Table

_EARNING = frozenset({Phase.VERIFIED, Phase.SETTLED, Phase.PAID})


def _state_cell(line: JobLine) -> Cell:
    if line.phase == Phase.VERIFIED.value:
        return Cell(tr("To be settled"), tone="info", icon="verifying")
    return cells.phase_cell(line)


def reward_columns() -> list[Column[JobLine]]:
    return [
        Column(tr("When"), lambda j: Cell(text.clock(j.received_ms), tone="muted"), 150),
        Column(tr("Request"), cells.id_cell, 130),
        Column(tr("Consumer"), cells.consumer_cell, 130),
        Column(tr("Role"), cells.role_cell, 0),
        Column(tr("Reward, ETH"), cells.reward_cell, 140, right=True),
        Column(tr("My share, ETH"), cells.earned_cell, 150, right=True),
        Column(tr("State"), _state_cell, 150),
    ]


class EarningsPage(Page):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context, tr("Earnings"))
        theme = context.theme
        self._view: NodeView | None = None
        self.withdraw = button(tr("Withdraw"), theme, "primary")
        self.withdraw.clicked.connect(self._ask)
        self.buttons.addWidget(self.withdraw)
        self.sheet = WithdrawSheet(context)
        # One filled button at a time: the sheet has its own.
        self.sheet.opened.connect(lambda is_open: self.withdraw.setVisible(not is_open))
        self.column.addWidget(self.sheet)
        stats = QHBoxLayout()
        stats.setSpacing(16)
        self.ready = StatCard(theme, tr("Ready to withdraw"))
        self.window_ = StatCard(theme, tr("In the 24 h window"))
        self.withdrawn = StatCard(theme, tr("Withdrawn"))
        self.fees = StatCard(theme, tr("Fees paid"))
        for stat in (self.ready, self.window_, self.withdrawn, self.fees):
            stats.addWidget(stat, 1)
        self.column.addLayout(stats)
        card = Card(theme, tr("Latest rewards by request"), padding=0)
        card.title.setContentsMargins(16, 16, 16, 0)
        self.model: TableModel[JobLine] = TableModel(reward_columns(), lambda j: j.request_id, self)
        self.table = Table(theme, self.model, tr("Rewards by request"))
        self.list = OrEmpty(self.table, EmptyState(theme))
        self.list.empty.say(
            tr("No rewards yet"),
            tr(
                "A reward appears here when a proof of this node is verified, or when this node’s vote is "
                "part of a settled proof. It is ready to withdraw 24 h after its settlement."
            ),
        )
        card.body.addWidget(self.list, 1)
        self.column.addWidget(card, 1)

    def refresh(self, view: NodeView) -> None:
        self._view = view
        self.subtitle.setText(
            tr("Testing mode uses no chain, so nothing is earned.")
            if view.network == "testing"
            else tr("Rewards for proofs and votes, exact to the gwei.")
        )
        earnings = view.earnings
        self._show_gwei(self.ready, earnings.claimable, tr("in one transaction"))
        if earnings.next_finalize_at:
            note = tr("next {when}").format(when=text.until(earnings.next_finalize_at))
        else:
            note = tr("nothing waits")
        self._show_gwei(self.window_, earnings.in_window, note)
        self.withdrawn.show_figure(
            text.eth_of_wei(earnings.withdrawn), "ETH", tip=text.exact_wei(earnings.withdrawn)
        )
        self.fees.show_figure(text.eth_of_wei(earnings.fees), "ETH", tip=text.exact_wei(earnings.fees))
        self._show_button(earnings.claimable)
        lines = [line_of(job) for job in view.jobs if _earns(job)]
        self.model.set_rows(lines)
        self.list.show_content(bool(lines))

    def tick(self) -> None:
        if self._view is not None and self.isVisible():
            self.refresh(self._view)

    def _show_gwei(self, card: StatCard, amount: Gwei, note: str) -> None:
        card.show_figure(text.eth(amount), "ETH", note, text.exact_gwei(amount))

    def _show_button(self, claimable: Gwei) -> None:
        ready = claimable > 0 and not self.sheet.working
        self.withdraw.setEnabled(ready)
        words = tr("Withdraw {eth} ETH").format(eth=text.eth(claimable)) if claimable else tr("Withdraw")
        if words != self.withdraw.text():
            self.withdraw.setText(words)
            self.withdraw.setAccessibleName(words)
        self.withdraw.setToolTip("" if ready else tr("Nothing is ready to withdraw."))

    def _ask(self) -> None:
        if self._view is not None:
            self.sheet.ask(self._view)


def _earns(job: JobView) -> bool:
    return job.earned > 0 and job.phase in _EARNING
