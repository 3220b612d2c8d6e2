"""What was earned in the latest hours or days, and from whom or for what."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout

from gpn_desktop.core.ledger import Totals
from gpn_desktop.core.types import Gwei
from gpn_desktop.ui import text
from gpn_desktop.ui.models.earnings import bins, shares
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.widgets.basic import Card, label
from gpn_desktop.ui.widgets.chart import Bar, BarChart
from gpn_desktop.ui.widgets.facts import Fact, FactList
from gpn_desktop.ui.widgets.inputs import Choice

if TYPE_CHECKING:
    from gpn_desktop.services.ledger import Ledger

MOST = 4  # shares that are listed one by one


class ChartCard(Card):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context.theme)
        theme = context.theme
        self._context = context
        self._totals: Totals | None = None
        self._bins: list[int] = []
        head = QHBoxLayout()
        head.setSpacing(8)
        self.heading = label("", theme.fonts.strong)
        self.time = Choice(theme, [("hours", tr("Last 24 hours")), ("days", tr("Last 30 days"))], self._again)
        self.time.setAccessibleName(tr("Time of the chart"))
        self.side = Choice(theme, [("consumer", tr("By consumer")), ("role", tr("By role"))], self._resplit)
        self.side.setAccessibleName(tr("What the sums are split by"))
        head.addWidget(self.heading, 1)
        head.addWidget(self.time)
        head.addWidget(self.side)
        self.body.addLayout(head)
        self.chart = BarChart(theme, tr("Earned over time, oldest first"))
        self.chart.setMinimumHeight(theme.fonts.px(96))
        self.facts = FactList(theme, height=30)
        row = QHBoxLayout()
        row.setSpacing(24)
        row.addWidget(self.chart, 3)
        right = QVBoxLayout()
        right.addWidget(self.facts)
        right.addStretch(1)
        row.addLayout(right, 2)
        self.body.addLayout(row)

    async def load(self, ledger: Ledger) -> None:
        """StoreCorrupt, StoreClosed."""
        asked = bins(self.time.currentData() == "hours", datetime.now().astimezone())
        self._totals, self._bins = await ledger.totals(asked), asked
        self._resplit("")

    def _again(self, chosen: str) -> None:
        self._context.tasks.start(self.load(self._context.facade.ledger))

    def _resplit(self, chosen: str) -> None:
        totals = self._totals
        if totals is None:
            return
        hours = self.time.currentData() == "hours"
        requests = plural(totals.count, tr("request"), tr("requests"))
        self.heading.setText(
            tr("{eth} ETH from {requests}").format(eth=text.eth(totals.share), requests=requests)
        )
        self.chart.show_bars([self._bar(at, hours) for at in self._bins])
        listed = shares(totals, self.side.currentData() == "role")
        facts = [
            Fact(words, f"{text.eth(Gwei(amount))} ETH", tip=name, mono=bool(name))
            for words, name, amount in listed[:MOST]
        ]
        if rest := listed[MOST:]:
            amount = Gwei(sum(one[2] for one in rest))
            facts.append(Fact(tr("{n} others").format(n=len(rest)), f"{text.eth(amount)} ETH"))
        self.facts.show_facts(facts)

    def _bar(self, at: int, hours: bool) -> Bar:
        assert self._totals is not None
        amount = Gwei(sum(self._totals.by_time[at].values()))
        moment = datetime.fromtimestamp(at / 1000)
        when = f"{moment:%H:%M}" if hours else f"{moment:%Y-%m-%d}"
        return Bar(amount, tr("{when}: {eth} ETH").format(when=when, eth=text.eth(amount)))
