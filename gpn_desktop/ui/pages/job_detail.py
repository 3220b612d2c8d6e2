"""One request: its timeline, who proves in which order and why, and who voted what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QScrollArea, QVBoxLayout, QWidget

from gpn_desktop.core.types import Address, hex0x, short
from gpn_desktop.services.views import JobView, StepView
from gpn_desktop.ui import text
from gpn_desktop.ui.models.phases import phase_look, turn_look, tx_look, verdict_look
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import Card, CopyButton, IconLabel, button, label
from gpn_desktop.ui.widgets.empty import EmptyState, OrEmpty
from gpn_desktop.ui.widgets.facts import Fact, FactList

if TYPE_CHECKING:
    from gpn_desktop.ports.chain import TxRecord

MOST_LOG_LINES = 5000


class JobDetail(Card):
    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, padding=0)
        self._theme = theme
        self._shown: tuple[JobView, Address] | None = None
        inside = QWidget()
        inside.setObjectName("scrolled")
        column = QVBoxLayout(inside)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        self._add_head(column)
        self.facts = self._section(column, "")
        self.timeline = self._section(column, tr("Timeline"))
        self.turns = self._section(column, tr("Order of provers"))
        self.why = label("", theme.fonts.label, "muted", wrap=True)
        column.insertWidget(column.count() - 1, self.why)
        self.votes = self._section(column, tr("Votes"))
        self.no_votes = label(tr("No vote has come in yet."), theme.fonts.body, "muted")
        column.addWidget(self.no_votes)
        self.evidence = button(
            tr("Show the evidence"), theme, "link", tip=tr("The signatures, on the page Votes")
        )
        column.addWidget(self.evidence, 0, Qt.AlignmentFlag.AlignLeft)
        self.transactions = self._section(column, tr("Transactions"))
        self.no_transactions = label("", theme.fonts.body, "muted", wrap=True)
        column.addWidget(self.no_transactions)
        self._add_log(column)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setObjectName("scroll")
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        scroll.setAccessibleName(tr("Details of the chosen request"))
        scroll.viewport().setAutoFillBackground(False)
        scroll.setMinimumHeight(theme.fonts.px(180))
        self._or_empty = OrEmpty(scroll, EmptyState(theme))
        self.body.addWidget(self._or_empty)
        self.say(
            tr("No request chosen"), tr("Choose a request to see its timeline, its provers and its votes.")
        )

    def say(self, title: str, words: str) -> None:
        """Show a message in place of a request."""
        self._shown = None
        self._or_empty.empty.say(title, words)
        self._or_empty.show_content(False)

    @property
    def message(self) -> str:
        """The message in place of a request, or nothing while one is shown."""
        return self._or_empty.empty.accessibleName() if self._or_empty.is_empty else ""

    def show_job(self, job: JobView, me: Address) -> None:
        if self._shown == (job, me):
            return
        if self._shown is None or self._shown[0].request_id != job.request_id:
            self._forget_records()
        self._shown = (job, me)
        self._id.setText(short(job.request_id))
        self._id.setToolTip(hex0x(job.request_id))
        self._copy.value = hex0x(job.request_id)
        look = phase_look(job.phase)
        self._phase.show_state(look.word, look.tone, look.icon)
        self._about.setText(_about(job))
        self._error.setText(job.error)
        self._error.setVisible(bool(job.error))
        self.facts.show_facts(_facts(job))
        self.timeline.show_facts(_timeline(job))
        self.turns.show_facts(_turns(job, me))
        self.why.setText(_why(job, me))
        self.votes.show_facts(_votes(job))
        self.no_votes.setVisible(not job.votes and not job.phase.ended)
        self.evidence.setVisible(bool(job.votes))
        self.give_up.setVisible(any(turn.mine and turn.state == "proving" for turn in job.turns))
        self._or_empty.show_content(True)

    def _add_head(self, column: QVBoxLayout) -> None:
        fonts = self._theme.fonts
        row = QHBoxLayout()
        self._id = label("", fonts.mono)
        self._copy = CopyButton(self._theme, tr("request id"))
        self._phase = IconLabel(self._theme)
        row.addWidget(self._id)
        row.addWidget(self._copy)
        row.addStretch(1)
        row.addWidget(self._phase)
        self.give_up = button(
            tr("Give up…"), self._theme, tip=tr("Decline this turn; the next prover takes over")
        )
        row.addWidget(self.give_up)
        column.addLayout(row)
        self._about = label("", fonts.body, "muted", wrap=True)
        column.addWidget(self._about)
        self._error = label("", fonts.body, "bad", wrap=True)
        column.addWidget(self._error)

    def _add_log(self, column: QVBoxLayout) -> None:
        column.addSpacing(4)
        column.addWidget(label(tr("Container log"), self._theme.fonts.strong))
        self.no_log = label("", self._theme.fonts.body, "muted", wrap=True)
        column.addWidget(self.no_log)
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setFont(self._theme.fonts.mono)
        self.log.setAccessibleName(tr("Container log"))
        self.log.setTabChangesFocus(True)
        self.log.setMaximumBlockCount(MOST_LOG_LINES)
        self.log.setFixedHeight(self._theme.fonts.px(160))
        column.addWidget(self.log)

    def _forget_records(self) -> None:
        self.transactions.show_facts([])
        self.log.hide()
        for quiet in (self.no_transactions, self.no_log):
            quiet.setText(tr("Looking it up"))
            quiet.show()

    def show_records(self, request_id: bytes, transactions: Sequence[TxRecord], logs: dict[str, str]) -> None:
        """What was looked up beside the request that is shown; of another one it comes too late."""
        if self._shown is None or self._shown[0].request_id != request_id:
            return
        self.transactions.show_facts([_transaction(record) for record in transactions])
        self.no_transactions.setText("" if transactions else tr("This node sent no transaction for it."))
        self.no_transactions.setVisible(not transactions)
        words = "\n".join(
            f"[{role}]\n{written.rstrip()}" for role, written in sorted(logs.items()) if written
        )
        self.log.setPlainText(words)
        self.log.setVisible(bool(words))
        self.no_log.setVisible(not words)
        self.no_log.setText(
            tr("No container of this node wrote anything for it, or it is not kept any more.")
        )

    def _section(self, column: QVBoxLayout, title: str) -> FactList:
        if title:
            column.addSpacing(4)
            column.addWidget(label(title, self._theme.fonts.strong))
        facts = FactList(self._theme, height=32)
        column.addWidget(facts)
        return facts


def _about(job: JobView) -> str:
    reward = tr("Reward {eth} ETH").format(eth=text.eth(job.reward))
    if not job.quorum:
        return f"{reward} · {text.role(job.role)}"
    quorum = tr("quorum {quorum}, committee of {all}").format(quorum=job.quorum, all=job.committee)
    return f"{reward} · {quorum}"


def _facts(job: JobView) -> list[Fact]:
    facts = [_hash(tr("Consumer"), job.consumer)]
    if job.ref:
        facts.append(
            Fact(tr("Client’s id"), job.ref if len(job.ref) < 30 else f"{job.ref[:28]}…", copy=job.ref)
        )
    if job.proof_hash is not None:
        facts.append(_hash(tr("Proof"), job.proof_hash))
    if job.seed is not None:
        facts.append(_hash(tr("Seed of the order"), job.seed))
    for name, millis in ((tr("Time to prove"), job.prove_ms), (tr("Time to verify"), job.verify_ms)):
        if millis is not None:
            facts.append(
                Fact(name, text.took(int(millis)), tip=tr("As this node measured it as the gateway."))
            )
    if job.earned:
        facts.append(Fact(tr("Earned"), f"{text.eth(job.earned)} ETH", tip=text.exact_gwei(job.earned)))
    return facts


def _hash(name: str, value: bytes) -> Fact:
    return Fact(name, short(value), value_mono=True, tip=hex0x(value), copy=hex0x(value))


def _timeline(job: JobView) -> list[Fact]:
    facts: list[Fact] = []
    before = 0
    now = phase_look(job.phase)
    steps = job.timeline or _summary_steps(job)
    for step in steps:
        when = text.clock(step.time_ms, precise=True)
        shown = when if not before else f"+{text.took(step.time_ms - before)}"
        before = step.time_ms
        if "voted down" in step.label:
            facts.append(Fact(tr(step.label), shown, icon="cross", tone="bad", tip=when))
        elif step is steps[-1]:
            facts.append(Fact(tr(step.label), shown, icon=now.icon, tone=now.tone, tip=when))
        else:
            facts.append(Fact(tr(step.label), shown, icon="check", tone="good", tip=when))
    return facts


def _summary_steps(job: JobView) -> tuple[StepView, ...]:
    """What the store's summary still tells of an old request."""
    steps = [StepView(tr("Received"), job.received_ms)]
    if job.verdict_ms:
        steps.append(StepView(tr("Verdict"), job.verdict_ms))
    return tuple(steps)


