"""One request on this node: the core's state, and what only people and this process need beside it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gpn_desktop.core.job import MAX_HASHES_PER_PROVER, Job, ProofKey
from gpn_desktop.core.messages import CastVote, RequestMessage
from gpn_desktop.core.turns import Turn, TurnState
from gpn_desktop.core.types import Address, Gwei, Hash32, Millis
from gpn_desktop.core.voting import Tally
from gpn_desktop.ports.store import JobRow
from gpn_desktop.services.views import JobView, Phase, StepView, TurnView, VoteView

ORDINALS = ("1st", "2nd", "3rd")


@dataclass
class Entry:
    """``settled``: SETTLED or PAID once the chain says so, REFUSED when another request took the nonce.

    ``credited``: whose proof the chain settled, for a node that has no verdict of its own.
    ``closed``: a verdict, and nothing can come of it any more. ``watched``: how many clients follow it.
    """

    message: RequestMessage
    job: Job
    gateway: bool
    received: Millis
    received_ms: int
    late: bool = False
    settled: Phase | None = None
    credited: Address | None = None
    closed: bool = False
    watched: int = 0
    recheck_order: bool = False
    pinned: bool = False  # the store has the order
    verdict_ms: int = 0
    ended_ms: int = 0
    earned: Gwei = Gwei(0)
    error: str = ""
    unvoted: str = ""  # why this node has no opinion on the latest proof that it was to check
    phase: Phase = Phase.WAITING
    timeline: list[StepView] = field(default_factory=list)
    unproven: dict[ProofKey, list[CastVote]] = field(default_factory=dict)
    proofs: dict[Hash32, asyncio.Task[None]] = field(default_factory=dict)
    present: set[Hash32] = field(default_factory=set)
    canaries: set[Address] = field(default_factory=set)  # provers whose false proof the consumer ordered
    inline: dict[Hash32, bytes] = field(default_factory=dict)
    proving: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None
    counted: set[Phase] = field(default_factory=set)  # outcomes that this run's meters know of
    prove_ms: float | None = None
    verify_ms: float | None = None

    @property
    def id(self) -> Hash32:
        return self.job.request_id

    @property
    def over(self) -> bool:
        """Nothing here changes by this node's doing any more."""
        return self.phase.ended or self.settled is not None or self.closed

    @property
    def consumer(self) -> Address:
        return self.job.request.consumer

    @property
    def is_suspect(self) -> bool:
        """Somebody voted against a proof, contradicted itself, or announced twice."""
        job = self.job
        provers = [prover for prover, _ in job.announcements]
        odd = any(tally.equivocators or tally.count(False) for tally in job.tallies.values())
        return odd or len(set(provers)) < len(provers)

    def may_wait(self, cast: CastVote) -> bool:
        """Whether a vote on a proof that is not here may wait for it.

        Only a verifier's, and only on two proofs of one prover: strangers, and members that vote on what does
        not exist, would take the place of the others' votes.
        """
        vote, voter = cast.signed.message, cast.signed.signer
        snapshot = self.job.snapshot
        if vote.prover not in snapshot.members or voter not in snapshot.verifiers(vote.prover):
            return False
        others = sum(
            prover == vote.prover
            and proof_hash != vote.proof_hash
            and any(c.signed.signer == voter for c in casts)
            for (prover, proof_hash), casts in self.unproven.items()
        )
        return others < MAX_HASHES_PER_PROVER

    def phase_at(self, now: Millis) -> Phase:
        job = self.job
        if self.settled is not None:
            return self.settled
        if job.accepted is not None:
            return Phase.VERIFIED
        if job.cancelled:
            return Phase.CANCELLED
        if job.expired:
            return Phase.EXPIRED
        if job.order is None or now < job.order.t0:
            return Phase.WAITING
        running = self._current(now)
        announced = running is not None and any(p == running.prover for p, _ in job.announcements)
        return Phase.VERIFYING if announced else Phase.PROVING

    def _current(self, now: Millis) -> Turn | None:
        return next((t for t in self.job.turns(now) if t.state is TurnState.RUNNING), None)

    @property
    def winner(self) -> Address | None:
        """Whose proof was verified, by this node's own verdict or by the chain's word."""
        return self.job.accepted[0] if self.job.accepted is not None else self.credited

    def attempt_at(self, now: Millis) -> tuple[int, Address | None]:
        """The attempt that counts now and its prover."""
        winner = self.winner
        if winner is not None:
            return self.job.rank(winner) or 0, winner
        running = self._current(now)
        return (running.rank, running.prover) if running else (0, None)

    def tally(self) -> Tally:
        """Of the accepted proof, else of the one with the most opinions."""
        if self.job.accepted is not None:
            return self.job.tallies.get(self.job.accepted, Tally())
        return max(self.job.tallies.values(), key=lambda t: len(t.opinions), default=Tally())

    def role(self) -> str:
        me = self.job.mine.address
        if me is None:
            return "Gateway" if self.gateway else "None"
        rank = self.job.rank(me)
        if rank is not None and (self.winner == me or (self.winner is None and self.job.mine.proving)):
            return f"Prover, {ordinal(rank)}"
        return "Verifier"

    def row(self, now: Millis) -> JobRow:
        attempt, prover = self.attempt_at(now)
        request = self.job.request
        return JobRow(
            request_id=self.id,
            ref=request.details.ref,
            consumer=request.consumer,
            phase=self.phase.value,
            role=self.role(),
            attempt=attempt,
            prover=prover,
            reward=request.reward,
            earned=self.earned,
            deadline=request.deadline,
            received_ms=self.received_ms,
            verdict_ms=self.verdict_ms,
            ended_ms=self.ended_ms,
            proof_hash=self.job.accepted[1] if self.job.accepted else None,
            payload_hash=request.payload_hash,
            error=self.error,
            open=not self.phase.ended and self.phase is not Phase.SETTLED and not self.closed,
            gateway=self.gateway,
        )

    def view(self, now: Millis) -> JobView:
        attempt, prover = self.attempt_at(now)
        request = self.job.request
        tally = self.tally()
        return JobView(
            request_id=self.id,
            ref=request.details.ref,
            consumer=request.consumer,
            phase=self.phase,
            role=self.role(),
            attempt=attempt,
            prover=prover,
            reward=request.reward,
            earned=self.earned,
            deadline=request.deadline,
            quorum=request.quorum,
            valid_votes=tally.count(True),
            invalid_votes=tally.count(False),
            committee=len(self.job.snapshot.seats),
            received_ms=self.received_ms,
            verdict_ms=self.verdict_ms,
            proof_hash=self.job.accepted[1] if self.job.accepted else None,
            seed=self.job.order.seed if self.job.order else None,
            turns=self._turn_views(now),
            votes=self._vote_views(),
            timeline=tuple(self.timeline),
            error=self.error,
            prove_ms=self.prove_ms,
            verify_ms=self.verify_ms,
            unvoted=self.unvoted,
        )

    def _turn_views(self, now: Millis) -> tuple[TurnView, ...]:
        return tuple(
            TurnView(t.rank, t.prover, t.prover == self.job.mine.address, *self._turn_state(t))
            for t in self.job.turns(now)
        )

    def _turn_state(self, turn: Turn) -> tuple[str, Hash32 | None]:
        hashes = [h for p, h in self.job.announcements if p == turn.prover]
        proof_hash = hashes[0] if hashes else None
        accepted = self.job.accepted
        if accepted is not None and accepted[0] == turn.prover:
            return "verified", accepted[1]
        if self._never_begun(turn):
            return "skipped", proof_hash
        if turn.state is TurnState.RUNNING and not self.job.over:
            return ("announced" if hashes else "proving"), proof_hash
        if turn.state in (TurnState.WAITING, TurnState.RUNNING):
            return ("skipped" if self.job.over else "waiting"), proof_hash
        return ("timed out" if turn.state is TurnState.UNDECIDED else turn.state.value), proof_hash

    def _never_begun(self, turn: Turn) -> bool:
        """Nobody waited for it: by the clock alone it would have passed since."""
        if turn.state not in (TurnState.UNDECIDED, TurnState.RUN_OUT):
            return False
        accepted = self.job.accepted
        winner = self.job.rank(accepted[0]) if accepted is not None else None
        return self.job.cancelled or (winner is not None and turn.rank > winner)

    def _vote_views(self) -> tuple[VoteView, ...]:
        me = self.job.mine.address
        return tuple(
            VoteView(voter, vote.prover, vote.proof_hash, vote.attempt, vote.valid, voter == me)
            for tally in self.job.tallies.values()
            for voter, vote in ((a, c.signed.message) for a, c in tally.opinions.items())
        )


def ordinal(rank: int) -> str:
    return ORDINALS[rank] if rank < len(ORDINALS) else f"{rank + 1}th"


def view_of_row(row: JobRow) -> JobView:
    """An old request, of which only the summary is in memory."""
    return JobView(
        request_id=row.request_id,
        ref=row.ref,
        consumer=row.consumer,
        phase=Phase(row.phase),
        role=row.role,
        attempt=row.attempt,
        prover=row.prover,
        reward=row.reward,
        earned=row.earned,
        deadline=row.deadline,
        quorum=0,
        valid_votes=0,
        invalid_votes=0,
        committee=0,
        received_ms=row.received_ms,
        verdict_ms=row.verdict_ms,
        proof_hash=row.proof_hash,
        seed=None,
        turns=(),
        votes=(),
        timeline=(),
        error=row.error,
    )
