"""Home: one sentence of state, what is earned, why or why not, and what runs now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from PySide6.QtWidgets import QHBoxLayout

from gpn_desktop.core.types import Gwei
from gpn_desktop.services.views import EarningsView, NodeView, Phase
from gpn_desktop.ui import text
from gpn_desktop.ui.models.earnings import bins
from gpn_desktop.ui.models.jobs import JobLine, line_of, running_columns
from gpn_desktop.ui.models.phases import RUNNING, running_jobs
from gpn_desktop.ui.models.table import TableModel
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.widgets.basic import Card, StatCard, label
from gpn_desktop.ui.widgets.chart import Bar, BarChart
from gpn_desktop.ui.widgets.empty import EmptyState, OrEmpty
from gpn_desktop.ui.widgets.facts import Fact, FactList
from gpn_desktop.ui.widgets.table import Table

_VERIFIED = frozenset({Phase.VERIFIED, Phase.SETTLED, Phase.PAID})


class HomePage(Page):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context, tr("Starting"))
        theme = context.theme
        stats = QHBoxLayout()
        stats.setSpacing(16)
        self.earned = StatCard(theme, tr("Earned, last 24 h"))
        self.ready = StatCard(theme, tr("Ready to withdraw"))
        self.stake = StatCard(theme, tr("Stake"))
        self.proved = StatCard(theme, tr("Latest requests verified"))
        for stat in (self.earned, self.ready, self.stake, self.proved):
            stats.addWidget(stat, 1)
        self.column.addLayout(stats)

        middle = QHBoxLayout()
        middle.setSpacing(16)
        earned = Card(theme, tr("Earned by the hour"))
        self.chart = BarChart(theme, tr("Earned by the hour, the present one last"))
        earned.body.addWidget(self.chart, 1)
        hours = QHBoxLayout()
        self.first_hour = label("", theme.fonts.label, "muted")
        hours.addWidget(self.first_hour)
        hours.addStretch(1)
        hours.addWidget(label(tr("now"), theme.fonts.label, "muted"))
        earned.body.addLayout(hours)
        middle.addWidget(earned, 19)
        checks = Card(theme, tr("Why am I (not) earning?"))
        self.checks = FactList(theme, height=34)
        checks.body.addWidget(self.checks)
        checks.body.addStretch(1)
        middle.addWidget(checks, 10)
        self.column.addLayout(middle)

        running = Card(theme, tr("Running now"), padding=0)
        running.title.setContentsMargins(16, 16, 16, 0)
        self.model: TableModel[JobLine] = TableModel(running_columns(), lambda j: j.request_id, self)
        self.table = Table(theme, self.model, tr("Jobs running now"))
        self.table.doubleClicked.connect(lambda: context.go("jobs"))
        self.running = OrEmpty(self.table, EmptyState(theme))
        running.body.addWidget(self.running, 1)
        self.column.addWidget(running, 1)

        self._loaded: tuple[EarningsView, list[int]] | None = None

    def refresh(self, view: NodeView) -> None:
        self.title.setText(_headline(view))
        self.subtitle.setText(_state(view))
        earnings = view.earnings
        waiting = tr("{eth} ETH in the 24 h window").format(eth=text.eth(earnings.in_window))
        self.ready.show_figure(
            text.eth(earnings.claimable), "ETH", waiting, text.exact_gwei(earnings.claimable)
        )
        self._show_stake()
        self._load_sums(earnings)
        self._show_work(view)
        self.model.set_rows([line_of(job) for job in view.jobs if job.phase in RUNNING])
        self.running.show_content(bool(self.model.rows))
        if self.running.is_empty:
            self.running.empty.say(*self._why_idle(view))
        self.checks.show_facts(_checks(view))

    def tick(self) -> None:
        self.table.tick()

    def _show_stake(self) -> None:
        duties = self.context.facade.membership
        me = duties.me if duties is not None else None
        if me is None:
            self.stake.show_figure("–", "", tr("made with the first commitment"))
            return
        note = tr("leaving the network") if me.unbond_at else tr("answers for what this node signs")
        self.stake.show_figure(text.eth_of_wei(me.stake), "ETH", note, text.exact_wei(me.stake))

    # the last 24 hours ----------------------------------------------------------------------------------

    def _load_sums(self, earnings: EarningsView) -> None:
        """When something changed, and with each new hour."""
        asked = bins(True, datetime.now().astimezone())
        if (earnings, asked) != self._loaded:
            self._loaded = (earnings, asked)
            self.context.tasks.start(self._sum(asked))

    async def _sum(self, asked: list[int]) -> None:
        totals = await self.context.facade.ledger.totals(asked)
        amounts = [Gwei(sum(totals.by_time[at].values())) for at in asked]
        moments = [f"{datetime.fromtimestamp(at / 1000):%H:%M}" for at in asked]
        self.chart.show_bars(
            [
                Bar(amount, tr("{when}: {eth} ETH").format(when=when, eth=text.eth(amount)))
                for when, amount in zip(moments, amounts, strict=True)
            ]
        )
        self.first_hour.setText(moments[0])
        requests = plural(totals.count, tr("request"), tr("requests"))
        share = totals.share
        self.earned.show_figure(text.eth(share), "ETH", requests, text.exact_gwei(share))

    def _why_idle(self, view: NodeView) -> tuple[str, str, str, Callable[[], object] | None]:
        title = tr("No job is running")
        go = self.context.go
        if not view.peers:
            words = tr(
                "Jobs appear here as soon as a consumer sends a request. "
                "This node has no peers yet, so it cannot hear of any."
            )
            return title, words, tr("Connect to a peer"), lambda: go("network")
        if not any(consumer.committed for consumer in view.consumers):
            words = tr(
                "Jobs appear here as soon as a consumer of this node sends a request. "
                "This node serves none yet."
            )
            return title, words, tr("Choose a consumer"), lambda: go("consumers")
        words = tr(
            "Jobs appear here as soon as a consumer of this node sends a request. "
            "There is nothing to do for you."
        )
        return title, words, "", None

    def _show_work(self, view: NodeView) -> None:
        good = sum(job.phase in _VERIFIED for job in view.jobs)
        ended = good + sum(job.phase is Phase.EXPIRED for job in view.jobs)
        mine = sum(job.phase in _VERIFIED and job.prover == view.address for job in view.jobs)
        self.proved.show_figure(
            f"{good}", tr("of {n}").format(n=ended), tr("{n} by this node").format(n=mine)
        )


def _headline(view: NodeView) -> str:
    committed = sum(consumer.committed for consumer in view.consumers)
    if view.paused:
        return tr("Paused: verifying only")
    if not committed:
        return tr("Running, committed to no consumer yet")
    return tr("Proving and verifying for {consumers}").format(
        consumers=plural(committed, tr("consumer"), tr("consumers"))
    )


def _state(view: NodeView) -> str:
    if view.paused:
        return tr("Turns are declined at once, so no stake is at risk. Votes are still cast.")
    missing = sum(fact.tone == "warn" and fact.text != tr("Test prover") for fact in _checks(view))
    if missing:
        return tr("{points} attention.").format(points=plural(missing, tr("point needs"), tr("points need")))
    jobs = running_jobs(view)
    if not jobs:
        return tr("Everything is healthy. No job is running.")
    return tr("Everything is healthy. {jobs} running.").format(
        jobs=plural(jobs, tr("job is"), tr("jobs are"))
    )


def _checks(view: NodeView) -> list[Fact]:
    committed = [consumer for consumer in view.consumers if consumer.committed]
    ready = [c for c in committed if c.image_state in ("serving", "busy")]
    test = view.runtime.startswith("builtin")
    chain = view.network == "testing" or view.chain_up
    block = (
        tr("none, testing mode") if view.network == "testing" else tr("block {n}").format(n=f"{view.head:,}")
    )
    checks = [
        _check(chain, tr("Chain in sync"), tr("Chain unreachable"), block),
        _check(view.peers > 0, tr("Connected to peers"), tr("No peers"), f"{view.peers}"),
        _check(bool(committed), tr("Committed"), tr("Not committed"), f"{len(committed)}"),
    ]
    if committed:
        count = tr("{n} of {all}").format(n=len(ready), all=len(committed))
        checks.append(_check(ready == committed, tr("Images ready"), tr("Images not ready"), count))
    checks.append(_check(not test, tr("Real prover"), tr("Test prover"), view.runtime))
    checks.append(_check(not view.paused, tr("Taking turns"), tr("Paused"), ""))
    return checks


def _check(good: bool, yes: str, no: str, value: str) -> Fact:
    if good:
        return Fact(yes, value, tone="good", icon="check")
    return Fact(no, value, tone="warn", icon="warn")
