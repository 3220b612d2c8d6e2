"""The trio side of the network: one libp2p host, started anew should it ever end, and what runs around it.

Knows nothing of asyncio; ``network`` calls it through the bridge.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID

from gpn_desktop.adapters.p2p import attest, blobs, book, codec, history, lan, patches, peers
from gpn_desktop.adapters.p2p.control import ControlGuard
from gpn_desktop.adapters.p2p.dialer import Dialer
from gpn_desktop.adapters.p2p.doors import Doors
from gpn_desktop.adapters.p2p.frames import STREAM_ERRORS, BadFrame, Broken, Frames
from gpn_desktop.adapters.p2p.guards import GossipGuard
from gpn_desktop.adapters.p2p.identity import ForeignKey, Roster, peer_of_secret
from gpn_desktop.adapters.p2p.inbox import Inbox
from gpn_desktop.adapters.p2p.links import Link, Watcher
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.adapters.p2p.stack import Gates, Stack, build, running
from gpn_desktop.adapters.p2p.standing import BAN_SECONDS, Buckets, Standing
from gpn_desktop.adapters.p2p.tally import Drop
from gpn_desktop.adapters.p2p.topics import Kind, Names
from gpn_desktop.core.errors import FetchFailed, NetworkDown, PeerMessageInvalid
from gpn_desktop.core.messages import MAX_BLOB_BYTES, PeerMessage
from gpn_desktop.core.types import Address, Domain, Hash32, short
from gpn_desktop.ports.network import PeerDown, PeerUp
from gpn_desktop.ports.secrets import NodeKey

log = logging.getLogger("gpn.p2p")

RESTART_PAUSE: Final = 1.0  # in which peers see that the old connections are gone; new ones would be mixed up
OPEN_SECONDS: Final = 5.0  # for a stream to be opened
SYNC_SECONDS: Final = 15.0
TOGETHER: Final = 8  # own fetches at a time
LIE_STRIKES: Final = 3.0  # a wrong blob costs its sender more than a malformed message
HURRY_STRIKE: Final = 0.25  # a pause in reading one: two seconds of nothing but pauses are a ban
CUT_SECONDS: Final = 1.0  # for a banned peer's connection to end in order
TIDY_EVERY: Final = 10.0
FIRST_EXCHANGE: Final = 0.5
FIRST_PING: Final = 1.0  # not while the connection is still being made


class Engine:
    def __init__(
        self,
        key: NodeKey,
        domain: Domain,
        options: NetworkOptions,
        inbox: Inbox,
        read_blob: blobs.Read,
        read_since: history.Since,
        give_attest: attest.Attest,
    ) -> None:
        self._key, self._domain, self._options, self._inbox = key, domain, options, inbox
        self._read_blob, self._read_since, self._give_attest = read_blob, read_since, give_attest
        self.names = Names(domain, options.namespace, options.fetch_protocol, options.sync_protocol)
        self.me = peer_of_secret(key.secret)
        self.roster = Roster()
        self.standing = Standing(self._on_ban)
        self.tally = inbox.tally
        limits, about = options.limits, (self.roster, self.standing, inbox.tally)
        self.guard = GossipGuard(self.me, domain, self.names, limits, *about, inbox.put)
        self._control = ControlGuard(self.names, limits, *about)
        self.book = book.AddressBook(options.book, self.me)
        self.links: dict[Address, Link] = {}
        self.stack: Stack | None = None
        self.listening: tuple[str, ...] = ()
        self._places: tuple[str, ...] = ()  # where this machine itself listens
        self.restarts = 0
        self._joined: set[Address] = set()
        self._streams = Buckets(options.limits.stream_rate, options.limits.stream_burst)
        self._uploads: dict[Address, int] = {}
        self._shelf = blobs.Shelf(read_blob, options.limits.served_bytes)
        self._dialer = Dialer(self.book, options, self._wanted)
        self._port = options.port
        self._nursery: trio.Nursery | None = None
        self._fetches = trio.Semaphore(TOGETHER)

    # life -------------------------------------------------------------------------------------------------

    def heir(self) -> Engine:
        """The engine in this one's place, where trio has ended beneath it; this one holds nothing any more.

        Another object, since what trio left behind ends when it is collected, and must not end the new one.
        """
        if self.stack is not None:
            self.stack.abandon()
        self._all_down()
        options = replace(self._options, port=self._port)
        heir = Engine(
            self._key,
            self._domain,
            options,
            self._inbox,
            self._read_blob,
            self._read_since,
            self._give_attest,
        )
        heir.standing.inherit(self.standing)
        heir.guard.inherit(self.guard)
        heir._joined, heir.restarts = self._joined, self.restarts + 1
        return heir

    async def run(self, ready: Callable[[], None]) -> None:
        """Run until cancelled. A host that ends by an exception is started again on the same port."""
        patches.apply()
        await trio.to_thread.run_sync(self.book.load)
        for address in self._options.bootstrap:
            if self.book.learn(address, kept=True) is None:
                log.warning("not used as a bootstrap peer: %s", address)
        started = False

        def up() -> None:
            nonlocal started
            started = True
            ready()

        while True:
            try:
                await self._host(up)
            except Exception as error:  # anything that hostile peers can provoke in the library
                if not started:
                    raise NetworkDown(f"The peer-to-peer host did not start: {_root(error)}.") from error
                self.restarts += 1
                log.exception("the peer-to-peer host ended; it is started again")
            finally:
                self._all_down()
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                    await self._save_book()
            await trio.sleep(RESTART_PAUSE)

    async def _host(self, ready: Callable[[], None]) -> None:
        limits = self._options.limits
        gates = Gates(Doors(limits, self.tally), self._gate, self._overrun, self._hurried)
        stack = build(self._key, limits, gates)
        self._wire(stack)
        async with running(stack, peers.listeners(self._options.host, self._port)):
            self._learn_port(stack)
            self.stack = stack
            for topic in (self.names.topic(Kind.STATUS, None), *self._topics()):
                await self._subscribe(stack, topic)
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._dialer.run, stack)
                nursery.start_soon(self._housekeeping, stack)
                if self._options.mdns:
                    nursery.start_soon(lan.run, self.names.base, self._places, self._found)
                ready()

    def _wire(self, stack: Stack) -> None:
        patches.protect(stack.host, stack.pubsub, self.guard, self._control)
        stack.swarm.register_notifee(Watcher(self.up, self.down))
        for name, handler in (
            (self.names.fetch, self._serve_fetch),
            (self.names.sync, self._serve_sync),
            (self.names.peers, self._serve_peers),
            (self.names.attest, self._serve_attest),
        ):
            stack.host.set_stream_handler(TProtocol(name), self._limited(handler))

    def _learn_port(self, stack: Stack) -> None:
        places = [a for listener in stack.swarm.listeners.values() for a in listener.get_addrs()]
        if not places:  # the library only logs why
            raise OSError(f"cannot listen on {self._options.host}, port {self._port}")
        self._port = int(places[0].value_for_protocol("tcp"))
        self._places = peers.own_addresses(places, self.me)
        self.listening = peers.announced(self._options.announce, self.me) or self._places

    def _all_down(self) -> None:
        self.stack, self._nursery = None, None
        for address in list(self.links):
            del self.links[address]
            self._inbox.put(PeerDown(address))

    async def _housekeeping(self, stack: Stack) -> None:
        while True:
            await trio.sleep(TIDY_EVERY)
            patches.trim(stack.router)
            for peer in list(stack.pubsub.peers):
                patches.announce(stack.pubsub, peer)
            await self._save_book()

    async def _save_book(self) -> None:
        try:
            await trio.to_thread.run_sync(self.book.save)
        except OSError as error:
            log.warning("the address book was not written: %s", error)

    # peers ------------------------------------------------------------------------------------------------

    def _gate(self, peer: ID, inbound: bool) -> bool:
        """Whether to talk to a peer whose identity is proven: a node's key, not banned, and room for it."""
        try:
            address = self.roster.address(peer)
        except ForeignKey:
            self.tally.add(Drop.CONNECTIONS)
            return False
        limits = self._options.limits
        room = limits.peers - (limits.reserved if inbound else 0)
        if self.standing.banned(address) or len(self.links) >= room:
            self.tally.add(Drop.CONNECTIONS)
            return False
        return True

    def _overrun(self, peer: ID, reason: str) -> None:
        self.tally.add(Drop.STREAMS)
        # No honest node does it, and the connection is gone anyway.
        self.standing.ban(self.roster.address(peer), BAN_SECONDS, reason)

    def _hurried(self, peer: ID) -> None:
        self.standing.strike(self.roster.address(peer), HURRY_STRIKE, "a flood of frames")

    def _wanted(self, peer: ID) -> bool:
        return not self.standing.banned(self.roster.address(peer))

    def up(self, peer: ID, remote: str, host: str) -> None:
        """A connection to a peer is there; maybe not its first."""
        address = self.roster.address(peer)
        if address in self.links:
            # The peer may have given the others up: see whether they still carry anything.
            for connection in self.stack.swarm.get_connections(peer) if self.stack is not None else ():
                patches.check(connection.muxed_conn)
            return
        link = self.links[address] = Link(peer, remote, host)
        self._inbox.put(PeerUp(address))
        self._dialer.found()
        if self._nursery is not None and self.stack is not None:
            self._nursery.start_soon(self._befriend, link)
            self._nursery.start_soon(self._measure, self.stack, link)

    def down(self, peer: ID) -> None:
        """A connection to a peer ended; maybe not its last."""
        address = self.roster.address(peer)
        if self.stack is not None and self.stack.connected(peer):
            patches.renew(self.stack.pubsub, peer)
            if address in self.links:
                self._inbox.put(PeerUp(address))  # gossip was on its way on the one that ended
            return
        if self.links.pop(address, None) is not None:
            self._inbox.put(PeerDown(address))
            self._dialer.lost(peer)

    def _on_ban(self, address: Address) -> None:
        link = self.links.get(address)
        if link is not None and self._nursery is not None and self.stack is not None:
            self._nursery.start_soon(self.stack.cut, link.peer, CUT_SECONDS)

    async def _befriend(self, link: Link) -> None:
        """Ask a new peer for others, often at first since it may have come just before them."""
        pause = FIRST_EXCHANGE
        while self._linked(link):
            await self._exchange(link)
            await trio.sleep(pause)
            pause = min(pause * 2, self._options.exchange_every)

    async def _measure(self, stack: Stack, link: Link) -> None:
        while self._linked(link):
            await trio.sleep(FIRST_PING if link.latency_ms is None else self._options.ping_every)
            try:
                link.latency_ms = await peers.ping(stack.host, link.peer)
            except STREAM_ERRORS:
                link.latency_ms = None

    def _linked(self, link: Link) -> bool:
        return self.links.get(self.roster.address(link.peer)) is link

    async def _exchange(self, link: Link) -> None:
        try:
            frames = await self._open(link.peer, self.names.peers)
        except Broken:
            return
        try:
            learnt = await peers.ask(frames, self.listening)
        except (Broken, BadFrame, PeerMessageInvalid):
            await frames.abort()
            return
        await frames.close()
        for address in learnt:
            if book.plausible(address, link.host):
                self.book.learn(address, hearsay=True)
        self._dialer.poke()

    def _found(self, address: str) -> None:
        self.book.learn(address)
        self._dialer.poke()

    async def connect(self, address: str) -> None:
        """Dial a multiaddress now and keep it; NetworkDown when it does not answer."""
        stack = self._running()
        peer = self.book.learn(address, kept=True)
        if peer is None:
            raise NetworkDown(f"{address} is not another node's multiaddress.", remedy="Check the address.")
        if not await self._dialer.dial(stack, peer):
            self._dialer.poke()
            raise NetworkDown(f"{address} does not answer.", remedy="It is tried again from time to time.")

    # gossip -----------------------------------------------------------------------------------------------

    async def join(self, consumer: Address) -> None:
        self._joined.add(consumer)
        if self.stack is not None:
            for topic in self.names.topics(consumer):
                await self._subscribe(self.stack, topic)

    async def leave(self, consumer: Address) -> None:
        self._joined.discard(consumer)
        if self.stack is not None:
            for topic in reversed(self.names.topics(consumer)):
                await self.stack.pubsub.unsubscribe(topic)
                self.stack.pubsub.remove_topic_validator(topic)

    def _topics(self) -> tuple[str, ...]:
        return tuple(topic for consumer in self._joined for topic in self.names.topics(consumer))

    async def _subscribe(self, stack: Stack, topic: str) -> None:
        stack.pubsub.set_topic_validator(topic, self.guard.validate, False)
        await stack.pubsub.subscribe(topic)

    async def publish(self, message: PeerMessage) -> None:
        data = codec.encode(message, int(time.time() * 1000))
        await self._running().pubsub.publish(self.names.topic_of(message), data)

    # direct streams ---------------------------------------------------------------------------------------

    async def fetch(self, hash32: Hash32, size: int, providers: Sequence[Address], within: float) -> bytes:
        if not 0 <= size <= MAX_BLOB_BYTES:
            raise FetchFailed(f"{size} bytes are not fetched; {MAX_BLOB_BYTES} is the limit.")
        self._running()
        others = [p for p in providers if p != self._key.address]
        with trio.move_on_after(within):
            async with self._fetches:
                return await blobs.fetch(blobs.Download(hash32, size), others, self._open_fetch, self._blame)
        raise FetchFailed(f"{short(hash32)} did not come within {within} s.")

    def _blame(self, provider: Address) -> None:
        self.standing.strike(provider, LIE_STRIKES, "served other bytes than announced")

    async def _open_fetch(self, provider: Address) -> Frames:
        return await self._open(self._known(provider), self.names.fetch)

    def _known(self, address: Address) -> ID:
        # The links first: a flood of new authors may have pushed a connected peer out of the roster.
        link = self.links.get(address)
        peer = link.peer if link is not None else self.roster.peer(address)
        if peer is None:
            raise Broken("no such peer is known")
        return peer

    async def sync(self, peer: Address, consumer: Address, cursor: int) -> tuple[list[PeerMessage], int]:
        frames: Frames | None = None
        try:
            with trio.fail_after(SYNC_SECONDS):
                frames = await self._open(self._known(peer), self.names.sync)
                good, cursor, bad = await history.ask(frames, consumer, cursor, self._domain)
        except (Broken, trio.TooSlowError) as error:
            raise FetchFailed(f"{short(peer)} did not answer: {error}") from error
        except (BadFrame, PeerMessageInvalid) as error:
            self.standing.strike(peer, LIE_STRIKES, f"sync: {error}")
            raise FetchFailed(f"{short(peer)} sent no page of its history: {error}") from error
        finally:
            if frames is not None:
                await frames.close()
        if bad:
            self.standing.strike(peer, bad, "malformed messages in its history")
        return good, cursor

    async def attest(self, peer: Address, votes: Sequence[Hash32], within: float) -> bytes | None:
        frames: Frames | None = None
        try:
            with trio.fail_after(within):
                frames = await self._open(self._known(peer), self.names.attest)
                return await attest.ask(frames, votes)
        except (Broken, trio.TooSlowError) as error:
            raise FetchFailed(f"{short(peer)} did not answer: {error}") from error
        except (BadFrame, PeerMessageInvalid) as error:
            self.standing.strike(peer, 1.0, f"attestation: {error}")
            raise FetchFailed(f"{short(peer)} sent no attestation: {error}") from error
        finally:
            if frames is not None:
                await frames.close()

    async def _open(self, peer: ID, protocol: str) -> Frames:
        """A stream to a peer, dialled if its address is known; Broken otherwise."""
        stack = self.stack
        if stack is None or not (stack.connected(peer) or await self._dialer.dial(stack, peer)):
            raise Broken("not connected")
        try:
            with trio.fail_after(OPEN_SECONDS):
                stream = await stack.host.new_stream(peer, [TProtocol(protocol)])
        except STREAM_ERRORS as error:
            raise Broken(f"no stream: {error}") from error
        return Frames(stream, self._options.limits.stall)

    def _limited(
        self, handler: Callable[[Frames, Address, INetStream], Awaitable[None]]
    ) -> Callable[[INetStream], Awaitable[None]]:
        async def handle(stream: INetStream) -> None:
            peer = self.roster.address(stream.muxed_conn.peer_id)
            frames = Frames(stream, self._options.limits.stall)
            busy = self._uploads.get(peer, 0) >= self._options.limits.uploads_per_peer
            if busy or not self._streams.take(peer):
                self.tally.add(Drop.STREAMS)
                await frames.abort()
                return
            self._uploads[peer] = self._uploads.get(peer, 0) + 1
            try:
                await handler(frames, peer, stream)
            except (BadFrame, PeerMessageInvalid) as error:
                self.tally.add(Drop.STREAMS)
                self.standing.strike(peer, 1.0, f"{error}")
                await frames.abort()
            except Broken:
                await frames.abort()
            else:
                await frames.close()
            finally:
                self._uploads[peer] -= 1
                if not self._uploads[peer]:
                    del self._uploads[peer]

        return handle

    async def _serve_fetch(self, frames: Frames, peer: Address, stream: INetStream) -> None:
        await blobs.serve(frames, self._shelf)

    async def _serve_sync(self, frames: Frames, peer: Address, stream: INetStream) -> None:
        await history.answer(frames, self._read_since)

    async def _serve_attest(self, frames: Frames, peer: Address, stream: INetStream) -> None:
        await attest.answer(frames, self._give_attest)

    async def _serve_peers(self, frames: Frames, peer: Address, stream: INetStream) -> None:
        remote = stream.get_remote_address()
        others = [link.peer for address, link in list(self.links.items()) if address != peer]
        known = self.book.addresses(others)
        claimed = await peers.answer(frames, known)
        for address in claimed:
            if peers.belongs(address, stream.muxed_conn.peer_id):
                seen = book.seen_from(address, remote[0] if remote else None)
                self.book.learn(seen, hearsay=True)

    def _running(self) -> Stack:
        if self.stack is None:
            raise NetworkDown("The peer-to-peer network is not running.")
        return self.stack


def _root(error: BaseException) -> BaseException:
    """The one error that a group of them is about, where it is one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
