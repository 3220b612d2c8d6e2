"""Votes as lines: who said what of which proof, and whether the verdict agreed."""

from __future__ import annotations

from dataclasses import dataclass

from gpn_desktop.core.types import Address, Hash32, hex0x, short
from gpn_desktop.services.views import JobView, Phase, VoteView
from gpn_desktop.ui import text
from gpn_desktop.ui.models.phases import verdict_look
from gpn_desktop.ui.models.table import Cell, Column
from gpn_desktop.ui.text import tr

_GOOD_END = frozenset({Phase.VERIFIED, Phase.SETTLED, Phase.PAID})


@dataclass(frozen=True, slots=True)
class VoteLine:
    request_id: Hash32
    consumer: Address
    voter: Address
    prover: Address
    proof_hash: Hash32
    attempt: int  # the prover's rank, from 0
    valid: bool
    mine: bool
    outcome: bool | None  # the committee's verdict on this proof; None while it is open
    received_ms: int
    missed: bool = False  # this node's own, which it did not cast
    why: str = ""  # it was missed, as far as it is known

    @property
    def key(self) -> tuple[Hash32, Address, Hash32, int]:
        return (self.request_id, self.voter, self.proof_hash, self.attempt)


def lines_of(jobs: tuple[JobView, ...], only_mine: bool = False) -> list[VoteLine]:
    """All votes of the snapshot's jobs, in its order: newest request first, own votes first in each."""
    lines = []
    for job in jobs:
        for vote in sorted(job.votes, key=lambda v: (-v.attempt, not v.mine, v.voter)):
            if vote.mine or not only_mine:
                lines.append(_line(job, vote))
        if (missed := _missed(job)) is not None:
            lines.append(missed)
    return lines


def _missed(job: JobView) -> VoteLine | None:
    """This node sat in the committee of a decided request, and no vote of its own is known."""
    seat = next((turn for turn in job.turns if turn.mine), None)
    if seat is None or job.phase not in _GOOD_END or job.prover is None or job.proof_hash is None:
        return None
    if job.prover == seat.prover or any(vote.mine for vote in job.votes):
        return None
    return VoteLine(
        job.request_id, job.consumer, seat.prover, job.prover, job.proof_hash, job.attempt, False, True, True,
        job.received_ms, missed=True, why=job.unvoted,
    )  # fmt: skip


def _line(job: JobView, vote: VoteView) -> VoteLine:
    return VoteLine(
        request_id=job.request_id,
        consumer=job.consumer,
        voter=vote.voter,
        prover=vote.prover,
        proof_hash=vote.proof_hash,
        attempt=vote.attempt,
        valid=vote.valid,
        mine=vote.mine,
        outcome=_outcome(job, vote),
        received_ms=job.received_ms,
    )


def _outcome(job: JobView, vote: VoteView) -> bool | None:
    if job.phase in _GOOD_END and job.proof_hash == vote.proof_hash:
        return True
    for turn in job.turns:
        if turn.prover == vote.prover and turn.state == "voted down":
            return False
    return None


def missed_words(line: VoteLine) -> str:
    """Why this node did not vote, as far as it is known."""
    return line.why or tr(
        "The proof was not here in time, or the node was not running. It costs this vote’s reward."
    )


def _voter_cell(line: VoteLine) -> Cell:
    return Cell(
        tr("You") if line.mine else short(line.voter),
        mono=not line.mine,
        strong=line.mine,
        tip=hex0x(line.voter),
    )


def _verdict_cell(line: VoteLine) -> Cell:
    if line.missed:
        return Cell(tr("Missed"), tone="warn", icon="dash", tip=missed_words(line))
    look = verdict_look(line.valid)
    return Cell(look.word, tone=look.tone, icon=look.icon)


def _outcome_cell(line: VoteLine) -> Cell:
    if line.missed:
        return Cell("–", tone="muted")
    if line.outcome is None:
        return Cell(tr("Open"), tone="muted", icon="waiting", tip=tr("The quorum is not reached yet."))
    if line.outcome == line.valid:
        return Cell(tr("Agrees"), tone="good", icon="check", tip=tr("The committee decided the same."))
    return Cell(tr("Differs"), tone="warn", icon="warn", tip=tr("The committee decided otherwise."))


def vote_columns() -> list[Column[VoteLine]]:
    return [
        Column(tr("Request"), lambda v: Cell(short(v.request_id), mono=True, tip=hex0x(v.request_id)), 124),
        Column(tr("Received"), lambda v: Cell(text.clock(v.received_ms), tone="muted"), 140),
        Column(tr("Voter"), _voter_cell, 130),
        Column(tr("Prover"), lambda v: Cell(short(v.prover), mono=True, tip=hex0x(v.prover)), 130),
        Column(tr("Attempt"), lambda v: Cell(str(v.attempt + 1), tone="muted"), 80, right=True),
        Column(
            tr("Proof"),
            lambda v: Cell(short(v.proof_hash), mono=True, tone="muted", tip=hex0x(v.proof_hash)),
            0,
        ),
        Column(tr("Vote"), _verdict_cell, 110),
        Column(tr("Outcome"), _outcome_cell, 120),
    ]
