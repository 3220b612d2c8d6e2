"""The guided tour: a proof's way through the network, step by step, and what becomes of a false one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QHBoxLayout

from gpn_desktop.core.types import Address, short
from gpn_desktop.services.views import JobView, NodeView, Phase
from gpn_desktop.ui import text
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.story import Story
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.widgets.basic import BusyBar, Card, button, label, set_property
from gpn_desktop.ui.widgets.facts import Fact, FactList

if TYPE_CHECKING:
    from gpn_desktop.services.demo.encore import Encore

Name = Callable[[Address], str]
# How far a request is; what fails on the way is told by its turns.
_ORDER = (Phase.WAITING, Phase.PROVING, Phase.VERIFYING, Phase.VERIFIED, Phase.SETTLED, Phase.PAID)


class TourCard(Card):
    def __init__(self, context: PageContext, story: Story) -> None:
        super().__init__(context.theme, tr("Watch a proof travel"))
        self._context, self._story = context, story
        self._view: NodeView | None = None
        self._undo: Callable[[], None] | None = None
        theme = context.theme
        self.words = label("", theme.fonts.body, "muted", wrap=True)
        self.steps = FactList(theme, height=30)
        self.progress = BusyBar(theme)
        self.send = button(tr("Send a request"), theme, "primary")
        self.cheat = button(tr("Let a node cheat"), theme)
        self.skip = button(tr("Skip the 24 h"), theme, tip=tr("Moves the local chain’s clock"))
        self.open = button(tr("Open this job"), theme)
        self.send.clicked.connect(lambda: self._ask(lambda tour: tour.request()))
        self.cheat.clicked.connect(lambda: self._ask(lambda tour: tour.cheat()))
        self.skip.clicked.connect(lambda: self._ask(lambda tour: tour.skip_window()))
        self.open.clicked.connect(self._open)
        row = QHBoxLayout()
        row.setSpacing(8)
        for made in (self.send, self.cheat, self.skip, self.open):
            row.addWidget(made)
        row.addStretch(1)
        for widget in (self.words, self.steps, self.progress):
            self.body.addWidget(widget)
        self.body.addLayout(row)
        story.tour_opened.connect(self._follow)
        self._follow()

    def refresh(self, view: NodeView) -> None:
        self._view = view
        self._show()

    @property
    def job(self) -> JobView | None:
        """The tour's latest request."""
        tour = self._story.tour
        if tour is None or self._view is None:
            return None
        return next((job for job in self._view.jobs if job.request_id == tour.current), None)

    def _follow(self) -> None:
        tour = self._story.tour
        if tour is not None and self._undo is None:
            self._undo = tour.subscribe(self._show)
            self.destroyed.connect(self._undo)
        self._show()

    def _ask(self, what: Callable[[Encore], Coroutine[Any, Any, None]]) -> None:
        tour = self._story.tour
        if tour is not None and not tour.busy:
            for made in (self.send, self.cheat, self.skip):
                made.setEnabled(False)
            self._context.tasks.start(self._asked(what(tour)))

    async def _asked(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            self._show()

    def _open(self) -> None:
        job = self.job
        if job is not None:
            self._context.go(f"jobs:{job.request_id.hex()}")

    def _show(self) -> None:
        tour, job = self._story.tour, self.job
        busy = tour is not None and tour.busy
        self.words.setText(_words(tour, job))
        self.steps.setVisible(job is not None)
        if tour is not None and job is not None:
            self.steps.show_facts(steps_of(job, tour.name))
        settled = job is not None and job.phase is Phase.SETTLED
        self.progress.setVisible(busy)
        self.send.setEnabled(tour is not None and not busy)
        self.cheat.setVisible(job is not None and tour is not None and tour.may_cheat)
        self.cheat.setEnabled(not busy)
        self.skip.setVisible(settled)
        self.skip.setEnabled(not busy)
        self.open.setVisible(job is not None)
        set_property(self.send, "kind", "" if settled else "primary")
        set_property(self.skip, "kind", "primary" if settled else "")


def _words(tour: Encore | None, job: JobView | None) -> str:
    if tour is None:
        return tr("The tour begins when the demo’s own requests are paid; they are told below.")
    if job is None:
        return tr(
            "Send a request and watch it: who is drawn to prove it, who checks the proof, and how it is paid."
        )
    if any(turn.state == "voted down" for turn in job.turns):
        return tr(
            "A false proof earns nothing: the others check it in their own provers, sign that it is wrong, "
            "and the next in the order takes over. Its author lost its seat."
        )
    if job.phase is Phase.SETTLED:
        return tr("For 24 h other verifiers may add their signatures. On a local chain that can be skipped.")
    if job.phase is Phase.PAID and tour.may_cheat:
        return tr("Paid. Now let a node cheat, and see what the others make of it.")
    return tr("Each step below happens on all nodes, in their own processes, as it would between strangers.")


def steps_of(job: JobView, name: Name) -> list[Fact]:
    """The request's way so far, and what lies ahead of it."""
    reached = _ORDER.index(job.phase) if job.phase in _ORDER else -1
    facts = [
        Fact(tr("A consumer signed a request"), job.ref, "good", "check", lead="1"),
        _ordered(job, name),
        *_failed(job, name),
        _proved(job, name),
        _voted(job),
        _step("5", tr("The signatures go to the contract, in one transaction"),
              text.eth(job.reward) + " ETH", reached, Phase.SETTLED),
        _step("6", tr("After 24 h the reward is split between prover and verifiers"),
              tr("this node earns {eth} ETH").format(eth=text.eth(job.earned)) if job.earned else "",
              reached, Phase.PAID),
    ]  # fmt: skip
    if reached < 0:
        facts.append(Fact(job.error or tr("It came to nothing."), tone="bad", icon="cross"))
    return facts


def _step(lead: str, words: str, value: str, reached: int, phase: Phase) -> Fact:
    done = reached >= _ORDER.index(phase)
    next_ = reached == _ORDER.index(phase) - 1
    tone, icon = ("good", "check") if done else ("info", "proving") if next_ else ("muted", "waiting")
    return Fact(words, value if done or next_ else "", tone, icon, lead=lead)


def _ordered(job: JobView, name: Name) -> Fact:
    words = tr("The latest proof draws the order of the provers, the same on every node")
    if not job.turns:
        return Fact(words, "", "muted", "waiting", lead="2")
    names = ", ".join(name(turn.prover) or short(turn.prover) for turn in job.turns)
    return Fact(words, names, "good", "check", tip=names, lead="2")


def _failed(job: JobView, name: Name) -> list[Fact]:
    """The turns that came to nothing, before the one that counts."""
    words = {
        "voted down": tr("{name} announced a false proof and was voted down"),
        "timed out": tr("{name} let its turn pass"),
        "declined": tr("{name} declined"),
    }
    return [
        Fact(words[turn.state].format(name=name(turn.prover) or short(turn.prover)),
             _against(job, turn.prover) if turn.state == "voted down" else "", "bad", "cross", lead=" ")
        for turn in job.turns
        if turn.state in words
    ]  # fmt: skip


def _against(job: JobView, prover: Address) -> str:
    count = sum(not vote.valid for vote in job.votes if vote.prover == prover)
    return plural(count, tr("signed vote against it"), tr("signed votes against it"))


def _proved(job: JobView, name: Name) -> Fact:
    turn = next((t for t in job.turns if t.state in ("proving", "announced", "verified")), None)
    if turn is None:
        return Fact(tr("The first of them proves, in its container"), "", "muted", "waiting", lead="3")
    who = name(turn.prover) or short(turn.prover)
    if turn.state == "proving":
        return Fact(tr("{name} proves, in its container").format(name=who), "", "info", "proving", lead="3")
    shown = short(turn.proof_hash) if turn.proof_hash is not None else ""
    words = tr("{name} proved, and announced the proof’s hash").format(name=who)
    return Fact(words, shown, "good", "check", lead="3")


def _voted(job: JobView) -> Fact:
    words = tr("The others check it in their own provers, and sign what they found")
    if job.phase in (Phase.WAITING, Phase.PROVING):
        return Fact(words, "", "muted", "waiting", lead="4")
    value = tr("{n} valid votes, {all} are needed").format(n=job.valid_votes, all=job.quorum)
    if job.phase is Phase.VERIFYING:
        return Fact(words, value, "info", "verifying", lead="4")
    return Fact(words, value, "good", "check", lead="4")
