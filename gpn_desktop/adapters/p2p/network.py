"""``ports.network.Network`` over libp2p: the asyncio side, which only forwards to the engine's thread."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from ipaddress import ip_address
from typing import Final, TypeVar, TypeVarTuple

from gpn_desktop.adapters.p2p.bridge import BridgeClosed, TrioThread
from gpn_desktop.adapters.p2p.engine import RESTART_PAUSE, Engine
from gpn_desktop.adapters.p2p.inbox import Inbox
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.adapters.p2p.topics import Kind
from gpn_desktop.core.errors import NetworkDown, PortInUse
from gpn_desktop.core.messages import PeerMessage
from gpn_desktop.core.refusals import Ban, Drops
from gpn_desktop.core.types import Address, Domain, Hash32
from gpn_desktop.ports.network import History, NetworkEvent, PeerInfo
from gpn_desktop.ports.secrets import NodeKey

log = logging.getLogger("gpn.p2p")

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

THREAD: Final = "gpn-network"
START_SECONDS: Final = 20.0
CLOSE_SECONDS: Final = 4.0
LAST_PAUSE: Final = 30.0  # between tries to start a thread in a dead one's place


class LibP2PNetwork:
    """The peer-to-peer network of one node. Runs once: after ``aclose`` make another."""

    def __init__(self, key: NodeKey, domain: Domain, options: NetworkOptions | None = None) -> None:
        self.address: Address = key.address
        self._options = options or NetworkOptions()
        self._inbox = Inbox(self._options.limits.inbox)
        self._history: History | None = None
        self._engine = Engine(
            key, domain, self._options, self._inbox, self._read_blob, self._read_since, self._give_attest
        )
        self._thread = TrioThread(self._engine.run, THREAD)
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self, history: History) -> None:
        self._history = history
        _check_port(self._options.host, self._options.port)
        await self._start_thread()
        self._keeper = asyncio.create_task(self._keep())

    async def _start_thread(self) -> None:
        try:
            await self._thread.start(START_SECONDS)
        except NetworkDown:
            raise
        except (BridgeClosed, TimeoutError, OSError, ExceptionGroup) as error:
            raise NetworkDown(f"The peer-to-peer network did not start: {error}") from error

    async def _keep(self) -> None:
        """A thread that dies is replaced. Hosts that end are started again within it; this is for what ends
        trio itself, a bug, which must not leave a node without peers until somebody looks.
        """
        while True:
            error = await self._thread.ended()
            if self._closed:
                return
            log.error("the network's thread died; another one is started", exc_info=error)
            pause = RESTART_PAUSE
            await asyncio.sleep(pause)
            while not await self._revive():
                await asyncio.sleep(pause)
                pause = min(pause * 2, LAST_PAUSE)

    async def _revive(self) -> bool:
        self._engine = self._engine.heir()
        self._thread = TrioThread(self._engine.run, THREAD)
        try:
            await self._start_thread()
        except NetworkDown as error:
            log.error("the network's thread did not start: %s", error)
            return False
        return True

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        if not await self._thread.aclose(CLOSE_SECONDS):
            log.warning("the network's thread did not end in time; it is left behind")
        self._inbox.close()

    def events(self) -> AsyncIterator[NetworkEvent]:
        return self._inbox.events()

    async def join(self, consumer: Address) -> None:
        await self._call(self._engine.join, consumer)

    async def leave(self, consumer: Address) -> None:
        await self._call(self._engine.leave, consumer)

    def listen_to(self, consumer: Address, members: Collection[Address]) -> None:
        self._thread.post(self._engine.guard.listen_to, consumer, tuple(members))

    async def publish(self, message: PeerMessage) -> None:
        await self._call(self._engine.publish, message)

    def committee_peers(self, consumer: Address) -> int:
        stack = self._engine.stack
        if stack is None:
            return 0
        topic = self._engine.names.topic(Kind.REQUESTS, consumer)
        # Both are replaced or changed by the other thread; each of these copies is one atomic step.
        return len(set(stack.pubsub.peer_topics.get(topic, ())) & set(stack.pubsub.peers))

    async def fetch(self, hash32: Hash32, size: int, providers: Sequence[Address], within: float) -> bytes:
        return await self._call(self._engine.fetch, hash32, size, tuple(providers), within)

    async def sync(self, peer: Address, consumer: Address, cursor: int) -> tuple[list[PeerMessage], int]:
        return await self._call(self._engine.sync, peer, consumer, cursor)

    async def attest(self, peer: Address, votes: Sequence[Hash32], within: float) -> bytes | None:
        return await self._call(self._engine.attest, peer, tuple(votes), within)

    def peers(self) -> tuple[PeerInfo, ...]:
        engine = self._engine
        stack = engine.stack
        topics = list(stack.pubsub.peer_topics.items()) if stack is not None else []
        served = [(engine.names.served(topic), set(who)) for topic, who in topics]
        return tuple(
            PeerInfo(
                address,
                link.remote,
                link.latency_ms,
                engine.standing.score(address),
                tuple(consumer for consumer, who in served if consumer is not None and link.peer in who),
            )
            for address, link in list(engine.links.items())
        )

    def drops(self) -> Drops:
        return self._inbox.tally.drops()

    def bans(self) -> tuple[Ban, ...]:
        return self._engine.standing.bans()

    def restarts(self) -> int:
        """How often the host was started again since the start."""
        return self._engine.restarts

    def listen_addresses(self) -> tuple[str, ...]:
        return self._engine.listening

    async def connect(self, address: str) -> None:
        await self._call(self._engine.connect, address)

    def ban(self, peer: Address, seconds: float, reason: str) -> None:
        self._thread.post(self._engine.standing.ban, peer, seconds, reason)

    async def _call(self, fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        try:
            return await self._thread.call(fn, *args)
        except BridgeClosed as error:
            raise NetworkDown(f"The peer-to-peer network is {error}.") from error

    async def _read_blob(self, hash32: Hash32) -> bytes | None:
        """On the trio side: a blob of the services."""
        return None if self._history is None else await self._thread.ask(self._history.blob, hash32)

    async def _read_since(self, consumer: Address, cursor: int, limit: int) -> tuple[list[PeerMessage], int]:
        """On the trio side: a page of the services' history."""
        if self._history is None:
            return [], cursor
        return await self._thread.ask(self._history.since, consumer, cursor, limit)

    async def _give_attest(self, votes: tuple[Hash32, ...]) -> bytes | None:
        """On the trio side: the services' signature over votes of theirs."""
        return None if self._history is None else await self._thread.ask(self._history.attest, votes)


def _check_port(host: str, port: int) -> None:
    """PortInUse where another program listens already; the library would not tell."""
    if port == 0:
        return
    family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise PortInUse(f"Port {port} on {host} is not free for the peers' connections.") from error
        raise NetworkDown(f"Cannot listen on {host}:{port}: {error}.") from error
