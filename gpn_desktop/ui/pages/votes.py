"""Votes: this node's and the others', with the committee's verdict beside each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpn_desktop.core.errors import UnknownRequest
from gpn_desktop.core.types import hex0x
from gpn_desktop.services.views import NodeView
from gpn_desktop.ui import text
from gpn_desktop.ui.models.phases import verdict_look
from gpn_desktop.ui.models.table import TableModel
from gpn_desktop.ui.models.votes import VoteLine, lines_of, missed_words, vote_columns
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.widgets.basic import Card, button
from gpn_desktop.ui.widgets.empty import EmptyState, OrEmpty
from gpn_desktop.ui.widgets.facts import Fact
from gpn_desktop.ui.widgets.sheet import Sheet
from gpn_desktop.ui.widgets.table import Table

if TYPE_CHECKING:
    from gpn_desktop.services.ballots import Ballot

MOST_DIGITS = 66


class VotesPage(Page):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context, tr("Votes"))
        theme = context.theme
        self._view: NodeView | None = None
        self.only_mine = button(tr("Only my votes"), theme)
        self.only_mine.setCheckable(True)
        self.only_mine.toggled.connect(self._again)
        self.evidence = button(
            tr("Open the evidence"), theme, tip=tr("The signed vote, to be checked by anybody")
        )
        self.evidence.setEnabled(False)
        self.evidence.clicked.connect(self._open)
        self.buttons.addWidget(self.only_mine)
        self.buttons.addWidget(self.evidence)
        self.sheet = Sheet(theme, context.tasks)
        self.column.addWidget(self.sheet)
        self.model: TableModel[VoteLine] = TableModel(vote_columns(), lambda v: v.key, self)
        self.table = Table(theme, self.model, tr("Votes"))
        self.table.chosen.connect(lambda _: self._chosen())
        self.table.doubleClicked.connect(self._open)
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
        self._chosen()
        missed = sum(line.missed for line in lines)
        lines = [line for line in lines if not line.missed]
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
        if missed:
            words += " " + tr("{votes} of this node missed.").format(
                votes=plural(missed, tr("vote"), tr("votes"))
            )
        self.subtitle.setText(words)
        if not lines:
            self._explain(only_mine)

    # evidence -------------------------------------------------------------------------------------------

    def _line(self) -> VoteLine | None:
        key = self.table.current_key()
        return next((line for line in self.model.rows if line.key == key), None)

    def _chosen(self) -> None:
        self.evidence.setEnabled(self._line() is not None)

    def _open(self) -> None:
        line = self._line()
        if line is not None and line.missed:
            self.sheet.show_facts(tr("This node did not vote"), missed_words(line), (), "warn")
        elif line is not None:
            self.context.tasks.start(self._show_evidence(line), self._no_evidence)

    def open_part(self, name: str) -> None:
        """The votes of a request, by its id in hex: this node's own if it has one."""
        self.only_mine.setChecked(False)
        self._again()
        wanted = bytes.fromhex(name)
        first = next((line for line in self.model.rows if line.request_id == wanted), None)
        if first is None:
            self.sheet.show_facts(
                tr("No votes"), tr("The votes of older requests are in the journal."), (), "info"
            )
        elif self.table.choose(first.key):
            self.table.setFocus()

    async def _show_evidence(self, line: VoteLine) -> None:
        ballots = await self.context.facade.ballots.of(line.request_id)
        found = next((b for b in ballots if (b.voter, b.proof_hash, b.attempt) == line.key[1:]), None)
        if found is None:
            self._no_evidence(UnknownRequest("The journal has not kept this vote."))
            return
        good = found.genuine
        title = tr("Signed by its voter") if good else tr("The signature is not the voter’s")
        words = tr("The signature was checked just now. Whoever has these values can check it again, and a "
                   "contradiction of two of them costs its author the stake.")  # fmt: skip
        self.sheet.show_facts(title, words, evidence_facts(found), "good" if good else "bad")

    def _no_evidence(self, error: BaseException) -> None:
        self.sheet.show_facts(tr("No evidence"), text.explain(error), (), "warn")

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


def evidence_facts(ballot: Ballot) -> tuple[Fact, ...]:
    """What was signed, by whom, over which bytes; each to be copied in full."""
    look = verdict_look(ballot.valid)
    values = (
        (tr("Voter"), hex0x(ballot.voter)),
        (tr("Prover"), hex0x(ballot.prover)),
        (tr("Hash of the proof"), hex0x(ballot.proof_hash)),
        (tr("Digest that was signed"), hex0x(ballot.digest)),
        (tr("Signature"), hex0x(ballot.signature)),
        (tr("Shows that the voter had the proof"), hex0x(ballot.possession)),
        (tr("Seed of the order"), hex0x(ballot.seed)),
    )
    return (
        Fact(tr("Vote"), look.word, value_tone=look.tone, value_icon=look.icon),
        *(Fact(name, _cut(value), value_mono=True, copy=value, tip=value) for name, value in values),
    )


def _cut(value: str) -> str:
    return value if len(value) <= MOST_DIGITS else f"{value[: MOST_DIGITS - 12]}…{value[-10:]}"
