"""Nodes for the network's contract: either adapter, a history in memory, and waits for what has happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from gpn_desktop.adapters.p2p.memory import MemoryHub
from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.core.eip712 import address_of_secret, keccak
from gpn_desktop.core.messages import (
    AnnouncementMessage,
    CastVote,
    DeclineMessage,
    PeerMessage,
    RequestMessage,
    Signed,
    VotesMessage,
)
from gpn_desktop.core.types import (
    Address,
    Announcement,
    Decline,
    Details,
    Domain,
    Gwei,
    Hash32,
    Request,
    Vote,
)
from gpn_desktop.ports.network import Network, NetworkEvent, PeerDown, PeerUp, Received
from gpn_desktop.ports.secrets import NodeKey

DOMAIN = Domain(31337, Address(b"\x11" * 20))
OTHER_DOMAIN = Domain(1, Address(b"\x99" * 20))
CONSUMER = Address(b"\x22" * 20)
PATIENCE = 20.0


def key(number: int) -> NodeKey:
    secret = number.to_bytes(32, "big")
    return NodeKey(address_of_secret(secret), secret)


def hash_of(text: str) -> Hash32:
    return keccak(text.encode())


class Shelf:
    """A history of what the test put there."""

    def __init__(self) -> None:
        self.blobs: dict[Hash32, bytes] = {}
        self.kept: list[PeerMessage] = []
        self.attested: dict[tuple[Hash32, ...], bytes] = {}

    async def blob(self, hash32: Hash32) -> bytes | None:
        return self.blobs.get(hash32)

    async def since(self, consumer: Address, cursor: int, limit: int) -> tuple[list[PeerMessage], int]:
        page = self.kept[cursor : cursor + limit]
        return page, cursor + len(page)

    async def attest(self, votes: tuple[Hash32, ...]) -> bytes | None:
        return self.attested.get(votes)

    def put(self, blob: bytes) -> Hash32:
        hash32 = keccak(blob)
        self.blobs[hash32] = blob
        return hash32


class Node:
    """A started network with everything it has told so far."""

    def __init__(self, network: Network, owner: NodeKey, domain: Domain) -> None:
        self.network, self.key, self.domain = network, owner, domain
        self.shelf = Shelf()
        self.seen: list[NetworkEvent] = []
        self._news = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.network.start(self.shelf)
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.network.events():
            self.seen.append(event)
            self._news.set()

    async def close(self) -> None:
        await self.network.aclose()
        if self._reader is not None:
            await asyncio.wait_for(self._reader, PATIENCE)

    @property
    def address(self) -> Address:
        return self.key.address

    def messages(self) -> list[PeerMessage]:
        return [event.message for event in self.seen if isinstance(event, Received)]

    def connections(self) -> set[Address]:
        """Who is there, by the events alone."""
        there: set[Address] = set()
        for event in self.seen:
            if isinstance(event, PeerUp):
                there.add(event.peer)
            elif isinstance(event, PeerDown):
                there.discard(event.peer)
        return there

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for events until the condition holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def gets(self, message: PeerMessage) -> Received:
        """The event that brought this message."""
        await self.until(lambda: message in self.messages())
        return next(e for e in self.seen if isinstance(e, Received) and e.message == message)

    # what a node may say -----------------------------------------------------------------------------------

    def decline(self, text: str, consumer: Address = CONSUMER) -> DeclineMessage:
        statement = Decline(hash_of(text), self.address)
        signed = Signed[Decline].sign(statement, self.key.secret, self.address, self.domain)
        return DeclineMessage(consumer, signed, "full")

    def announcement(self, text: str, proof: bytes) -> AnnouncementMessage:
        statement = Announcement(hash_of(text), self.address, 0, keccak(proof), len(proof), hash_of("seed"))
        signed = Signed[Announcement].sign(statement, self.key.secret, self.address, self.domain)
        return AnnouncementMessage(CONSUMER, signed, proof)

    def votes(self, text: str, count: int = 2) -> VotesMessage:
        casts = []
        for number in range(count):
            vote = Vote(hash_of(f"{text}{number}"), CONSUMER, hash_of("proof"), 0, valid=True)
            signed = Signed[Vote].sign(vote, self.key.secret, self.address, self.domain)
            casts.append(CastVote(signed, hash_of("possession"), hash_of("seed")))
        return VotesMessage(CONSUMER, tuple(casts))

    def request(self, text: str, payload: bytes, consumer: NodeKey) -> RequestMessage:
        details = Details(60, hash_of("image"), 5, text)
        request = Request(consumer.address, 1, Gwei(7), 2_000_000_000, 2, 1, keccak(payload), details)
        signed = Signed[Request].sign(request, consumer.secret, consumer.address, self.domain)
        return RequestMessage(signed, self.address, len(payload), payload)


class World(Protocol):
    """Makes nodes of one adapter and closes them."""

    async def node(
        self,
        number: int,
        *bootstrap: Node,
        domain: Domain = DOMAIN,
        options: NetworkOptions | None = None,
        start: bool = True,
    ) -> Node: ...

    async def close(self) -> None: ...


class _Base:
    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def make(self, owner: NodeKey, domain: Domain, options: NetworkOptions) -> Network:
        raise NotImplementedError

    async def node(
        self,
        number: int,
        *bootstrap: Node,
        domain: Domain = DOMAIN,
        options: NetworkOptions | None = None,
        start: bool = True,
    ) -> Node:
        contacts = tuple(a for other in bootstrap for a in other.network.listen_addresses())
        chosen = replace(options or NetworkOptions(), bootstrap=contacts)
        node = Node(self.make(key(number), domain, chosen), key(number), domain)
        self.nodes.append(node)
        if start:
            await node.start()
        return node

    async def close(self) -> None:
        for node in self.nodes:
            await node.close()


class LibP2PWorld(_Base):
    def make(self, owner: NodeKey, domain: Domain, options: NetworkOptions) -> Network:
        return LibP2PNetwork(owner, domain, options)


class MemoryWorld(_Base):
    def __init__(self) -> None:
        super().__init__()
        self.hub = MemoryHub()

    def make(self, owner: NodeKey, domain: Domain, options: NetworkOptions) -> Network:
        return self.hub.network(owner, domain, options)


async def eventually(condition: Callable[[], bool]) -> None:
    """For what the port tells only when asked: subscriptions, latencies, counters."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.02)


async def joined(*nodes: Node, consumer: Address = CONSUMER) -> None:
    """All nodes serve the consumer and know that of each other."""
    for node in nodes:
        await node.network.join(consumer)
    await eventually(lambda: all(n.network.committee_peers(consumer) >= len(nodes) - 1 for n in nodes))
