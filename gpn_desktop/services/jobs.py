"""All requests of one node: statements and time go in, effects are carried out.

The core decides; this module journals what the node signs before it leaves, feeds the core with what comes
back, and keeps the requests' summaries for people. Statements of others are journalled as well: they are what
a restart computes the state from, what late joiners get, and the evidence.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Final

from gpn_desktop.core import effects as fx
from gpn_desktop.core import events as ev
from gpn_desktop.core.errors import ChainUnreachable, GpnError, ProverTimeout
from gpn_desktop.core.job import Job, next_wake, open_job, step
from gpn_desktop.core.messages import (
    MAX_INLINE_BYTES,
    AnnouncementMessage,
    CanaryMessage,
    CancelMessage,
    CastVote,
    DeclineMessage,
    PeerMessage,
    RequestMessage,
    Signed,
    VotesMessage,
)
from gpn_desktop.core.policy import Policy, refusal
from gpn_desktop.core.turns import VERIFY_TIMEOUT_MS
from gpn_desktop.core.types import (
    Address,
    Announcement,
    Decline,
    Gwei,
    Hash32,
    Millis,
    Request,
    Snapshot,
    Vote,
)
from gpn_desktop.services.authority import Authority
from gpn_desktop.services.context import Context, log, request_tag
from gpn_desktop.services.entry import Entry
from gpn_desktop.services.journal import Journal
from gpn_desktop.services.marks import proving_mark
from gpn_desktop.services.outbox import Outbox
from gpn_desktop.services.views import Phase, StepView
from gpn_desktop.services.workshop import Workshop

MAX_UNPROVEN: Final = 64  # votes on one proof that wait for it: each verifier's, and its opposite
MAX_IN_MEMORY: Final = 500
FETCH_PAUSE: Final = 1.0  # seconds between two tries to get an announced proof

Statement = AnnouncementMessage | DeclineMessage | VotesMessage | CancelMessage | CanaryMessage


class Jobs:
    def __init__(self, ctx: Context, authority: Authority, workshop: Workshop, outbox: Outbox) -> None:
        self.entries: OrderedDict[Hash32, Entry] = OrderedDict()
        self.paused = False
        self.barred = False  # a slashed node; nothing that the operator resumes
        self.on_accept: Callable[[Entry], Coroutine[object, object, None]] | None = None
        self.on_judged: Callable[[Entry, Address, bool], None] | None = None
        self.on_fault: Callable[[Entry], None] | None = None
        self.on_double_request: Callable[[Signed[Request], Signed[Request], Snapshot], None] | None = None
        self.journal = Journal(ctx, authority, self.fall_silent)
        self._ctx = ctx
        self._authority = authority
        self._workshop = workshop
        self._outbox = outbox
        self._proofs_in_work = 0
        self._owed: dict[Address, int] = {}

    @property
    def running(self) -> int:
        return self._proofs_in_work

    # requests ---------------------------------------------------------------------------------------------

    async def open(
        self, message: RequestMessage, snapshot: Snapshot, gateway: bool, received: Millis
    ) -> Entry:
        """Take in a request that was admitted. It is in the journal before anything else knows of it."""
        job = self.begin(message.signed, snapshot)
        entry = Entry(message, job, gateway, received, self._unix_ms())
        self._note(entry, "Received")
        consumer = message.signed.message.consumer
        await self._ctx.store.keep(entry.id, consumer, message, own=gateway, time_ms=received)
        await self._ctx.store.put_job(entry.row(received))
        self.entries[entry.id] = entry
        self._ctx.meters.opened(gateway)
        self._owed.pop(entry.consumer, None)
        await self.learn_order(entry)
        self._forget_old()
        self._ctx.changed()
        return entry

    def begin(self, signed: Signed[Request], snapshot: Snapshot, interrupted: bool = False) -> Job:
        """The state of a request that was just admitted, or is restored."""
        silent = self.barred or not self.journal.covers(signed.message)
        return open_job(signed, snapshot, self._ctx.me, interrupted, silent)

    def restore(self, entry: Entry) -> None:
        """Know of a request that the journal gave back; nothing is done about it yet."""
        self.entries[entry.id] = entry
        self._owed.pop(entry.consumer, None)

    def resume(self, entry: Entry) -> None:
        """Go on with a restored request where it stands."""
        self._note(entry, "Resumed after a restart")
        if self.on_fault is not None:
            self.on_fault(entry)
        for said in (s.message for s in entry.job.announcements.values()):
            self._fetch(entry, said)
        if entry.job.accepted is not None and entry.settled is None and self.on_accept is not None:
            self._ctx.tasks.spawn(self.on_accept(entry), "settle again")
        self.feed(entry, ev.Tick())

    def bar(self) -> None:
        """This node was slashed."""
        self.barred = True
        self.fall_silent()

    def fall_silent(self) -> None:
        """Say nothing new about any request that is open."""
        for entry in list(self.entries.values()):
            self.feed(entry, ev.Silenced())

    async def learn_order(self, entry: Entry) -> None:
        """Ask for the order of the provers; called again for each new head until it is known."""
        job = entry.job
        try:
            order = await self._authority.order(entry.id, job.request, job.snapshot)
        except ChainUnreachable as error:
            log.warning("request %s: the order is not known yet: %s", request_tag(entry.id), error)
            return
        if order is None:
            return
        entry.recheck_order = False
        entry.late = self._authority.is_late(order, entry.received) and not self._vouched(entry)
        if not entry.late:
            self.feed(entry, order)

    def _vouched(self, entry: Entry) -> bool:
        """Whether a member that was on time has said something about the request."""
        members = entry.job.snapshot.members
        for event in entry.job.held:
            signer = event.cast.signed.signer if isinstance(event, ev.Voted) else event.signed.signer
            if signer in members and signer != self._ctx.me:
                return True
        return False

    # statements -------------------------------------------------------------------------------------------

    async def take(self, entry: Entry, message: Statement) -> None:
        """A statement about an open request, from the network."""
        await self.journal.recall(entry, message)
        match message:
            case AnnouncementMessage(_, signed, proof):
                if proof is not None:
                    await self._workshop.keep_inline(entry, signed.message, proof)
                self._take_event(entry, ev.Announced(signed), replace(message, proof=None))
            case DeclineMessage(_, declined, _):
                self._take_event(entry, ev.Declined(declined), message)
            case CancelMessage(_, cancelled):
                self._take_event(entry, ev.Cancelled(cancelled), message)
            case CanaryMessage():
                self._take_canary(entry, message)
            case VotesMessage(_, votes):
                for cast in votes:
                    await self._take_vote(entry, cast)
        if entry.late and self._vouched(entry):
            await self.learn_order(entry)

    def _take_canary(self, entry: Entry, message: CanaryMessage) -> None:
        """The consumer had asked for the false proof: its prover is no cheat, who signed for it is blind."""
        prover = message.signed.message.prover
        if message.signed.signer != entry.consumer or prover in entry.canaries:
            return
        entry.canaries.add(prover)
        self._journal(entry, message)
        self._note(entry, "A canary: the consumer had asked for the false proof")
        self._ctx.emit("canary", {"request": entry.id.hex(), "prover": prover.hex()})
        if self.on_fault is not None:
            self.on_fault(entry)

    def _take_event(self, entry: Entry, event: ev.Event, message: PeerMessage) -> None:
        if self.feed(entry, event):
            self._ctx.meters.took(event)
            self._journal(entry, message)

    async def _take_vote(self, entry: Entry, cast: CastVote) -> None:
        """A vote counts when its author shows the proof; until the proof is here, nobody can tell."""
        vote = cast.signed.message
        key = (vote.prover, vote.proof_hash)
        if vote.proof_hash in entry.present:
            proof = entry.inline.get(vote.proof_hash) or await self._ctx.store.blob(vote.proof_hash)
            if proof is not None:
                await self._count(entry, cast, proof)
            return
        if not entry.may_wait(cast):
            return
        waiting = entry.unproven.setdefault(key, [])
        if len(waiting) < MAX_UNPROVEN and cast not in waiting:
            waiting.append(cast)

    async def _count(self, entry: Entry, cast: CastVote, proof: bytes) -> None:
        if not await self._workshop.has_proof(cast, proof):
            tag, voter = request_tag(entry.id), cast.signed.signer.hex()
            log.warning("request %s: a vote of %s without the proof", tag, voter)
            return self._ctx.emit("vote_refused", {"request": entry.id.hex(), "voter": voter})
        self._take_event(entry, ev.Voted(cast), VotesMessage(entry.consumer, (cast,)))

    def _journal(self, entry: Entry, message: PeerMessage) -> None:
        self._ctx.tasks.spawn(self.journal.keep(entry, message, False, self._authority.now()), "journal")

    # the core ---------------------------------------------------------------------------------------------

    def feed(self, entry: Entry, event: ev.Event) -> bool:
        """One event through the core; whether it changed anything."""
        before = entry.job
        if entry.job.mine.address is not None and not entry.job.over:
            unwilling = self._refusal(entry)
            if unwilling != entry.job.mine.refusal:
                self._step(entry, ev.Willing(unwilling))
        known = entry.job.announcements
        self._step(entry, event)
        for key, signed in entry.job.announcements.items():
            if key not in known:
                self._fetch(entry, signed.message)
        self._schedule(entry)
        self._refresh(entry)
        if entry.job is not before and self.on_fault is not None and entry.is_suspect:
            self.on_fault(entry)
        return entry.job is not before

    def _step(self, entry: Entry, event: ev.Event) -> None:
        entry.job, effects = step(entry.job, event, self._authority.now())
        for effect in effects:
            self._perform(entry, effect)

    def tick(self) -> None:
        """Chain time may have jumped: look at everything that is still running."""
        for entry in list(self.entries.values()):
            if not entry.over:
                self.feed(entry, ev.Tick())

    def let_go(self) -> None:
        """Close verified requests of which nothing can come any more, so that nothing keeps them."""
        now = self._authority.now()
        for entry in list(self.entries.values()):
            if entry.over or entry.job.accepted is None:
                continue
            if now > self._authority.open_until(entry.job.request):
                entry.closed = True
                self._owed.pop(entry.consumer, None)
                entry.error = "Verified, and not settled in time." if self.on_accept is not None else ""
                self._ctx.tasks.spawn(self.journal.sum_up(entry), "summary")
                self._ctx.changed()

    def aclose(self) -> None:
        """Nothing wakes up any more."""
        for entry in self.entries.values():
            if entry.timer is not None:
                entry.timer.cancel()
                entry.timer = None

    def _refusal(self, entry: Entry) -> str | None:
        reward = entry.job.request.reward
        policy = Policy(self.paused or self.barred, self._ctx.options.min_reward)
        balance = self._authority.balance(entry.consumer)
        unsettled = self._unsettled(entry.consumer) - (0 if entry.over else reward)
        return refusal(policy, reward, Gwei(unsettled), balance)

    def _unsettled(self, consumer: Address) -> int:
        """All that a consumer owes, summed up anew only after a request has come or gone.

        It is asked for with each event of each request, and there may be hundreds of both.
        """
        if consumer not in self._owed:
            mine = (e for e in self.entries.values() if e.consumer == consumer and not e.over)
            self._owed[consumer] = sum(e.job.request.reward for e in mine)
        return self._owed[consumer]

    def _schedule(self, entry: Entry) -> None:
        if entry.timer is not None:
            entry.timer.cancel()
            entry.timer = None
        now = self._authority.now()
        wake = next_wake(entry.job, now)
        if wake is not None:
            delay = max(wake - now, 1) / 1000
            entry.timer = asyncio.get_running_loop().call_later(delay, self.feed, entry, ev.Tick())

    def _perform(self, entry: Entry, effect: fx.Effect) -> None:
        spawn = partial(self._ctx.tasks.spawn, about=entry.id)
        match effect:
            case fx.Prove() if entry.settled is None:  # else the chain knew of a proof before this node did
                entry.proving = spawn(self._prove(entry, effect), f"prove {request_tag(entry.id)}")
            case fx.StopProving():
                if entry.proving is not None:
                    entry.proving.cancel()
            case fx.Verify(said):
                spawn(self._verify(entry, said), f"verify {request_tag(entry.id)}")
            case fx.Announce(said):
                spawn(self._announce(entry, said), f"announce {request_tag(entry.id)}")
            case fx.Cast(vote, shown, seed):
                spawn(self._cast(entry, vote, shown, seed), f"vote {request_tag(entry.id)}")
            case fx.SignDecline(said, reason):
                spawn(self._sign_decline(entry, said, reason), f"decline {request_tag(entry.id)}")
            case fx.Accept():
                self._accepted(entry, effect)
                if self.on_judged is not None:
                    self.on_judged(entry, effect.prover, True)
            case fx.VotedDown(prover, proof_hash, attempt):
                if self.on_judged is not None:
                    self.on_judged(entry, prover, False)
                self._note(entry, f"Proof of attempt {attempt + 1} voted down")
                self._ctx.emit(
                    "voted_down",
                    {
                        "request": entry.id.hex(),
                        "prover": prover.hex(),
                        "proof": proof_hash.hex(),
                        "attempt": attempt,
                    },
                )
            case fx.Equivocation(first, _):
                self._ctx.alert(f"A verifier contradicted itself: {first.signed.signer.hex()}")
                self._ctx.emit("contradiction", {"member": first.signed.signer.hex()})
            case fx.DoubleAnnouncement(earlier, _):
                self._ctx.alert(f"A prover announced two proofs of one request: {earlier.signer.hex()}")
                self._ctx.emit("contradiction", {"member": earlier.signer.hex()})

    # effects ----------------------------------------------------------------------------------------------

    async def _prove(self, entry: Entry, effect: fx.Prove) -> None:
        """The mark in the store tells a restart that this run died while proving."""
        if self._proofs_in_work >= self._ctx.options.capacity + self._ctx.runtime.elsewhere():
            self.feed(entry, ev.ProveFailed("full"))
            return
        self._proofs_in_work += 1
        try:
            await self._ctx.store.set(proving_mark(entry.id), b"1")
            proof_hash, size = await self._workshop.prove(entry, effect.until)
        except GpnError as error:
            entry.error = str(error)
            log.warning("request %s: %s", request_tag(entry.id), error)
            self._ctx.meters.fault("prove", error)
            self.feed(entry, ev.ProveFailed(error.code))
        except asyncio.CancelledError:
            # Somebody else's proof was accepted, while the container of a late one was still being removed.
            if self._authority.now() >= effect.until:
                entry.error = str(ProverTimeout("The proof was not done when the turn ended."))
            raise
        else:
            entry.present.add(proof_hash)
            self.feed(entry, ev.Proved(proof_hash, size))
        finally:
            self._proofs_in_work -= 1
            entry.proving = None
            if not entry.job.mine.announced:
                await self._ctx.store.set(proving_mark(entry.id), b"")

    async def _announce(self, entry: Entry, said: Announcement) -> None:
        if entry.job.silent:
            return
        signed = Signed[Announcement].sign(said, self._ctx.key.secret, self._ctx.me, self._ctx.domain)
        message = AnnouncementMessage(entry.consumer, signed, None)
        await self.journal.keep(entry, message, own=True)
        await self._ctx.store.set(proving_mark(entry.id), b"")
        self.feed(entry, ev.Announced(signed))
        inline = entry.inline.get(said.proof_hash) if said.size <= MAX_INLINE_BYTES else None
        await self._outbox.publish(replace(message, proof=inline))

    async def _cast(self, entry: Entry, vote: Vote, shown: Hash32, seed: Hash32) -> None:
        if entry.job.silent:
            return
        signed = Signed[Vote].sign(vote, self._ctx.key.secret, self._ctx.me, self._ctx.domain)
        cast = CastVote(signed, shown, seed)
        await self.journal.keep(entry, VotesMessage(entry.consumer, (cast,)), own=True)
        self._ctx.meters.voted(vote.valid)
        self.feed(entry, ev.Voted(cast))
        await self._outbox.vote(entry.consumer, cast)

    async def _sign_decline(self, entry: Entry, said: Decline, reason: str) -> None:
        signed = Signed[Decline].sign(said, self._ctx.key.secret, self._ctx.me, self._ctx.domain)
        message = DeclineMessage(entry.consumer, signed, reason[:64])
        await self.journal.keep(entry, message, own=True)
        self._ctx.emit("declined", {"request": entry.id.hex(), "reason": reason})
        self.feed(entry, ev.Declined(signed))
        await self._outbox.publish(message)

    def _fetch(self, entry: Entry, said: Announcement) -> None:
        """Get an announced proof, once; votes on it wait for it."""
        if said.proof_hash not in entry.proofs:
            work = self._get_proof(entry, said)
            entry.proofs[said.proof_hash] = self._ctx.tasks.spawn(work, "fetch", about=entry.id)

    async def _get_proof(self, entry: Entry, said: Announcement) -> None:
        while True:
            try:
                proof = await self._workshop.proof(entry, said)
                break
            except GpnError as error:
                log.warning("request %s: %s", request_tag(entry.id), error)
                entry.unvoted = str(error)
                accepted = entry.job.accepted
                if entry.over or (accepted is not None and accepted != (said.prover, said.proof_hash)):
                    return
                await asyncio.sleep(FETCH_PAUSE)
        entry.present.add(said.proof_hash)
        self.feed(entry, ev.Fetched(said.prover, said.proof_hash))
        for cast in entry.unproven.pop((said.prover, said.proof_hash), []):
            await self._count(entry, cast, proof)

    async def _verify(self, entry: Entry, said: Announcement) -> None:
        """Fetch and judge; whatever goes wrong on this side is no opinion."""
        self._fetch(entry, said)
        fetched = entry.proofs[said.proof_hash]
        await asyncio.wait([fetched], timeout=VERIFY_TIMEOUT_MS / 1000)
        valid: bool | None = None
        shown = said.proof_hash
        if said.proof_hash in entry.present:
            proof = await self._workshop.proof(entry, said)
            shown = await self._workshop.shown(proof)
            valid = await self._workshop.validate(entry, said, proof)
        self.feed(entry, ev.Validated(said.prover, said.proof_hash, valid, shown))

    def _accepted(self, entry: Entry, effect: fx.Accept) -> None:
        entry.verdict_ms = self._unix_ms()
        self._ctx.emit(
            "verified",
            {"request": entry.id.hex(), "prover": effect.prover.hex(), "attempt": effect.attempt},
        )
        self._ctx.tasks.spawn(self._after_accept(entry, effect), f"accept {request_tag(entry.id)}")

    async def _after_accept(self, entry: Entry, effect: fx.Accept) -> None:
        await self._authority.verified(entry.consumer, effect.proof_hash)
        if self.on_accept is not None:
            await self.on_accept(entry)

    # for people -------------------------------------------------------------------------------------------

    def _refresh(self, entry: Entry) -> None:
        now = self._authority.now()
        phase = entry.phase_at(now)
        if phase is not entry.phase:
            entry.phase = phase
            self._owed.pop(entry.consumer, None)
            self._note(entry, phase.value.capitalize())
            self._ctx.meters.reached(entry, now)
            if phase.ended:
                entry.ended_ms = self._unix_ms()
            self._ctx.tasks.spawn(self.journal.sum_up(entry), "summary")
        self._ctx.changed()

    def settle_phase(self, entry: Entry, phase: Phase | None) -> None:
        """The chain's word about a request: settled, paid, or neither after a reorganisation."""
        entry.settled = phase
        if phase is not None and entry.proving is not None:
            entry.proving.cancel()
        self._owed.pop(entry.consumer, None)
        self._refresh(entry)

    def refuse(self, entry: Entry, reason: str) -> None:
        """Another request on the same nonce counts."""
        entry.error = reason
        if entry.timer is not None:
            entry.timer.cancel()
        self.settle_phase(entry, Phase.REFUSED)

    def _note(self, entry: Entry, label: str) -> None:
        entry.timeline.append(StepView(label, self._unix_ms()))

    def _unix_ms(self) -> int:
        return int(self._ctx.clock.unix() * 1000)

    def _forget_old(self) -> None:
        """Ended requests leave memory, oldest first; the store keeps their summaries and statements."""
        if len(self.entries) <= MAX_IN_MEMORY:
            return
        self.let_go()
        surplus = len(self.entries) - MAX_IN_MEMORY
        over = (entry for entry in self.entries.values() if entry.over and not entry.watched)
        for entry in list(islice(over, surplus)):
            if entry.timer is not None:
                entry.timer.cancel()
            for task in (entry.proving, *entry.proofs.values()):
                if task is not None:
                    task.cancel()
            del self.entries[entry.id]
