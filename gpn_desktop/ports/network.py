"""The peer-to-peer network as the services see it: authenticated domain messages, blobs by hash, history.

Peers are known by the Ethereum address of their node key, which is their libp2p identity as well.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gpn_desktop.core.messages import PeerMessage
from gpn_desktop.core.refusals import Ban, Drops
from gpn_desktop.core.types import Address, Hash32

MAX_ATTESTED: Final = 64  # votes under one signature


@dataclass(frozen=True, slots=True)
class Received:
    """A message that passed the cheap checks (size, schema, signatures well-formed, replay).

    ``author`` is the peer whose libp2p signature the gossip message carries, never the relaying peer. From
    sync it is the peer that served the item, and proves nothing: the signatures inside do.
    """

    message: PeerMessage
    author: Address
    synced: bool = False


@dataclass(frozen=True, slots=True)
class PeerUp:
    """A peer is connected. Told again when gossip may have been lost on the way, without it having gone."""

    peer: Address


@dataclass(frozen=True, slots=True)
class PeerDown:
    peer: Address


NetworkEvent = Received | PeerUp | PeerDown


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """One connected peer, for people: round trip in milliseconds (None before the first ping)."""

    peer: Address
    address: str
    latency_ms: float | None
    score: float
    consumers: tuple[Address, ...]


class History(Protocol):
    """What this node gives to others that ask; implemented by the services."""

    async def blob(self, hash32: Hash32) -> bytes | None:
        """A payload or proof by its keccak-256, None if this node has none."""
        ...

    async def since(self, consumer: Address, cursor: int, limit: int) -> tuple[list[PeerMessage], int]:
        """Messages of open requests kept after ``cursor``, and the cursor to go on from."""
        ...

    async def attest(self, votes: tuple[Hash32, ...]) -> bytes | None:
        """This node's BatchVote signature over digests of votes; None unless it gave every one of them."""
        ...


class Network(Protocol):
    address: Address

    async def start(self, history: History) -> None:
        """Listen, connect to the bootstrap peers, keep reconnecting; returns once listening.

        Raises:
            PortInUse: the configured port is taken.
            NetworkDown: anything else that keeps the host from starting.
        """
        ...

    async def aclose(self) -> None:
        """Stop within 5 s; idempotent."""
        ...

    def events(self) -> AsyncIterator[NetworkEvent]:
        """All events from start to close, bounded: the oldest gossip is dropped and counted when full."""
        ...

    async def join(self, consumer: Address) -> None:
        """Subscribe to a consumer's topics; idempotent."""
        ...

    async def leave(self, consumer: Address) -> None: ...

    def listen_to(self, consumer: Address, members: Collection[Address]) -> None:
        """Who the consumer's committees are, whose statements alone count.

        Others are heard as well, for this node may not know the newest committee yet, but so little that a
        flood of theirs costs nothing. Until this is called for a consumer everybody is heard alike.
        """
        ...

    async def publish(self, message: PeerMessage) -> None:
        """Gossip a message on its topic. NetworkDown when the network is stopped."""
        ...

    def committee_peers(self, consumer: Address) -> int:
        """How many connected peers are subscribed to the consumer's topics."""
        ...

    async def fetch(self, hash32: Hash32, size: int, providers: Sequence[Address], within: float) -> bytes:
        """A blob of exactly ``size`` bytes with this keccak-256, from the first provider that has it.

        Resumes at the byte reached when a provider breaks off. FetchFailed after ``within`` seconds.
        """
        ...

    async def sync(self, peer: Address, consumer: Address, cursor: int) -> tuple[list[PeerMessage], int]:
        """One page of a peer's history (see ``History.since``); FetchFailed when it does not answer."""
        ...

    async def attest(self, peer: Address, votes: Sequence[Hash32], within: float) -> bytes | None:
        """A peer's BatchVote signature over digests of its own votes, unchecked; None when it refuses.

        FetchFailed when it does not answer within so many seconds, or answers something else.
        """
        ...

    def peers(self) -> tuple[PeerInfo, ...]: ...

    def drops(self) -> Drops:
        """What was dropped since the start; cheap."""
        ...

    def bans(self) -> tuple[Ban, ...]:
        """The bans in force, the first to end first. A restart of the node forgets them: the long ones are
        the operator's, whoever earned another earns it again within seconds."""
        ...

    def listen_addresses(self) -> tuple[str, ...]:
        """Multiaddresses with the peer id, for other nodes' bootstrap lists."""
        ...

    async def connect(self, address: str) -> None:
        """Connect to a multiaddress now and keep it in the address book."""
        ...

    def ban(self, peer: Address, seconds: float, reason: str) -> None:
        """Refuse a peer from now on, at once and for so long; 0 seconds lift its ban."""
        ...
