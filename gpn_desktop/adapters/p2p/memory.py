"""A network without sockets for tests and simulations: nodes of one hub, in one asyncio loop.

Messages pass through the wire's codec, so what the real network refuses is refused here as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence

from gpn_desktop.adapters.p2p import codec
from gpn_desktop.adapters.p2p.attest import SIGNATURE
from gpn_desktop.adapters.p2p.guards import Misplaced, check_author
from gpn_desktop.adapters.p2p.history import PAGE
from gpn_desktop.adapters.p2p.inbox import Inbox
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.adapters.p2p.standing import Buckets, Standing
from gpn_desktop.adapters.p2p.tally import Drop
from gpn_desktop.adapters.p2p.topics import Kind, Names, consumer_of
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import FetchFailed, NetworkDown, PeerMessageInvalid, PortInUse
from gpn_desktop.core.messages import MAX_BLOB_BYTES, PeerMessage
from gpn_desktop.core.refusals import Ban, Drops
from gpn_desktop.core.types import Address, Domain, Hash32, short
from gpn_desktop.ports.network import (
    MAX_ATTESTED,
    History,
    NetworkEvent,
    PeerDown,
    PeerInfo,
    PeerUp,
    Received,
)
from gpn_desktop.ports.secrets import NodeKey

SCHEME = "memory:"
FIRST_PORT = 40_000
FETCH_PAUSE = 0.01  # seconds between rounds over the providers


class MemoryHub:
    """Where the networks of one test meet. Everybody who runs is linked, except the pairs that are cut."""

    def __init__(self) -> None:
        self.running: dict[Address, MemoryNetwork] = {}
        self._cut: set[frozenset[Address]] = set()
        self._next_port = FIRST_PORT

    def network(self, key: NodeKey, domain: Domain, options: NetworkOptions | None = None) -> MemoryNetwork:
        """A network that is not started yet."""
        return MemoryNetwork(self, key, domain, options or NetworkOptions())

    def cut(self, one: Address, other: Address) -> None:
        """Part two nodes until ``heal``."""
        self._cut.add(frozenset((one, other)))
        self.relink()

    def heal(self) -> None:
        """Undo every ``cut``."""
        self._cut.clear()
        self.relink()

    def linked(self, one: MemoryNetwork, other: MemoryNetwork) -> bool:
        apart = frozenset((one.address, other.address)) in self._cut
        banned = one.standing.banned(other.address) or other.standing.banned(one.address)
        return one is not other and not apart and not banned

    def relink(self) -> None:
        """Tell everybody who came and who went."""
        for network in self.running.values():
            network.see({a for a, other in self.running.items() if self.linked(network, other)})

    def enter(self, network: MemoryNetwork, port: int) -> int:
        """Take a port, any if it is 0; PortInUse when another has it."""
        taken = {other.port for other in self.running.values()}
        if port in taken:
            raise PortInUse(f"Port {port} is not free.")
        if port == 0:
            self._next_port += 1
            port = self._next_port
        self.running[network.address] = network
        return port

    def leave(self, network: MemoryNetwork) -> None:
        if self.running.get(network.address) is network:
            del self.running[network.address]
            self.relink()


class MemoryNetwork:
    def __init__(self, hub: MemoryHub, key: NodeKey, domain: Domain, options: NetworkOptions) -> None:
        self.address: Address = key.address
        self.port = 0
        self.standing = Standing(self._on_ban)
        self._hub, self._domain, self._options = hub, domain, options
        self._names = Names(domain)
        self._inbox = Inbox(options.limits.inbox)
        self._history: History | None = None
        self._topics = {self._names.topic(Kind.STATUS, None)}
        self._members: dict[str, set[Address]] = {}
        self._strangers = Buckets(options.limits.stranger_rate, options.limits.stranger_burst)
        self._links: set[Address] = set()
        self._timers: set[asyncio.TimerHandle] = set()

    async def start(self, history: History) -> None:
        self._history = history
        self.port = self._hub.enter(self, self._options.port)
        self._hub.relink()

    async def aclose(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._hub.leave(self)
        self.see(set())
        self._inbox.close()

    def events(self) -> AsyncIterator[NetworkEvent]:
        return self._inbox.events()

    def see(self, others: set[Address]) -> None:
        """The peers that this node is linked with from now on."""
        before, self._links = self._links, others
        for peer in before - others:
            self._inbox.put(PeerDown(peer))
        for peer in others - before:
            self._inbox.put(PeerUp(peer))

    async def join(self, consumer: Address) -> None:
        self._check()
        self._topics.update(self._names.topics(consumer))

    async def leave(self, consumer: Address) -> None:
        self._check()
        self._topics.difference_update(self._names.topics(consumer))

    def listen_to(self, consumer: Address, members: Collection[Address]) -> None:
        for topic in self._names.topics(consumer):
            self._members.setdefault(topic, set()).update(members)

    async def publish(self, message: PeerMessage) -> None:
        self._check()
        data = codec.encode(message, int(time.time() * 1000))
        topic = self._names.topic_of(message)
        for peer in self._peers():
            peer.deliver(topic, data, self.address)

    def deliver(self, topic: str, data: bytes, author: Address) -> None:
        """What the gossip validator does with a message from a peer."""
        if topic not in self._topics:
            return
        try:
            message = codec.decode(data, self._domain).message
            check_author(message, author)
        except PeerMessageInvalid as error:
            misplaced = isinstance(error, Misplaced)
            self._inbox.tally.add(Drop.MISPLACED if misplaced else Drop.MALFORMED)
            self.standing.strike(author, 1.0, error.message)
            return
        if self._strange(topic, author):
            self._inbox.tally.add(Drop.STRANGER)
            return
        self._inbox.put(Received(message, author))

    def _strange(self, topic: str, author: Address) -> bool:
        """Whether an author of no committee has said enough. Requests count by their consumer's signature."""
        members = self._members.get(topic)
        if members is None or author in members or self._names.of_requests(topic):
            return False
        return not self._strangers.take(author)

    def committee_peers(self, consumer: Address) -> int:
        topic = self._names.topic(Kind.REQUESTS, consumer)
        return sum(topic in peer._topics for peer in self._peers())

    async def fetch(self, hash32: Hash32, size: int, providers: Sequence[Address], within: float) -> bytes:
        self._check()
        left = [p for p in dict.fromkeys(providers) if p != self.address]
        if not 0 <= size <= MAX_BLOB_BYTES:
            raise FetchFailed(f"{size} bytes are not fetched.")
        try:
            async with asyncio.timeout(within):
                while left:
                    for provider in list(left):
                        blob = await self._blob_of(provider, hash32)
                        if blob is not None and len(blob) == size and keccak(blob) == hash32:
                            return blob
                        if blob is not None:
                            left.remove(provider)
                    await asyncio.sleep(FETCH_PAUSE)
        except TimeoutError:
            raise FetchFailed(f"{short(hash32)} did not come within {within} s.") from None
        raise FetchFailed(f"Nobody served {short(hash32)} as announced.")

    async def _blob_of(self, provider: Address, hash32: Hash32) -> bytes | None:
        peer = self._hub.running.get(provider)
        if peer is None or peer._history is None or not self._hub.linked(self, peer):
            return None
        return await peer._history.blob(hash32)

    async def sync(self, peer: Address, consumer: Address, cursor: int) -> tuple[list[PeerMessage], int]:
        self._check()
        other = self._hub.running.get(peer)
        if other is None or other._history is None or not self._hub.linked(self, other):
            raise FetchFailed(f"{short(peer)} did not answer.")
        messages, cursor = await other._history.since(consumer, cursor, PAGE)
        return [m for m in map(self._through_the_wire, messages) if m and consumer_of(m) == consumer], cursor

    def _through_the_wire(self, message: PeerMessage) -> PeerMessage | None:
        try:
            return codec.decode(codec.encode(message, 0), self._domain).message
        except PeerMessageInvalid:
            return None

    async def attest(self, peer: Address, votes: Sequence[Hash32], within: float) -> bytes | None:
        self._check()
        other = self._hub.running.get(peer)
        if other is None or other._history is None or not self._hub.linked(self, other):
            raise FetchFailed(f"{short(peer)} did not answer.")
        if not 1 <= len(votes) <= MAX_ATTESTED or any(len(vote) != 32 for vote in votes):
            raise FetchFailed(f"{short(peer)} does not answer this.")
        try:
            async with asyncio.timeout(within):
                signature = await other._history.attest(tuple(votes))
        except TimeoutError:
            raise FetchFailed(f"{short(peer)} did not answer within {within} s.") from None
        if signature is not None and len(signature) != SIGNATURE:
            raise FetchFailed(f"{short(peer)} sent no attestation.")
        return signature

    def peers(self) -> tuple[PeerInfo, ...]:
        return tuple(
            PeerInfo(p.address, p.listen_addresses()[0], 0.0, self.standing.score(p.address), p.consumers())
            for p in self._peers()
        )

    def consumers(self) -> tuple[Address, ...]:
        """The consumers whose topics this node is subscribed to."""
        served = (self._names.served(topic) for topic in self._topics)
        return tuple(consumer for consumer in served if consumer is not None)

    def drops(self) -> Drops:
        return self._inbox.tally.drops()

    def listen_addresses(self) -> tuple[str, ...]:
        return (f"{SCHEME}{self.address.hex()}:{self.port}",)

    async def connect(self, address: str) -> None:
        self._check()
        if not any(address in other.listen_addresses() for other in self._peers()):
            raise NetworkDown(f"{address} does not answer.", remedy="Check the address.")

    def bans(self) -> tuple[Ban, ...]:
        return self.standing.bans()

    def ban(self, peer: Address, seconds: float, reason: str) -> None:
        self.standing.ban(peer, seconds, reason)
        self._hub.relink()
        if seconds > 0:
            loop = asyncio.get_running_loop()
            self._timers.add(loop.call_later(seconds + 0.001, self._hub.relink))

    def _on_ban(self, peer: Address) -> None:
        self._hub.relink()

    def _peers(self) -> list[MemoryNetwork]:
        return [self._hub.running[address] for address in self._links if address in self._hub.running]

    def _check(self) -> None:
        if self._hub.running.get(self.address) is not self:
            raise NetworkDown("The network is not running.")
