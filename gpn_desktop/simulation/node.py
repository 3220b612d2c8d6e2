"""One node of a run: what services do around the core, on virtual time and with a journal that outlives it.

It keeps to the order that services keep to: a statement of its own is in the journal before it counts or
leaves, the order of provers is pinned before anything is signed under it, and after a crash all of it comes
out of the journal again.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final

from gpn_desktop.core import effects as fx
from gpn_desktop.core import events as ev
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.events import OrderKnown
from gpn_desktop.core.job import next_wake, open_job, step
from gpn_desktop.core.messages import (
    AnnouncementMessage,
    CancelMessage,
    CastVote,
    DeclineMessage,
    RequestMessage,
    Signed,
    VotesMessage,
    possession,
)
from gpn_desktop.core.turns import VERIFY_TIMEOUT_MS
from gpn_desktop.core.types import ZERO_HASH, Address, Announcement, Decline, Hash32, Millis, Signature, Vote
from gpn_desktop.simulation import intake, recovery, settler
from gpn_desktop.simulation.case import Case
from gpn_desktop.simulation.journal import Journal, Statement
from gpn_desktop.simulation.network import Said, about
from gpn_desktop.simulation.plan import Member
from gpn_desktop.simulation.timeline import dice

if TYPE_CHECKING:
    from gpn_desktop.simulation.villains import Conduct
    from gpn_desktop.simulation.world import World

UNSIGNED: Final = Signature(bytes(65))
"""Nobody forges in a run: a ``Signed`` names its signer, and members only make their own."""
CAPACITY: Final = 3  # proofs at a time
FETCH_PAUSE: Final = 4_000  # milliseconds between two tries to get a proof
SYNC_EVERY: Final = 60_000


class Node:
    def __init__(self, world: World, member: Member, address: Address, conduct: Conduct) -> None:
        self.world, self.member, self.address, self.conduct = world, member, address, conduct
        self.chance = dice(world.plan.seed, "node", member.number)
        self.block_lag = self.chance.randint(50, 900)  # milliseconds until it sees a block
        self.journal = Journal()
        self.cases: dict[Hash32, Case] = {}
        self.waiting: dict[Hash32, Case] = {}  # for their order
        self.parked: dict[Hash32, tuple[RequestMessage, int]] = {}  # for the chain
        self.orphans: dict[Hash32, list[Statement]] = {}
        self.refused: set[Hash32] = set()
        self.unrestored: list[Hash32] = []
        self.drawn: dict[Hash32, OrderKnown] = {}
        self.up = True
        self.chain_up = True
        self.doomed = False  # dies right after its next journal entry
        self.life = 0
        self.syncing = False
        self._busy = 0

    @property
    def now(self) -> Millis:
        """Chain time by this node's clock."""
        return Millis(self.world.timeline.now + self.member.skew_ms)

    @property
    def seen(self) -> int:
        """The number of the last block that came here."""
        head = self.world.chain.head
        return head.number if self.world.timeline.now >= head.time + self.block_lag else head.number - 1

    def later(self, delay: float, work: Callable[[], None]) -> None:
        """Do something after so many milliseconds, unless this life of the node is over by then."""
        life = self.life
        self.world.timeline.after(delay, lambda: work() if self.up and self.life == life else None)

    def dice(self, request_id: Hash32) -> Random:
        """Chance in this node's dealings with a request, another in each life."""
        return dice(self.world.plan.seed, "case", self.member.number, self.life, request_id.hex())

    # life -------------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """What a power failure leaves is the journal."""
        self.up, self.doomed, self.syncing = False, False, False
        self.life += 1
        self._busy = 0
        self.cases, self.waiting, self.parked, self.orphans = {}, {}, {}, {}
        self.refused, self.unrestored, self.drawn = set(), [], {}
        self.world.checks.counts["crashes"] += 1

    def start(self) -> None:
        self.up = True
        self.life += 1
        recovery.restore(self)
        self.sync()
        self.keep_synced()

    def sync(self) -> None:
        """Ask a peer of each consumer for what it kept: this node was away, or gossip got lost."""
        for consumer in self.world.network.interests(self.member.number):
            self.world.network.sync(self, consumer)

    def keep_synced(self) -> None:
        """Sync now and then, for as long as a request is open here."""
        if not self.syncing:
            self.syncing = True
            self.later(SYNC_EVERY * self.chance.uniform(0.8, 1.2), self._sync_again)

    def _sync_again(self) -> None:
        self.syncing = False
        if any(case.open(self.now) for case in self.cases.values()):
            self.sync()
            self.keep_synced()

    # the chain --------------------------------------------------------------------------------------------

    def on_block(self) -> None:
        """A new block is seen: orders may be known now, and requests that waited may be admitted."""
        recovery.restore_rest(self)
        for case in list(self.waiting.values()):
            self.learn_order(case)
        intake.unpark(self)

    def on_reorg(self) -> None:
        for case in self.cases.values():
            if not case.job.announcements and not case.job.over:
                case.recheck = True
                self.waiting[case.id] = case
        self.on_block()

    def learn_order(self, case: Case) -> None:
        if not self.chain_up or (case.job.order is not None and not case.recheck):
            return
        order = self.world.order_of(case.job, self.seen, self.drawn)
        if order is None:
            return
        case.recheck = False
        case.late = self.world.is_late(order, case.received) and not case.vouched()
        if not case.late:
            self.waiting.pop(case.id, None)
            self.feed(case, order)

    # statements -------------------------------------------------------------------------------------------

    def receive(self, message: Said) -> None:
        """From a peer, by gossip or sync."""
        if isinstance(message, RequestMessage):
            intake.on_request(self, message, self.now)
            return
        request_id = about(message)
        case = self.cases.get(request_id)
        if case is None:
            self.orphans.setdefault(request_id, []).append(message)
        elif not case.refused:
            self.take(case, message)

    def take(self, case: Case, message: Statement) -> None:
        """A statement about a request that is known here."""
        if self.journal.has(case.id, message):
            return
        match message:
            case AnnouncementMessage(_, signed, proof):
                if proof is not None and keccak(proof) == signed.message.proof_hash:
                    self.journal.proofs[signed.message.proof_hash] = proof
                self._take_event(case, ev.Announced(signed), message)
                self.conduct.heard_announcement(self, case, signed)
            case DeclineMessage(_, declined, _):
                self._take_event(case, ev.Declined(declined), message)
            case CancelMessage(_, cancelled):
                self._take_event(case, ev.Cancelled(cancelled), message)
            case VotesMessage(_, (cast,)):
                self._take_vote(case, cast, message)
                self.conduct.heard_vote(self, case, cast)
        if case.late and case.vouched():
            self.learn_order(case)

    def _take_event(self, case: Case, event: ev.Event, message: Statement) -> None:
        if self.feed(case, event):
            if isinstance(message, AnnouncementMessage):
                recovery.pin(self, case)
            self.journal.keep(case.id, message, False, self.now)

    def _take_vote(self, case: Case, cast: CastVote, message: VotesMessage) -> None:
        """A vote counts when its author shows the proof; until the proof is here, nobody can tell."""
        vote = cast.signed.message
        proof = self.journal.proofs.get(vote.proof_hash) if vote.proof_hash in case.present else None
        if proof is None:
            waiting = case.unproven.setdefault((vote.prover, vote.proof_hash), [])
            if cast not in waiting:
                waiting.append(cast)
        elif possession(cast.signed.signer, proof) == cast.possession:
            self._take_event(case, ev.Voted(cast), message)
        else:
            self.world.checks.counts["votes without the proof"] += 1

    # the core ---------------------------------------------------------------------------------------------

    def feed(self, case: Case, event: ev.Event) -> bool:
        """One event through the core; whether it changed anything."""
        before, known = case.job, case.job.announcements
        case.job, effects = step(case.job, event, self.now)
        self.world.checks.stepped(self, case, before)
        for effect in effects:
            self._perform(case, effect)
        if case.job.announcements is not known:
            for key, signed in case.job.announcements.items():
                if key not in known:
                    self.fetch(case, signed.message)
        self._schedule(case)
        return case.job is not before

    def _schedule(self, case: Case) -> None:
        case.timer += 1
        wake, timer = next_wake(case.job, self.now), case.timer
        if wake is not None:
            self.later(max(wake - self.now, 1), lambda: self._wake(case, timer))

    def _wake(self, case: Case, timer: int) -> None:
        if timer == case.timer:
            self.feed(case, ev.Tick())

    def _perform(self, case: Case, effect: fx.Effect) -> None:
        match effect:
            case fx.Prove():
                self._prove(case, effect)
            case fx.StopProving():
                case.proving += 1
                self._busy -= 1
            case fx.Verify(said):
                self._verify(case, said)
            case fx.Announce(said):
                self.later(1, lambda: self._announce(case, said))
            case fx.Cast(vote, shown, seed):
                self.later(1, lambda: self._cast(case, vote, shown, seed))
            case fx.SignDecline(refusal, reason):
                self.later(1, lambda: self._decline(case, refusal, reason))
            case fx.Accept():
                self.world.checks.accepted(self, case)
                settler.consider(self, case)
            case fx.VotedDown():
                self.world.checks.counts["proofs voted down"] += 1
            case fx.Equivocation() | fx.DoubleAnnouncement():
                self.world.checks.counts["contradictions seen"] += 1

    # effects ----------------------------------------------------------------------------------------------

    def _prove(self, case: Case, effect: fx.Prove) -> None:
        """The mark in the journal tells the next life that this one died while proving."""
        case.proving += 1
        self._busy += 1
        number, left = case.proving, effect.until - self.now
        if self._busy > CAPACITY:
            self.later(1, lambda: self._proof_failed(case, number, "full"))
            return
        self.journal.proving.add(case.id)
        takes = self.conduct.proving_ms(self, case, left)
        if takes < left:
            self.later(takes, lambda: self._proved(case, number))
        else:
            self.later(left, lambda: self._proof_failed(case, number, "timeout"))

    def _proof_failed(self, case: Case, number: int, code: str) -> None:
        if number == case.proving:
            self._busy -= 1
            self.journal.proving.discard(case.id)
            self.feed(case, ev.ProveFailed(code))

    def _proved(self, case: Case, number: int) -> None:
        if number != case.proving:
            return
        self._busy -= 1
        proof = self.conduct.proof(self, case)
        proof_hash = keccak(proof)
        self.journal.proofs[proof_hash] = proof
        case.present.add(proof_hash)
        self.feed(case, ev.Proved(proof_hash, len(proof)))
        if not case.job.mine.announced:
            self.journal.proving.discard(case.id)

    def _announce(self, case: Case, said: Announcement) -> None:
        signed = Signed(said, UNSIGNED, self.address, ZERO_HASH)
        proof = None if self.world.large(case.id) else self.journal.proofs[said.proof_hash]
        message = AnnouncementMessage(case.job.request.consumer, signed, proof)
        if self.keep_own(case, message):
            self.journal.proving.discard(case.id)
            self.feed(case, ev.Announced(signed))
            self.conduct.publish_announcement(self, case, message)

    def _cast(self, case: Case, vote: Vote, shown: Hash32, seed: Hash32) -> None:
        cast = CastVote(Signed(vote, UNSIGNED, self.address, ZERO_HASH), shown, seed)
        message = VotesMessage(case.job.request.consumer, (cast,))
        if self.keep_own(case, message):
            self.feed(case, ev.Voted(cast))
            self.conduct.publish_vote(self, case, message)

    def _decline(self, case: Case, said: Decline, reason: str) -> None:
        signed = Signed(said, UNSIGNED, self.address, ZERO_HASH)
        message = DeclineMessage(case.job.request.consumer, signed, reason)
        if self.keep_own(case, message):
            self.feed(case, ev.Declined(signed))
            self.conduct.publish_decline(self, case, message)

    def keep_own(self, case: Case, message: Statement) -> bool:
        """Journal what this node signed; False when it died of it, and nothing of it may leave."""
        if not isinstance(message, DeclineMessage):
            recovery.pin(self, case)
        self.journal.keep(case.id, message, True, self.now)
        self.world.checks.signed(self, case, message)
        if self.doomed:
            self.world.checks.counts["crashes right after the journal"] += 1
            self.kill()
        return self.up

    def publish(self, message: Said) -> None:
        self.world.network.publish(self, message)

    # proofs -----------------------------------------------------------------------------------------------

    def fetch(self, case: Case, said: Announcement) -> None:
        """Get an announced proof; votes on it wait for it."""
        if said.proof_hash in case.fetching:
            return
        case.fetching.add(said.proof_hash)
        self._try_fetch(case, said)

    def _try_fetch(self, case: Case, said: Announcement) -> None:
        if said.proof_hash not in self.journal.proofs:
            found = self.world.network.find_proof(self, case, said)
            if found is None:
                if case.open(self.now):
                    self.later(FETCH_PAUSE, lambda: self._try_fetch(case, said))
                return
            self.journal.proofs[said.proof_hash] = found
        case.present.add(said.proof_hash)
        self.feed(case, ev.Fetched(said.prover, said.proof_hash))
        for cast in case.unproven.pop((said.prover, said.proof_hash), []):
            self.take(case, VotesMessage(case.job.request.consumer, (cast,)))

    def _verify(self, case: Case, said: Announcement) -> None:
        """Whatever goes wrong on this side is no opinion."""
        takes = self.member.verify_ms * case.chance.uniform(0.8, 1.5)
        if said.proof_hash in case.present:
            self.later(takes, lambda: self._judge(case, said))
        else:
            self.later(min(takes + FETCH_PAUSE, VERIFY_TIMEOUT_MS), lambda: self._judge(case, said))

    def _judge(self, case: Case, said: Announcement) -> None:
        proof = self.journal.proofs.get(said.proof_hash) if said.proof_hash in case.present else None
        valid = None if proof is None else self.conduct.opinion(self, case, said, proof)
        shown = said.proof_hash if proof is None else possession(self.address, proof)
        self.feed(case, ev.Validated(said.prover, said.proof_hash, valid, shown))

    # requests ---------------------------------------------------------------------------------------------

    def open(self, message: RequestMessage, received: Millis) -> Case:
        """A request that was admitted; it is in the journal before anything else knows of it."""
        snapshot = self.world.snapshot_of(message.signed.message)
        job = open_job(message.signed, snapshot, self.address)
        case = Case(message, job, received, self.dice(message.request_id))
        self.journal.open(message, received)
        self.cases[case.id] = case
        self.waiting[case.id] = case
        self._schedule(case)
        self.learn_order(case)
        for said in self.orphans.pop(case.id, []):
            self.take(case, said)
        self.keep_synced()
        return case
