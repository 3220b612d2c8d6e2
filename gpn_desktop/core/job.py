"""A request's whole life on one node: ``step(state, event, now) → (state, effects)``.

The state is what the signed messages and the chain say; it never holds what only this process knows about
itself except ``mine``, which the journal restores. Settlement follows from ``Accept`` and is the contract's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from gpn_desktop.core import effects as fx
from gpn_desktop.core import events as ev
from gpn_desktop.core.messages import CastVote, Signed
from gpn_desktop.core.turns import EARLY_TOLERANCE_MS, Marks, Turn, TurnState, turns
from gpn_desktop.core.types import (
    Address,
    Announcement,
    Decline,
    Hash32,
    Millis,
    Request,
    Role,
    Snapshot,
    Vote,
)
from gpn_desktop.core.voting import Tally, Verdict, verdict

MAX_HASHES_PER_PROVER: Final = 2
MAX_HELD_OF_ONE: Final = 8
"""Messages of one member kept while the order is unknown: two announcements, a decline and some votes."""

ProofKey = tuple[Address, Hash32]


@dataclass(frozen=True, slots=True)
class Mine:
    """What this node has done itself about the request."""

    address: Address | None
    refusal: str | None = None
    proving: bool = False
    announced: bool = False
    declined: bool = False
    verifying: frozenset[ProofKey] = frozenset()
    voted: frozenset[ProofKey] = frozenset()
    found_valid: ProofKey | None = None
    held_back: tuple[ev.Validated, ...] = ()
    """Later provers' valid proofs, not signed for while this node's own may still be verified."""


@dataclass(frozen=True)
class Job:
    """The state of one request. ``interrupted``: an earlier run of this node died while proving it.

    ``silent``: this node signs no proof and no vote of it any more, since it might contradict itself.
    """

    request_id: Hash32
    request: Request
    snapshot: Snapshot
    mine: Mine
    interrupted: bool = False
    silent: bool = False
    order: ev.OrderKnown | None = None
    announcements: Mapping[ProofKey, Signed[Announcement]] = field(default_factory=dict)
    marks: Mapping[Address, Marks] = field(default_factory=dict)
    tallies: Mapping[ProofKey, Tally] = field(default_factory=dict)
    down: frozenset[ProofKey] = frozenset()
    held: tuple[ev.Announced | ev.Voted | ev.Declined, ...] = ()
    accepted: ProofKey | None = None
    cancelled: bool = False
    expired: bool = False

    @property
    def over(self) -> bool:
        """No more turns: verified, cancelled or expired. Votes still count."""
        return self.accepted is not None or self.cancelled or self.expired

    def rank(self, prover: Address) -> int | None:
        if self.order is None or prover not in self.order.ranking:
            return None
        return self.order.ranking.index(prover)

    def turns(self, now: Millis) -> tuple[Turn, ...]:
        if self.order is None:
            return ()
        timeout_ms = self.request.details.proving_timeout * 1000
        return turns(self.order.ranking, self.marks, self.order.t0, timeout_ms, now)


Step = tuple[Job, tuple[fx.Effect, ...]]


def open_job(
    signed: Signed[Request],
    snapshot: Snapshot,
    me: Address | None,
    interrupted: bool = False,
    silent: bool = False,
) -> Job:
    """The state of a valid request that was just accepted; ``me`` is None for a node without a seat."""
    address = me if me in snapshot.members else None
    return Job(signed.digest, signed.message, snapshot, Mine(address), interrupted, silent)


def step(job: Job, event: ev.Event, now: Millis) -> Step:
    """Apply one event at chain time ``now``; the effects are in the order in which they have to happen."""
    job, out = _apply(job, event, now)
    job, more = _advance(job, now)
    return job, out + more


def replay(job: Job, history: Iterable[tuple[ev.Event, Millis]]) -> Job:
    """The state after the statements of the journal, as an onlooker sees it, with what is ours put back.

    No effects come out: what was done is in the journal, what was not follows from the next ``step``. A
    caller that finds ``accepted`` has to see to the settlement.
    """
    me = job.mine.address
    watched = replace(job, mine=Mine(None), interrupted=False)
    for event, at in history:
        watched, _ = step(watched, event, at)
    if me is None:
        return replace(watched, interrupted=job.interrupted)
    votes = {k: tally.opinions[me] for k, tally in watched.tallies.items() if me in tally.opinions}
    mine = Mine(
        me,
        announced=any(prover == me for prover, _ in watched.announcements),
        declined=watched.marks.get(me, Marks()).declined is not None,
        voted=frozenset(votes),
        found_valid=next((k for k, cast in votes.items() if cast.signed.message.valid), None),
    )
    return replace(watched, mine=mine, interrupted=job.interrupted)


def next_wake(job: Job, now: Millis) -> Millis | None:
    """When time alone changes something next; None if nothing does."""
    if job.over:
        return None
    deadline = Millis(job.request.deadline * 1000)
    if job.order is None:
        return deadline
    times = [deadline, job.order.t0] + [t.end for t in job.turns(now) if t.end is not None]
    return min((t for t in times if t > now), default=deadline)


# One event -----------------------------------------------------------------------------------------------


def _apply(job: Job, event: ev.Event, now: Millis) -> Step:
    match event:
        case ev.OrderKnown():
            return _order_known(job, event, now)
        case ev.Announced() | ev.Voted() | ev.Declined():
            return _from_peer(job, event, now)
        case ev.Cancelled(signed):
            # After t₀ provers may have spent work on it.
            early = job.order is None or now < job.order.t0
            genuine = signed.signer == job.request.consumer and signed.message.request_id == job.request_id
            return (replace(job, cancelled=True) if early and genuine else job), ()
        case ev.Willing(refusal):
            return _mine(job, refusal=refusal), ()
        case ev.Proved(proof_hash, size):
            return _proved(job, proof_hash, size)
        case ev.ProveFailed(code):
            return _decline(_mine(job, proving=False), code)
        case ev.Fetched(prover, proof_hash):
            return _fetched(job, (prover, proof_hash), now), ()
        case ev.Validated():
            return _validated(job, event)
        case ev.Silenced():
            stop: tuple[fx.Effect, ...] = (fx.StopProving(),) if job.mine.proving else ()
            return _mine(replace(job, silent=True), proving=False), stop
        case ev.Tick():
            return job, ()


def _order_known(job: Job, order: ev.OrderKnown, now: Millis) -> Step:
    """A reorg may bring another order, but never for a request of which a proof was announced.

    An own proof counts from when it is to be announced: the signature under it may exist already.
    """
    if job.announcements or job.mine.announced or job.order == order:
        return job, ()
    held = job.held
    job = replace(job, order=order, held=())
    out: tuple[fx.Effect, ...] = ()
    for event in held:
        job, more = _from_peer(job, event, now)
        out += more
    return job, out


def _from_peer(job: Job, event: ev.Announced | ev.Voted | ev.Declined, now: Millis) -> Step:
    if job.order is None:
        return _hold(job, event), ()
    match event:
        case ev.Announced(signed):
            return _announced(job, signed, now)
        case ev.Voted(cast):
            return _voted(job, cast, now)
        case ev.Declined(signed):
            return _declined(job, signed, now), ()


def _hold(job: Job, event: ev.Announced | ev.Voted | ev.Declined) -> Job:
    """Keep it for when the order is known: members' words only, and of each only so many.

    Anybody can sign something about a request; what nobody counts later must not take the others' place.
    """
    author = _author(event)
    said = sum(_author(other) == author for other in job.held)
    if author not in job.snapshot.members or said >= MAX_HELD_OF_ONE or event in job.held:
        return job
    return replace(job, held=(*job.held, event))


def _author(event: ev.Announced | ev.Voted | ev.Declined) -> Address:
    return event.cast.signed.signer if isinstance(event, ev.Voted) else event.signed.signer


def _announced(job: Job, signed: Signed[Announcement], now: Millis) -> Step:
    said = signed.message
    if not _announcement_fits(job, signed):
        return job, ()
    key = (said.prover, said.proof_hash)
    others = [s for (prover, _), s in job.announcements.items() if prover == said.prover]
    if key in job.announcements or len(others) >= MAX_HASHES_PER_PROVER:
        return job, ()
    job = replace(job, announcements={**job.announcements, key: signed})
    if said.prover == job.mine.address:
        job = _mine(job, announced=True, proving=False)
        job = _fetched(job, key, now)
    evidence = tuple(fx.DoubleAnnouncement(first, signed) for first in others)
    return job, evidence


def _announcement_fits(job: Job, signed: Signed[Announcement]) -> bool:
    said = signed.message
    return (
        job.order is not None
        and signed.signer == said.prover
        and said.request_id == job.request_id
        and said.seed == job.order.seed
        and said.attempt == job.rank(said.prover)
    )


def _voted(job: Job, cast: CastVote, now: Millis) -> Step:
    vote = cast.signed.message
    voter = cast.signed.signer
    if not _vote_fits(job, cast):
        return job, ()
    key = (vote.prover, vote.proof_hash)
    tally = job.tallies.get(key, Tally())
    counted = tally.add(cast)
    if counted is tally:
        return job, ()
    out: tuple[fx.Effect, ...] = ()
    if voter in counted.equivocators and voter not in tally.equivocators:
        out = (fx.Equivocation(tally.opinions[voter], cast),)
    job = replace(job, tallies={**job.tallies, key: counted})
    if voter == job.mine.address:
        job = _mine(job, voted=job.mine.voted | {key})
        if vote.valid:
            job = _mine(job, found_valid=key)
    job, more = _judge(job, key, vote.attempt, now)
    return job, out + more


def _vote_fits(job: Job, cast: CastVote) -> bool:
    """Of the committee's V, on this request, on the prover's own rank, and within the two hashes."""
    vote = cast.signed.message
    if job.order is None or cast.seed != job.order.seed or vote.request_id != job.request_id:
        return False
    if vote.attempt != job.rank(vote.prover):
        return False
    voter = cast.signed.signer
    if voter not in job.snapshot.verifiers(vote.prover):
        return False
    hashes = {h for (p, h), tally in job.tallies.items() if p == vote.prover and voter in tally.opinions} - {
        vote.proof_hash
    }
    return len(hashes) < MAX_HASHES_PER_PROVER


def _judge(job: Job, key: ProofKey, attempt: int, now: Millis) -> Step:
    prover, proof_hash = key
    result = verdict(job.tallies[key], len(job.snapshot.verifiers(prover)), job.request.quorum)
    if result is Verdict.VALID and job.accepted is None:
        # Final, and it overrides an earlier failure and an expiry.
        stop: tuple[fx.Effect, ...] = (fx.StopProving(),) if job.mine.proving else ()
        job = _mine(replace(job, accepted=key, expired=False), proving=False)
        return job, (*stop, fx.Accept(prover, proof_hash, attempt))
    if result is Verdict.DOWN and key not in job.down and job.accepted is None:
        job = replace(job, down=job.down | {key})
        mark = job.marks.get(prover, Marks())
        if mark.voted_down is None:
            job = _mark(job, prover, replace(mark, voted_down=now))
        return job, (fx.VotedDown(prover, proof_hash, attempt),)
    return job, ()


def _declined(job: Job, signed: Signed[Decline], now: Millis) -> Job:
    prover = signed.message.prover
    if signed.signer != prover or signed.message.request_id != job.request_id or job.rank(prover) is None:
        return job
    if prover == job.mine.address:
        job = _mine(job, declined=True, proving=False)
    mark = job.marks.get(prover, Marks())
    return job if mark.declined is not None else _mark(job, prover, replace(mark, declined=now))


def _fetched(job: Job, key: ProofKey, now: Millis) -> Job:
    mark = job.marks.get(key[0], Marks())
    if key not in job.announcements or mark.announced is not None:
        return job
    return _mark(job, key[0], replace(mark, announced=now))


def _proved(job: Job, proof_hash: Hash32, size: int) -> Step:
    """An own proof is announced even when it is late: it is still voted on until some proof is verified."""
    me = job.mine.address
    rank = None if me is None else job.rank(me)
    was_proving = job.mine.proving
    order = job.order
    job = _mine(job, proving=False)
    if me is None or rank is None or order is None or job.over or job.mine.announced or not was_proving:
        return job, ()
    signed_for = job.mine.found_valid
    if signed_for is not None and rank < (job.rank(signed_for[0]) or 0):
        return job, ()  # that prover signs for this proof, so this node must not have signed for its
    said = Announcement(job.request_id, me, rank, proof_hash, size, order.seed)
    return _mine(job, announced=True), (fx.Announce(said),)


def _decline(job: Job, reason: str) -> Step:
    me = job.mine.address
    if me is None or job.mine.declined or job.mine.announced or job.over:
        return job, ()
    return _mine(job, declined=True), (fx.SignDecline(Decline(job.request_id, me), reason),)


def _validated(job: Job, event: ev.Validated) -> Step:
    key = (event.prover, event.proof_hash)
    job = _mine(job, verifying=job.mine.verifying - {key})
    if event.valid is None or key not in job.announcements or key in job.mine.voted:
        return _mine(job, voted=job.mine.voted | {key}), ()
    if event.valid and _own_goes_before(job, key):
        return _mine(job, held_back=(*job.mine.held_back, event)), ()
    return _vote(job, event)


def _vote(job: Job, event: ev.Validated) -> Step:
    key = (event.prover, event.proof_hash)
    order, attempt = job.order, job.announcements[key].message.attempt
    elsewhere = [k for k in (job.mine.found_valid, job.accepted) if k is not None and k != key]
    job = _mine(job, voted=job.mine.voted | {key})
    if order is None or event.valid is None or job.silent or (event.valid and elsewhere):
        # One valid proof per request: a second signature would let two provers both settle.
        return job, ()
    if event.valid:
        job = _mine(job, found_valid=key)
    vote = Vote(job.request_id, event.prover, event.proof_hash, attempt, event.valid)
    return job, (fx.Cast(vote, event.possession, order.seed),)


def _own_goes_before(job: Job, key: ProofKey) -> bool:
    """Of two provers with a proof only the later one signs for the other.

    A quorum is a majority of V, but two provers have two different V: in a committee of four, B and C could
    verify A's proof while A and D verify B's. Since A, the earlier, stays silent until its own proof can't be
    verified any more, all signatures under both proofs are fewer than two quorums.
    """
    me, mine = job.mine.address, job.mine
    if me is None or not mine.announced or key == job.accepted:
        return False
    own, other = job.rank(me), job.rank(key[0])
    return own is not None and other is not None and own < other and not any(p == me for p, _ in job.down)


def _let_go(job: Job) -> Step:
    """Sign what was held back, once this node's own proof stands in nobody's way."""
    out: tuple[fx.Effect, ...] = ()
    for event in job.mine.held_back:
        if _own_goes_before(job, (event.prover, event.proof_hash)):
            continue
        job = _mine(job, held_back=tuple(e for e in job.mine.held_back if e is not event))
        job, more = _vote(job, event)
        out += more
    return job, out


# What follows from the state and the time ------------------------------------------------------------------


def _advance(job: Job, now: Millis) -> Step:
    if job.cancelled:
        return _mine(job, proving=False), ((fx.StopProving(),) if job.mine.proving else ())
    out: tuple[fx.Effect, ...] = ()
    if not job.over and job.order is not None:
        job, out = _take_turn(job, now)
    if job.mine.held_back:
        job, signed = _let_go(job)
        out += signed
    job, verify = _start_verifying(job, now)
    out += verify
    return _expire(job, now, out)


def _take_turn(job: Job, now: Millis) -> Step:
    mine = job.mine
    rank = None if mine.address is None else job.rank(mine.address)
    if rank is None or mine.announced or mine.declined or mine.proving:
        return job, ()
    if mine.refusal is not None:
        return _decline(job, mine.refusal)
    if job.silent:
        return _decline(job, "silent")
    if job.interrupted:
        # The proof may be what ended the last run; the next prover is faster than a second crash.
        return _decline(job, "interrupted")
    turn = job.turns(now)[rank]
    if turn.state is TurnState.RUNNING and turn.end is not None:
        deadline = Millis(job.request.deadline * 1000)
        return _mine(job, proving=True), (fx.Prove(rank, min(turn.end, deadline)),)
    return job, ()


def _start_verifying(job: Job, now: Millis) -> Step:
    """Verify what was announced and whose turn has come (early announcements wait for theirs)."""
    me = job.mine.address
    if me is None or job.order is None or job.expired or job.silent:
        return job, ()
    done = job.mine.verifying | job.mine.voted | {(e.prover, e.proof_hash) for e in job.mine.held_back}
    new = [key for key in job.announcements if key not in done and me in job.snapshot.verifiers(key[0])]
    if not new:
        return job, ()
    soon = Millis(now + EARLY_TOLERANCE_MS)
    begun = {t.prover for t in job.turns(soon) if t.start is not None and t.start <= soon}
    ready = [key for key in new if key[0] in begun]
    job = _mine(job, verifying=job.mine.verifying | frozenset(ready))
    return job, tuple(fx.Verify(job.announcements[key].message) for key in ready)


def _expire(job: Job, now: Millis, out: tuple[fx.Effect, ...]) -> Step:
    if job.over:
        return job, out
    if now < job.request.deadline * 1000 and not _used_up(job, now):
        return job, out
    stop: tuple[fx.Effect, ...] = (fx.StopProving(),) if job.mine.proving else ()
    return _mine(replace(job, expired=True), proving=False), (*out, *stop)


def _used_up(job: Job, now: Millis) -> bool:
    """Whether every prover has had its turn; a turn only starts when the one before it has ended."""
    last = job.turns(now)[-1:]
    return job.order is not None and all(t.state not in (TurnState.WAITING, TurnState.RUNNING) for t in last)


def can_prove(snapshot: Snapshot, address: Address) -> bool:
    seat = snapshot.members.get(address)
    return seat is not None and bool(snapshot.seats[seat].roles & Role.PROVE)


def _mine(job: Job, **changes: object) -> Job:
    mine = replace(job.mine, **changes)  # type: ignore[arg-type]
    return job if mine == job.mine else replace(job, mine=mine)


def _mark(job: Job, prover: Address, mark: Marks) -> Job:
    return replace(job, marks={**job.marks, prover: mark})
