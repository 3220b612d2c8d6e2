"""Home: one sentence of state, what is earned, why or why not, and what runs now."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout

from gpn_desktop.core.types import Gwei, short
from gpn_desktop.services.views import JobView, NodeView, Phase
from gpn_desktop.ui import text
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

BARS = 48
_VERIFIED = frozenset({Phase.VERIFIED, Phase.SETTLED, Phase.PAID})


class HomePage(Page):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context, tr("Starting"))
        theme = context.theme
        stats = QHBoxLayout()
        stats.setSpacing(16)
        self.ready = StatCard(theme, tr("Ready to withdraw"))
        self.window_ = StatCard(theme, tr("In the 24 h window"))
        self.proved = StatCard(theme, tr("Latest requests verified"))
        self.voted = StatCard(theme, tr("My latest votes"))
        for stat in (self.ready, self.window_, self.proved, self.voted):
            stats.addWidget(stat, 1)
        self.column.addLayout(stats)

        middle = QHBoxLayout()
        middle.setSpacing(16)
        earned = Card(theme, tr("Earned by the latest requests"))
        self.together = label("", theme.fonts.label, "muted")
        earned.body.addWidget(self.together)
        self.chart = BarChart(theme, tr("Earned by the latest requests, oldest first"))
        earned.body.addWidget(self.chart, 1)
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

    def refresh(self, view: NodeView) -> None:
        self.title.setText(_headline(view))
        self.subtitle.setText(_state(view))
        earnings = view.earnings
        self.ready.show_figure(text.eth(earnings.claimable), "ETH", tip=text.exact_gwei(earnings.claimable))
        self.window_.show_figure(
            text.eth(earnings.in_window),
            "ETH",
            tr("next {when}").format(when=text.until(earnings.next_finalize_at))
            if earnings.next_finalize_at
            else tr("nothing waits"),
            text.exact_gwei(earnings.in_window),
        )
        self._show_work(view)
        self._show_chart(view)
        self.model.set_rows([line_of(job) for job in view.jobs if job.phase in RUNNING])
        self.running.show_content(bool(self.model.rows))
        if self.running.is_empty:
            self.running.empty.say(*_why_idle(view))
        self.checks.show_facts(_checks(view))

    def tick(self) -> None:
        self.table.tick()

    def _show_chart(self, view: NodeView) -> None:
        latest = view.jobs[:BARS]
        self.chart.show_bars([bar_of(job) for job in reversed(latest)])
        self.together.setVisible(bool(latest))
        self.together.setText(
            tr("{requests}, together {eth} ETH").format(
                requests=plural(len(latest), tr("request"), tr("requests")),
                eth=text.eth(Gwei(sum(job.earned for job in latest))),
            )
        )

    def _show_work(self, view: NodeView) -> None:
        good = sum(job.phase in _VERIFIED for job in view.jobs)
        ended = good + sum(job.phase is Phase.EXPIRED for job in view.jobs)
        mine = sum(job.phase in _VERIFIED and job.prover == view.address for job in view.jobs)
        self.proved.show_figure(
            f"{good}", tr("of {n}").format(n=ended), tr("{n} by this node").format(n=mine)
        )
        votes = [vote for job in view.jobs for vote in job.votes if vote.mine]
        against = sum(not vote.valid for vote in votes)
        self.voted.show_figure(f"{len(votes)}", tr("cast"), tr("{n} against a proof").format(n=against))


def _headline(view: NodeView) -> str:
    committed = sum(consumer.committed for consumer in view.consumers)
    if view.paused:
        return tr("Paused: verifying only")
    if not committed:
        return tr("Running, committed to no consumer yet")
    return tr("Proving and verifying for {consumers}").format(
        consumers=plural(committed, tr("consumer"), tr("consumers"))
    )


def bar_of(job: JobView) -> Bar:
    tip = tr("{id}: {eth} ETH, {role}").format(
        id=short(job.request_id), eth=text.eth(job.earned), role=job.role
    )
    return Bar(job.earned, tip)


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


def _why_idle(view: NodeView) -> tuple[str, str]:
    if not view.peers:
        return tr("No job is running"), tr(
            "Jobs appear here as soon as a consumer sends a request. "
            "This node has no peers yet, so it cannot hear of any."
        )
    return tr("No job is running"), tr(
        "Jobs appear here as soon as a consumer of this node sends a request. There is nothing to do for you."
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
