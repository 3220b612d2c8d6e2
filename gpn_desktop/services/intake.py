"""How requests and statements come in: from clients, from gossip, from peers' histories, from the journal."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final
from weakref import WeakValueDictionary

from gpn_desktop.core import errors
from gpn_desktop.core import events as ev
from gpn_desktop.core.eip712 import BadSignature, keccak
from gpn_desktop.core.events import Event
from gpn_desktop.core.job import replay
from gpn_desktop.core.messages import (
    MAX_INLINE_BYTES,
    AnnouncementMessage,
    CanaryMessage,
    CancelMessage,
    DeclineMessage,
    PeerMessage,
    RequestMessage,
    Signed,
    StatusMessage,
    VotesMessage,
)
from gpn_desktop.core.request import check_payload, check_ref
from gpn_desktop.core.types import Address, Cancel, Details, Gwei, Hash32, Millis, Request, Snapshot, short
from gpn_desktop.ports.network import Received
from gpn_desktop.ports.store import Kept
from gpn_desktop.services.authority import Authority, TestingAuthority, testing_consumer
from gpn_desktop.services.context import Context, in_work, log, request_tag
from gpn_desktop.services.entry import Entry
from gpn_desktop.services.jobs import Jobs, Statement
from gpn_desktop.services.marks import pinned_order, proving_mark
from gpn_desktop.services.outbox import Outbox
from gpn_desktop.services.views import Phase

MAX_ORPHANS: Final = 64  # requests of which only statements came so far
MAX_ORPHAN_STATEMENTS: Final = 64
MAX_REFUSED: Final = 1024
MAX_PARKED: Final = 256  # requests that wait for the chain or for room on the disk
ANCHOR_PATIENCE_MS: Final = 60_000  # how long a peer's request may be ahead of this node's chain
MAX_PAGES: Final = 10_000  # of one peer's history
MAX_USELESS: Final = 8  # of these without anything that is known here
USELESS_PAUSE: Final = 0.1  # seconds after the first such page
SYNC_PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before a peer that did not answer is asked again
PEER_WAIT: Final = 3.0  # seconds for committee peers to appear after joining a consumer's topics
TESTING_TIMEOUT: Final = 60
TESTING_LIFETIME: Final = 600


class Intake:
    def __init__(self, ctx: Context, authority: Authority, jobs: Jobs, outbox: Outbox) -> None:
        self._ctx = ctx
        self._authority = authority
        self._jobs = jobs
        self._outbox = outbox
        self._orphans: OrderedDict[Hash32, list[Statement]] = OrderedDict()
        self._refused: OrderedDict[Hash32, None] = OrderedDict()
        self._opening: WeakValueDictionary[Hash32, asyncio.Lock] = WeakValueDictionary()
        self._consumers: dict[Address, asyncio.Lock] = {}
        self._parked: OrderedDict[Hash32, tuple[RequestMessage, Millis]] = OrderedDict()
        self._moves = 0  # how often the chain moved on
        self._unrestored: list[RequestMessage] = []
        self._restored: list[tuple[Entry, list[Kept]]] = []
        self._strangers = asyncio.Semaphore(1)

    # from clients -----------------------------------------------------------------------------------------

    async def submit(self, request: Request, signature: bytes, payload: bytes) -> Hash32:
        """Facade.submit."""
        check_ref(request.details.ref)
        check_payload(request, payload)
        try:
            signed = Signed[Request].verify(request, signature, self._ctx.domain)
        except BadSignature as error:
            raise errors.BadRequestSignature(f"{error}.") from error
        with self._ctx.meters.refusals():
            return await self._submit(signed, payload)

    async def submit_legacy(self, ref: str, image: str, data: bytes) -> Hash32:
        """The seed's ComputeProof: this node vouches for a client that signed nothing checkable."""
        authority = self._authority
        if not isinstance(authority, TestingAuthority):
            raise errors.LegacyRequestRefused("This form carries no reward and no signed request.")
        check_ref(ref)
        known = authority.image_named(image)
        if known is None:
            raise errors.UnknownImage(f"No image named {image!r} is configured on this node.")
        topic = testing_consumer(known.name)
        owner = await self._ctx.store.ref_owner(topic, ref)
        if owner is not None:
            return await self._same_again(owner, keccak(data))
        now = authority.now()
        details = Details(TESTING_TIMEOUT, known.digest, now, ref)
        deadline = now // 1000 + TESTING_LIFETIME
        nonce = await authority.nonce(topic)
        quorum = authority.quorum
        request = Request(topic, nonce, Gwei(0), deadline, quorum, 1, keccak(data), details)
        signed = Signed[Request].sign(request, self._ctx.key.secret, self._ctx.me, self._ctx.domain)
        return await self._submit(signed, data)

    async def _same_again(self, owner: Hash32, payload_hash: Hash32) -> Hash32:
        row = await self._ctx.store.job(owner)
        if row is None or row.payload_hash != payload_hash:
            raise errors.RefReused("This request_id was used for another request.")
        return owner

    async def _submit(self, signed: Signed[Request], payload: bytes) -> Hash32:
        request_id = signed.digest
        if request_id in self._jobs.entries or await self._ctx.store.job(request_id) is not None:
            return request_id
        request = signed.message
        received = self._authority.now()
        inline = payload if len(payload) <= MAX_INLINE_BYTES else None
        message = RequestMessage(signed, self._ctx.me, len(payload), inline)
        snapshot = await self._authority.admit(signed)
        await self._check_unique(signed)
        await self._ctx.network.join(request.consumer)
        await self._await_peers(request.consumer)
        await self._ctx.store.put_blob(request.payload_hash, payload)
        await self._open(message, snapshot, True, received)
        await self._outbox.publish(message)
        await self._adopt_orphans(request_id)
        return request_id

    async def _await_peers(self, consumer: Address) -> None:
        """Nobody to serve the request is better said now than by a timeout later."""
        deadline = self._ctx.clock.monotonic() + PEER_WAIT
        while self._ctx.network.committee_peers(consumer) == 0:
            if self._ctx.clock.monotonic() > deadline:
                raise errors.NoCommitteePeers("Nobody that serves this consumer is connected.")
            await asyncio.sleep(0.05)  # the network tells of peers, not of their topics

    async def cancel(self, request_id: Hash32, signature: bytes) -> None:
        """Facade.cancel."""
        entry = self._jobs.entries.get(request_id)
        if entry is None:
            raise errors.UnknownRequest("No such request is open on this node.")
        try:
            signed = Signed[Cancel].verify(Cancel(request_id), signature, self._ctx.domain)
        except BadSignature as error:
            raise errors.BadRequestSignature(f"{error}.") from error
        if signed.signer != entry.consumer:
            raise errors.BadRequestSignature("The cancellation is not signed by the consumer.")
        message = CancelMessage(entry.consumer, signed)
        await self._jobs.take(entry, message)
        if not entry.job.cancelled:
            raise errors.CancelTooLate("The request's first turn has begun.")
        await self._outbox.publish(message)

    # from peers -------------------------------------------------------------------------------------------

    async def receive(self, received: Received) -> None:
        """A message that passed the network's cheap checks; a bad one is dropped, never fatal."""
        message = received.message
        match message:
            case RequestMessage():
                with in_work(message.request_id):
                    await self._on_request(message, self._authority.now())
            case VotesMessage(consumer, votes):
                for cast in votes:
                    await self._on_statement(cast.signed.message.request_id, VotesMessage(consumer, (cast,)))
            case AnnouncementMessage() | DeclineMessage() | CancelMessage() | CanaryMessage():
                with in_work(message.signed.message.request_id):
                    await self._on_statement(message.signed.message.request_id, message)
            case StatusMessage():
                pass  # for people only, and nobody looks at it yet

    async def _on_request(self, message: RequestMessage, received: Millis) -> None:
        request_id = message.request_id
        if request_id in self._jobs.entries or request_id in self._refused:
            return
        async with self._lock(request_id):
            if request_id in self._jobs.entries or await self._ctx.store.job(request_id) is not None:
                return
            moves = self._moves
            try:
                request = message.signed.message
                if message.payload is not None:
                    check_payload(request, message.payload)
                snapshot = await self._authority.admit(message.signed, patient=False)
                await self._open(message, snapshot, False, received)
            except (errors.ChainUnreachable, errors.AnchorUnknown, errors.StoreFull) as error:
                self._park(message, received, error, moved=self._moves != moves)
                return
            except errors.RequestRefused as error:
                self._refuse(request_id, error)
                return
        await self._adopt_orphans(request_id)
        if message.payload is not None:
            await self._ctx.store.put_blob(message.signed.message.payload_hash, message.payload)

    async def _open(
        self, message: RequestMessage, snapshot: Snapshot, gateway: bool, received: Millis
    ) -> None:
        """One request of a consumer after the other: two with one ref or nonce may come at the same time."""
        request = message.signed.message
        async with self._consumers.setdefault(request.consumer, asyncio.Lock()):
            if message.request_id not in self._jobs.entries:
                await self._check_unique(message.signed)
                self._ctx.meet(request.consumer, snapshot.members)
                await self._jobs.open(message, snapshot, gateway, received)

    def _park(self, message: RequestMessage, received: Millis, error: errors.GpnError, moved: bool) -> None:
        """The chain will tell, or the disk has room again; until then nothing is known of the request."""
        now = self._authority.now()
        if isinstance(error, errors.StoreFull):
            self._ctx.alert(str(error))
            moved = False  # the next block is soon enough to look at the disk again
        ahead = isinstance(error, errors.AnchorUnknown) and now - received > ANCHOR_PATIENCE_MS
        if ahead or now > message.signed.message.deadline * 1000:
            self._refuse(message.request_id, error)
            return
        if moved:  # the block that it would wait for came while the chain was asked
            self._ctx.tasks.spawn(self._on_request(message, received), "parked request")
            return
        log.info("request %s waits: %s", request_tag(message.request_id), error)
        self._parked[message.request_id] = (message, received)
        if len(self._parked) > MAX_PARKED:
            gone, _ = self._parked.popitem(last=False)
            log.warning("request %s dropped: too many wait", request_tag(gone))

    async def unpark(self) -> None:
        """The chain moved on: look again at what waited for it."""
        unrestored, self._unrestored = self._unrestored, []
        for message in unrestored:
            await self._restore(message)
        await self.resume()
        self._moves += 1
        parked, self._parked = self._parked, OrderedDict()
        for message, received in parked.values():
            self._ctx.tasks.spawn(self._on_request(message, received), "parked request")

    def _refuse(self, request_id: Hash32, error: errors.GpnError) -> None:
        log.info("request %s refused: %s", request_tag(request_id), error)
        self._ctx.meters.turned_down("peer", error)
        self._refused[request_id] = None
        if len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)

    async def _check_unique(self, signed: Signed[Request]) -> None:
        request_id, request = signed.digest, signed.message
        owner = await self._ctx.store.ref_owner(request.consumer, request.details.ref)
        if owner not in (None, request_id):
            raise errors.RefReused("The consumer used this request_id for another request.")
        if not self._authority.unique_nonces:
            return
        for other in list(self._jobs.entries.values()):
            same = other.consumer == request.consumer and other.job.request.nonce == request.nonce
            if not same or other.id == request_id:
                continue
            if self._jobs.on_double_request is not None:
                self._jobs.on_double_request(other.message.signed, signed, other.job.snapshot)
            if other.phase.ended:
                continue
            if other.job.announcements or other.id < request_id or other.settled is not None:
                raise errors.NonceConflict("Another request of the consumer holds this nonce.")
            self._ctx.alert(f"A consumer signed two requests on one nonce: {request.consumer.hex()}")
            self._jobs.refuse(other, "Another request on the same nonce counts. [GPN-1615]")

    async def _on_statement(self, request_id: Hash32, message: Statement) -> None:
        entry = self._jobs.entries.get(request_id)
        if entry is not None:
            await self._jobs.take(entry, message)
            return
        # Topics have no order among each other: a statement may overtake its request.
        waiting = self._orphans.setdefault(request_id, [])
        if len(waiting) < MAX_ORPHAN_STATEMENTS:
            waiting.append(message)
        if len(self._orphans) > MAX_ORPHANS:
            self._orphans.popitem(last=False)

    async def _adopt_orphans(self, request_id: Hash32) -> None:
        entry = self._jobs.entries.get(request_id)
        for message in self._orphans.pop(request_id, []):
            if entry is not None:
                await self._jobs.take(entry, message)

    def _lock(self, request_id: Hash32) -> asyncio.Lock:
        """One message of a request is opened at a time; a lock is gone with the last that holds it."""
        return self._opening.setdefault(request_id, asyncio.Lock())

    # from the journal -------------------------------------------------------------------------------------

    async def restore(self) -> None:
        """Compute all open requests again from what was said; ``resume`` goes on with them."""
        for message in await self._ctx.store.open_jobs():
            await self._restore(message)

    async def resume(self) -> None:
        """Go on with what was restored."""
        restored, self._restored = self._restored, []
        for entry, kept in restored:
            self._jobs.resume(entry)
            await self._say_again(entry, kept)

    async def _restore(self, message: RequestMessage) -> None:
        request_id = message.request_id
        try:
            snapshot = await self._authority.snapshot(message.signed.message)
            if snapshot is None:
                log.warning("request %s: its committee is gone", request_tag(request_id))
                return
            interrupted = bool(await self._ctx.store.get(proving_mark(request_id)))
            job = self._jobs.begin(message.signed, snapshot, interrupted)
            pinned = await pinned_order(self._ctx.store, request_id, snapshot)
            order = pinned or await self._authority.order(request_id, job.request, snapshot)
        except errors.ChainUnreachable as error:
            log.warning("request %s is restored later: %s", request_tag(request_id), error)
            self._unrestored.append(message)
            return
        kept = await self._ctx.store.kept(request_id)
        received = kept[0].time_ms if kept else self._authority.now()
        history = [(event, k.time_ms) for k in kept for event in await self._events(k)]
        late = order is not None and pinned is None and self._authority.is_late(order, received)
        vouched = any(_author(k) in snapshot.members and not k.own for k in kept)
        known: list[tuple[Event, Millis]] = []
        if order is not None and (not late or vouched):
            known = [(order, received)]
        row = await self._ctx.store.job(request_id)  # none if the power went before it was written
        gateway = row.gateway if row is not None else any(k.own and k.message == message for k in kept)
        job = replay(job, known + history)
        entry = Entry(message, job, gateway, received, row.received_ms if row is not None else received)
        entry.late = late and not vouched
        entry.pinned = pinned is not None
        entry.present = {e.proof_hash for e, _ in history if isinstance(e, ev.Fetched)}
        if row is not None:
            entry.verdict_ms = row.verdict_ms
            entry.phase = Phase(row.phase)
        else:
            await self._ctx.store.put_job(entry.row(self._authority.now()))
        entry.canaries = {
            k.message.signed.message.prover for k in kept if isinstance(k.message, CanaryMessage)
        }
        self._jobs.restore(entry)
        self._restored.append((entry, kept))

    async def _events(self, kept: Kept) -> list[Event]:
        message = kept.message
        match message:
            case AnnouncementMessage(_, signed, _):
                said = signed.message
                here = await self._ctx.store.blob(said.proof_hash) is not None
                fetched: list[Event] = [ev.Fetched(said.prover, said.proof_hash)] if here else []
                return [ev.Announced(signed), *fetched]
            case VotesMessage(_, votes):
                return [ev.Voted(cast) for cast in votes]
            case DeclineMessage(_, declined, _):
                return [ev.Declined(declined)]
            case CancelMessage(_, cancelled):
                return [ev.Cancelled(cancelled)]
            case RequestMessage() | StatusMessage() | CanaryMessage():
                return []

    async def _say_again(self, entry: Entry, kept: list[Kept]) -> None:
        """Own statements may have been journalled and never sent; peers drop what they know."""
        for own in kept:
            if own.own and not entry.phase.ended:
                await self._outbox.publish(own.message)

    async def catch_up(self, peer: Address, consumer: Address) -> None:
        """Sync with a peer that has just come, and again while it stays without an answer.

        Both sides of a cut dial at once when it heals, and close what is double: the question may go down
        with such a connection, and nobody would ask again what was said behind the cut.
        """
        for pause in SYNC_PAUSES:
            try:
                await self.sync(peer, consumer)
            except errors.FetchFailed as error:
                log.info("not synced, it is tried again: %s", error)
            else:
                return
            await asyncio.sleep(pause)
            if peer not in (info.peer for info in self._ctx.network.peers()):
                return  # it is told of when it comes back
        await self.sync(peer, consumer)

    async def sync(self, peer: Address, consumer: Address) -> None:
        """All that a peer kept about open requests of a consumer, checked like gossip.

        Members are asked at once. Of others, whose keys cost nothing, one at a time; and whoever tells of
        nothing but requests that nobody made is asked ever more slowly, and then no more.
        """
        if peer in self._ctx.members.get(consumer, ()):
            await self._sync(peer, consumer)
            return
        async with self._strangers:
            await self._sync(peer, consumer)

    async def _sync(self, peer: Address, consumer: Address) -> None:
        cursor = useless = 0
        for _ in range(MAX_PAGES):
            messages, after = await self._ctx.network.sync(peer, consumer, cursor)
            for message in messages:
                await self.receive(Received(message, peer, synced=True))
            if not messages or after <= cursor:
                return
            cursor = after
            if any(self._knows(about) for message in messages for about in _subjects(message)):
                continue
            useless += 1
            if useless > MAX_USELESS:
                log.info("%s has a history of nothing that is known here", short(peer))
                return
            await asyncio.sleep(USELESS_PAUSE * useless)

    def _knows(self, request_id: Hash32) -> bool:
        return request_id in self._jobs.entries or request_id in self._parked


def _subjects(message: PeerMessage) -> tuple[Hash32, ...]:
    """The requests that a message is about."""
    match message:
        case RequestMessage():
            return (message.request_id,)
        case VotesMessage(_, votes):
            return tuple(cast.signed.message.request_id for cast in votes)
        case StatusMessage():
            return ()
        case _:
            return (message.signed.message.request_id,)


def _author(kept: Kept) -> Address | None:
    """The member that made a statement; a request's author is the consumer, and vouches for nothing."""
    match kept.message:
        case AnnouncementMessage() | DeclineMessage():
            return kept.message.signed.signer
        case VotesMessage(_, votes):
            return votes[0].signed.signer
        case _:
            return None