def _turns(job: JobView, me: Address) -> list[Fact]:
    facts = []
    for turn in job.turns:
        look = turn_look(turn.state)
        facts.append(
            Fact(
                text.who(turn.prover, me if turn.mine else None),
                look.word,
                lead=str(turn.rank + 1),
                value_tone=look.tone,
                value_icon=look.icon,
                mono=not turn.mine,
                tip=hex0x(turn.prover),
            )
        )
    return facts


def _why(job: JobView, me: Address) -> str:
    mine = next((turn for turn in job.turns if turn.mine), None)
    drawn = tr("The order is drawn from the seed: the consumer’s latest proof, this request and its block.")
    if not job.turns:
        if job.phase.ended:
            return tr("The order and the votes of older requests are in the journal, not in memory.")
        return tr("The order is not drawn yet.")
    if mine is None:
        return f"{drawn} {tr('This node is not among the provers.')}"
    place = tr("This node is {place} of {all}.").format(place=text.ordinal(mine.rank + 1), all=len(job.turns))
    return f"{drawn} {place}"


def _transaction(record: TxRecord) -> Fact:
    look = tx_look(record.state)
    what = record.intent.partition(":")[0].capitalize()
    known = any(record.hash)
    return Fact(
        f"{what}: {look.word}",
        short(record.hash) if known else tr("not signed yet"),
        icon=look.icon,
        tone=look.tone,
        value_mono=known,
        tip="\n".join(part for part in (record.intent, record.error) if part),
        copy=hex0x(record.hash) if known else "",
    )


def _votes(job: JobView) -> list[Fact]:
    facts = []
    for vote in sorted(job.votes, key=lambda v: (-v.attempt, not v.mine, v.voter)):
        look = verdict_look(vote.valid)
        name = tr("You") if vote.mine else short(vote.voter)
        facts.append(
            Fact(
                name,
                look.word,
                mono=not vote.mine,
                value_tone=look.tone,
                value_icon=look.icon,
                tip=tr("{voter} on attempt {n}, proof {proof}").format(
                    voter=hex0x(vote.voter), n=vote.attempt + 1, proof=hex0x(vote.proof_hash)
                ),
            )
        )
    if job.unvoted and not any(vote.mine for vote in job.votes):
        words = tr("No opinion")
        facts.insert(0, Fact(tr("You"), words, value_tone="warn", value_icon="dash", tip=job.unvoted))
    return facts
