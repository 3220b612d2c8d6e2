"""The node: one loop each for the network's and the chain's happenings, and the door for its clients.

It owns start and shutdown: what was opened first is closed last, and a node that stops in the middle of
anything finds it again in its journal.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from gpn_desktop.core import errors
from gpn_desktop.core.events import ProveFailed
from gpn_desktop.core.history import JobOrder
from gpn_desktop.core.messages import PeerMessage, VotesMessage
from gpn_desktop.core.types import ZERO_HASH, Address, Domain, Hash32, Millis, Request, Wei, parse_hash
from gpn_desktop.ports.chain import Chain, TxRecord
from gpn_desktop.ports.network import PeerInfo, PeerUp, Received
from gpn_desktop.ports.runtime import ImageRef
from gpn_desktop.ports.store import JobRow
from gpn_desktop.services.account import Account
from gpn_desktop.services.attestation import attest
from gpn_desktop.services.authority import Authority, ChainAuthority, TestingAuthority
from gpn_desktop.services.ballots import Ballots
from gpn_desktop.services.canaries import Canaries
from gpn_desktop.services.catalogue import Catalogue, start_trial
from gpn_desktop.services.context import Context, log
from gpn_desktop.services.earnings import Earnings
from gpn_desktop.services.entry import Entry, view_of_row
from gpn_desktop.services.following import Following
from gpn_desktop.services.history import transactions_of
from gpn_desktop.services.images import Images, MemoryImageBook
from gpn_desktop.services.intake import Intake
from gpn_desktop.services.jobs import Jobs
from gpn_desktop.services.ledger import Ledger
from gpn_desktop.services.membership import Membership
from gpn_desktop.services.offers import offer_of
from gpn_desktop.services.outbox import Outbox
from gpn_desktop.services.pausing import Pausing
from gpn_desktop.services.replay import Replay
from gpn_desktop.services.trials import Trials
from gpn_desktop.services.views import ConsumerView, EarningsView, JobView, NodeView, Phase, ProofView
from gpn_desktop.services.workshop import Workshop

CLOSE_SECONDS: Final = 5.0  # for each part; all of them are quick unless something is stuck
WORK_SECONDS: Final = 3.0  # for work that has been told to end
MAX_MESSAGES: Final = 256  # from peers, in work at a time
RESYNC_SECONDS: Final = 60.0
LATE_NEWS_MS: Final = 120_000  # for which a request is told of after it was received, although it has ended
HOUSEKEEPING_SECONDS: Final = 3600.0
SHOWN_JOBS: Final = 100


class Node:
    """Implements services.facade.Facade. ``chain`` is None in testing mode."""

    def __init__(
        self, ctx: Context, authority: Authority, chain: Chain | None, images: Images | None = None
    ) -> None:
        self.domain: Domain = ctx.domain
        self.ctx = ctx
        self.authority = authority
        self.outbox = Outbox(ctx)
        workshop = Workshop(ctx, authority)
        self.book = Jobs(ctx, authority, workshop, self.outbox)
        self.canaries = Canaries(ctx, self.book, self.outbox)
        workshop.spoils = self.canaries.wanted
        self.intake = Intake(ctx, authority, self.book, self.outbox)
        self._chain = chain
        self._serving: dict[Address, ImageRef] = {}
        self.images = images or Images(ctx.runtime, None, MemoryImageBook())
        self.images.attach(self._serving.values, ctx.changed)
        self._places = asyncio.Semaphore(MAX_MESSAGES)
        self._closed = False
        self.closing: list[Callable[[], Awaitable[None]]] = []  # what serves this node, closed before it
        self.earnings: Earnings | None = None
        self.pausing: Pausing | None = None
        self.trials: Trials | None = None  # where images are a matter of this machine
        self.membership: Membership | None = None
        self.account: Account | None = None
        self.ledger = Ledger(ctx.store, ctx.clock, chain)
        self.replay: Replay | None = None
        self.ballots = Ballots(ctx.store, ctx.domain)
        if chain is not None and isinstance(authority, ChainAuthority):
            self.earnings = Earnings(ctx, chain, authority, self.book)
            self.membership = self.earnings.membership
            self.account = Account(ctx, chain, self.earnings.submit)
            self.replay = Replay(ctx.me, chain, authority, ctx.options.settle.max_batch)
            self.membership.begin, self.membership.end = self._begin, self._end
            self.membership.working = self._working_for
        self.catalogue = Catalogue(ctx, chain, self.membership, self.book.entries)
        self._following: Following | None = None
        if chain is not None and self.earnings is not None:
            self._following = Following(
                ctx, chain, self.earnings.authority, self.book, self.intake, self.earnings, self.catalogue
            )

    # start and stop ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open everything, take up what the journal left open, and serve."""
        await self.ctx.store.open()
        await self.ctx.runtime.start()
        if self._following is not None:
            await self._following.start()
        await self.book.journal.start(self._chain)
        if self.earnings is not None:
            await self.earnings.start()
        if self.pausing is not None:
            await self.pausing.load()
            self.pausing.subscribe(self.ctx.changed)
            self.ctx.tasks.spawn(self.pausing.run(), "pausing")
        await self.ctx.network.start(self)
        for consumer in self._served():
            await self.ctx.network.join(consumer)
            self.ctx.tasks.spawn(self._prepare(consumer), "image")
        await self.canaries.start()
        await self._recover()
        self.ctx.tasks.spawn(self._follow_network(), "network events")
        self.ctx.tasks.spawn(self._resync(), "sync")
        self.ctx.tasks.spawn(self._keep_house(), "housekeeping")
        if self._following is not None:
            self.ctx.tasks.spawn(self._following.run(), "chain events")
            self.catalogue.look_again()
        self.ctx.changed()

    def serves(self, image: ImageRef) -> bool:
        """Whether a consumer's requests may come for this image."""
        return image in self._serving.values()

    async def _begin(self, consumer: Address) -> None:
        """Work for a consumer from now on."""
        await self.ctx.network.join(consumer)
        self.ctx.tasks.spawn(self._prepare(consumer), "image")
        for peer in self.ctx.network.peers():
            self.ctx.tasks.spawn(self.intake.catch_up(peer.peer, consumer), "sync")
        self.catalogue.look_again()

    def _working_for(self, consumer: Address) -> bool:
        """Whether a request of this consumer still has turns."""
        return any(entry.consumer == consumer and not entry.over for entry in self.book.entries.values())

    async def _end(self, consumer: Address) -> None:
        await self.ctx.network.leave(consumer)
        image = self._serving.pop(consumer, None)
        if image is not None and image not in self._serving.values():
            await self.ctx.runtime.release(image)
        self.catalogue.look_again()

    def _served(self) -> tuple[Address, ...]:
        return self.ctx.serve

    async def _recover(self) -> None:
        """What the journal left open is compared with the chain before anything is said or done about it."""
        await self.intake.restore()
        if self._following is not None:
            await self._following.catch_up()
        await self.intake.resume()

    async def aclose(self) -> None:
        """Close intake, work, network, containers, chain, store, in this order."""
        if self._closed:
            return
        self._closed = True
        for close in self.closing:
            await self._close(close)
        self.book.aclose()
        await self.ctx.tasks.aclose(WORK_SECONDS)
        parts = [self.images.aclose, self.ctx.network.aclose, self.ctx.runtime.aclose]
        if self.trials is not None:
            parts.insert(0, self.trials.aclose)
        if self._chain is not None:
            parts.append(self._chain.aclose)
        for part in parts:
            await self._close(part)
        await self.ctx.store.aclose()

    async def _close(self, part: Callable[[], Awaitable[None]]) -> None:
        """One part; whatever becomes of it, the others are closed as well."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await part()
        except (TimeoutError, OSError, errors.GpnError) as error:
            log.warning("while closing: %s", error or "it took too long")

    async def _prepare(self, consumer: Address) -> None:
        """Have a served consumer's image ready before its first request."""
        image = await self._image_of(consumer)
        if image is None:
            return
        self._serving[consumer] = image
        try:
            await self.images.pull(image)
            await self.ctx.runtime.ensure(image)
        except errors.GpnError as error:
            self.ctx.alert(f"The image of {consumer.hex()} is not usable: {error}")
        else:
            self.ctx.emit("image_ready", {"consumer": consumer.hex(), "image": str(image)})
        self.ctx.changed()

    async def _image_of(self, consumer: Address) -> ImageRef | None:
        if isinstance(self.authority, TestingAuthority):
            return self.authority.image_of(consumer)
        info = await self._chain.consumer(consumer) if self._chain is not None else None
        return None if info is None else ImageRef(info.image_name, info.image_digest)

    # happenings -------------------------------------------------------------------------------------------

    async def _follow_network(self) -> None:
        async for event in self.ctx.network.events():
            match event:
                case Received():
                    # While all places are taken messages wait in the network's queue, which drops and counts.
                    await self._places.acquire()
                    self.ctx.tasks.spawn(self._receive(event), "message")
                case PeerUp(peer):
                    for consumer in self._served():
                        self.ctx.tasks.spawn(self.intake.catch_up(peer, consumer), "sync")
                    self.ctx.emit("peers", {"count": len(self.ctx.network.peers())})
                    self.ctx.changed()
                case _:
                    self.ctx.changed()

    async def _keep_house(self) -> None:
        """Payloads and proofs would fill any disk in time; statements and summaries are small and stay."""
        while True:
            before = self.ctx.clock.unix() - self.ctx.options.keep_blobs_seconds
            try:
                gone = await self.ctx.store.forget_blobs(int(before * 1000))
            except errors.StoreFull as error:  # removing takes a little room as well
                self.ctx.alert(str(error))
            else:
                log.info("%d old payloads and proofs removed", gone)
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    async def _receive(self, received: Received) -> None:
        try:
            await self.intake.receive(received)
        finally:
            self._places.release()

    async def _resync(self) -> None:
        """Gossip can get lost between peers that stay connected, so one of them is asked now and then."""
        while True:
            await asyncio.sleep(RESYNC_SECONDS * random.uniform(0.8, 1.2))
            peers = self.ctx.network.peers()
            for consumer in self._served() if peers else ():
                try:
                    await self.intake.sync(random.choice(peers).peer, consumer)
                except errors.GpnError as error:
                    log.info("not synced: %s", error)

    # what others ask of this node (ports.network.History) ---------------------------------------------------

    async def blob(self, hash32: Hash32) -> bytes | None:
        return await self.ctx.store.blob(hash32)

    async def since(self, consumer: Address, cursor: int, limit: int) -> tuple[list[PeerMessage], int]:
        # A verdict may be settled in the second in which a cut heals: who was behind it can still vote on it.
        late = Millis(self.authority.now() - LATE_NEWS_MS)
        kept = await self.ctx.store.since(consumer, cursor, limit, late)
        return [k.message for k in kept], kept[-1].cursor if kept else cursor

    async def attest(self, votes: tuple[Hash32, ...]) -> bytes | None:
        return await attest(self.ctx, self.book, votes)

    # the facade -------------------------------------------------------------------------------------------

    def view(self) -> NodeView:
        ctx = self.ctx
        now = self.authority.now()
        entries = list(self.book.entries.values())[-SHOWN_JOBS:]
        return NodeView(
            address=ctx.me,
            payout=self.earnings.payout if self.earnings else None,
            network=ctx.options.network,
            version=ctx.options.version,
            head=self.authority.head if isinstance(self.authority, ChainAuthority) else 0,
            chain_up=self._following is not None and self._following.up,
            peers=len(ctx.network.peers()),
            running=self.book.running,
            paused=self.book.paused or self.book.barred,
            drops=ctx.network.drops(),
            bans=ctx.network.bans(),
            runtime=ctx.runtime.label,
            listen=ctx.network.listen_addresses(),
            jobs=tuple(entry.view(now) for entry in reversed(entries)),
            earnings=self.earnings.view() if self.earnings else EarningsView(),
            consumers=self.catalogue.views(),
            alerts=tuple(ctx.alerts),
            workers=ctx.cluster.workers() if ctx.cluster is not None else (),
        )

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        self.ctx.watchers.add(changed)
        return lambda: self.ctx.watchers.discard(changed)

    async def submit(self, request: Request, signature: bytes, payload: bytes) -> Hash32:
        return await self.intake.submit(request, signature, payload)

    async def submit_legacy(
        self, ref: str, consumer: str, image: str, data: bytes, signature: bytes
    ) -> Hash32:
        return await self.intake.submit_legacy(ref, image, data)

    async def watch(self, request_id: Hash32) -> AsyncIterator[JobView]:
        entry = self.book.entries.get(request_id)
        if entry is None:
            row = await self.ctx.store.job(request_id)
            if row is None:
                raise errors.UnknownRequest("No such request is known here.")
            yield view_of_row(row)
            if not row.open:
                return
            entry = await self._in_work(request_id)
        async for view in self._watch_entry(entry):
            yield view

    async def _in_work(self, request_id: Hash32) -> Entry:
        """An open request whose summary was written a moment before it is taken up."""
        changed = asyncio.Event()
        undo = self.subscribe(changed.set)
        try:
            while (entry := self.book.entries.get(request_id)) is None:
                changed.clear()
                await changed.wait()
            return entry
        finally:
            undo()

    async def _watch_entry(self, entry: Entry) -> AsyncIterator[JobView]:
        changed = asyncio.Event()
        undo = self.subscribe(changed.set)
        last: JobView | None = None
        entry.watched += 1  # so that it stays in memory, where its changes can be seen
        try:
            while True:
                changed.clear()
                view = entry.view(self.authority.now())
                if view != last:
                    last = view
                    yield view
                if view.phase.ended or entry.closed:
                    return
                await changed.wait()
        finally:
            entry.watched -= 1
            undo()

    async def proof(self, wanted: str) -> ProofView:
        row = await self._find(wanted)
        entry = self.book.entries.get(row.request_id)
        accepted = entry.job.accepted if entry is not None else None
        proof_hash = accepted[1] if accepted is not None else row.proof_hash
        if proof_hash is None or proof_hash == ZERO_HASH:
            if Phase(row.phase).ended:
                raise errors.RequestEnded(f"The request is {row.phase}.")
            raise errors.ProofNotReady("The request has no verified proof yet.")
        proof = await self.ctx.store.blob(proof_hash)
        if proof is None:
            if Phase(row.phase).ended:
                raise errors.RequestEnded("The proof is not kept here any more.")
            raise errors.ProofNotReady("The verified proof is still being fetched.")
        if entry is not None and accepted is not None:
            votes = {c.signed.signer: bytes(c.signed.signature) for c in entry.tally().valid_votes()}
            return ProofView(row.request_id, proof_hash, proof, entry.verdict_ms, tuple(votes.items()))
        votes = await self._kept_votes(row.request_id, proof_hash)
        return ProofView(row.request_id, proof_hash, proof, row.verdict_ms, tuple(votes.items()))

    async def _kept_votes(self, request_id: Hash32, proof_hash: Hash32) -> dict[Address, bytes]:
        """The signatures under an old proof, from the journal: only votes that counted are in it."""
        found: dict[Address, bytes] = {}
        for kept in await self.ctx.store.kept(request_id):
            for cast in kept.message.votes if isinstance(kept.message, VotesMessage) else ():
                vote = cast.signed.message
                if vote.valid and vote.proof_hash == proof_hash:
                    found[cast.signed.signer] = bytes(cast.signed.signature)
        return found

    async def _find(self, wanted: str) -> JobRow:
        """By the client's own id at this gateway first: it may look like anything."""
        rows = [row for row in await self.ctx.store.jobs_by_ref(wanted) if row.gateway]
        if len(rows) > 1:
            raise errors.RefAmbiguous(f"{len(rows)} consumers use this request id here.")
        if rows:
            return rows[0]
        row = None
        if wanted.startswith("0x") and len(wanted) == 66:
            try:
                row = await self.ctx.store.job(parse_hash(wanted))
            except ValueError as error:
                raise errors.UnknownRequest("This is not a request digest.") from error
        if row is None:
            raise errors.UnknownRequest("No request with this id is known here.")
        return row

    async def offer_canary(
        self, consumer: Address, request_id: Hash32, prover: Address, signature: bytes
    ) -> None:
        await self.canaries.offer(consumer, request_id, prover, signature)

    async def cancel(self, request_id: Hash32, signature: bytes) -> None:
        await self.intake.cancel(request_id, signature)

    async def consumers(self) -> list[ConsumerView]:
        await self.catalogue.load()
        return list(self.catalogue.views())

    async def try_image(self, consumer: Address) -> None:
        view = self.catalogue.view(consumer)
        offer = await offer_of(view, self._chain, self.authority, self.ctx.options.settle.max_batch)
        start_trial(self.trials, view, offer)

    async def jobs(self, offset: int, limit: int, search: str, order: JobOrder) -> list[JobRow]:
        return await self.ctx.store.jobs(offset, limit, search, order)

    async def transactions(self, request_id: Hash32) -> list[TxRecord]:
        return await transactions_of(self.ctx.store, request_id)

    async def give_up(self, request_id: Hash32) -> None:
        entry = self.book.entries.get(request_id)
        if entry is None or entry.proving is None:
            raise errors.NothingToGiveUp("This node is not proving the request.")
        entry.proving.cancel()
        entry.error = "The operator gave this turn up."
        self.book.feed(entry, ProveFailed("operator"))

    async def logs(self, request_id: Hash32) -> dict[str, str]:
        return await self.ctx.store.logs(request_id)

    def peers(self) -> tuple[PeerInfo, ...]:
        return self.ctx.network.peers()

    async def connect(self, address: str) -> None:
        await self.ctx.network.connect(address)
        self.ctx.changed()

    async def ban(self, peer: Address, seconds: float) -> None:
        self.ctx.network.ban(peer, seconds, "banned by the operator")
        self.ctx.changed()

    async def pause(self, paused: bool) -> None:
        if self.pausing is None:
            self.apply_pause(paused, frozenset())
        elif paused:
            await self.pausing.pause()
        else:
            await self.pausing.resume()

    def apply_pause(self, paused: bool, left_out: frozenset[str]) -> None:
        """What the operator and the rules decided."""
        self.book.paused = paused
        self.ctx.runtime.leave_out(left_out)
        self.book.tick()
        self.ctx.changed()

    async def stop_now(self) -> None:
        """Give up every proof at work."""
        for entry in list(self.book.entries.values()):
            if entry.proving is not None:
                await self.give_up(entry.id)

    async def withdraw(self) -> Wei:
        return await self.earnings.withdraw() if self.earnings is not None else Wei(0)
