"""Who may say how much: token buckets, strikes that fade, bans that expire, and the gossip validator.

Everything here is synchronous and cheap, because it runs for every message before anything else does.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2

from gpn_desktop.adapters.p2p.codec import decode
from gpn_desktop.adapters.p2p.identity import ForeignKey, Roster, is_node_id
from gpn_desktop.adapters.p2p.options import Limits
from gpn_desktop.adapters.p2p.topics import Names
from gpn_desktop.core.errors import PeerMessageInvalid
from gpn_desktop.core.messages import (
    MAX_GOSSIP_BYTES,
    AnnouncementMessage,
    CanaryMessage,
    DeclineMessage,
    PeerMessage,
    RequestMessage,
    VotesMessage,
)
from gpn_desktop.core.types import Address, Domain, short
from gpn_desktop.ports.network import Received

log = logging.getLogger("gpn.p2p")

BAN_AT: Final = 10.0  # strikes
BAN_SECONDS: Final = 600.0
HALF_LIFE: Final = 120.0  # seconds in which half of the strikes fade
FLOOD_STRIKE: Final = 0.01  # for each message above the rate
MAX_TRACKED: Final = 4096
COSTLY_BYTES: Final = 4096


class Buckets:
    """A token bucket for each of the keys seen most recently."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._now = rate, burst, now
        self._levels: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, key: bytes, cost: float = 1.0) -> bool:
        now = self._now()
        level, since = self._levels.pop(key, (self._burst, now))
        level = min(self._burst, level + (now - since) * self._rate)
        allowed = level >= cost
        self._levels[key] = (level - cost if allowed else level, now)
        if len(self._levels) > MAX_TRACKED:
            self._levels.popitem(last=False)
        return allowed


class Standing:
    """Strikes and bans of peers, by their address. ``on_ban`` is called when a ban begins."""

    def __init__(self, on_ban: Callable[[Address], None], now: Callable[[], float] = time.monotonic) -> None:
        self._on_ban, self._now = on_ban, now
        self._strikes: OrderedDict[Address, tuple[float, float]] = OrderedDict()
        self._bans: dict[Address, float] = {}

    def inherit(self, before: Standing) -> None:
        """Hold what ``before`` held."""
        self._strikes, self._bans = before._strikes, before._bans

    def strike(self, peer: Address, weight: float, reason: str) -> None:
        """Hold a misdeed against a peer; enough of them in a short time are a ban."""
        total = self._level(peer) + weight
        self._strikes[peer] = (total, self._now())
        self._strikes.move_to_end(peer)
        if len(self._strikes) > MAX_TRACKED:
            self._strikes.popitem(last=False)
        if total >= BAN_AT:
            self.ban(peer, BAN_SECONDS, reason)

    def ban(self, peer: Address, seconds: float, reason: str) -> None:
        """Refuse a peer from now on; a longer ban that is in force stays."""
        now = self._now()
        self._bans = {p: until for p, until in self._bans.items() if until > now}
        if seconds <= 0:
            self._bans.pop(peer, None)
            self._strikes.pop(peer, None)
            return
        known = peer in self._bans
        self._bans[peer] = max(self._bans.get(peer, 0.0), now + seconds)
        self._strikes.pop(peer, None)
        if not known:
            log.info("peer %s is banned for %.0f s: %s", short(peer), seconds, reason)
        self._on_ban(peer)

    def banned(self, peer: Address) -> bool:
        until = self._bans.get(peer)
        return until is not None and until > self._now()

    def score(self, peer: Address) -> float:
        """0 for a good peer, below it for one with strikes."""
        return 0.0 - self._level(peer)

    def _level(self, peer: Address) -> float:
        total, since = self._strikes.get(peer, (0.0, 0.0))
        return 0.0 if total == 0 else float(total * 0.5 ** ((self._now() - since) / HALF_LIFE))


def check_author(message: PeerMessage, author: Address) -> None:
    """Statements are gossiped by those who signed them, a request by the gateway it names.

    Whoever relays them is nobody's concern; without this rule anyone could spend another's rate, or send
    fetches to a victim by naming it as a gateway.
    """
    match message:
        case VotesMessage(_, votes):
            signer = votes[0].signed.signer
        case AnnouncementMessage() | DeclineMessage():
            signer = message.signed.signer
        case RequestMessage():
            signer = message.gateway
        case CanaryMessage():
            signer = message.signed.message.prover
        case _:
            return
    if signer != author:
        raise PeerMessageInvalid("Gossiped by another than its author.")


class GossipGuard:
    """The two checkpoints of a gossip message: ``admit`` before and ``validate`` after its signature check.

    A message that passes is handed to ``deliver`` by ``accept``, which the library calls right after.
    """

    def __init__(
        self,
        me: ID,
        domain: Domain,
        names: Names,
        limits: Limits,
        roster: Roster,
        standing: Standing,
        deliver: Callable[[Received], None],
    ) -> None:
        self._me, self._domain, self._limits = me, domain, limits
        self._roster, self._standing, self._deliver = roster, standing, deliver
        self._names = names
        self._by_peer = Buckets(limits.peer_rate, limits.peer_burst)
        self._by_author = Buckets(limits.author_rate, limits.author_burst)
        self._passed: tuple[bytes, Received] | None = None
        self.flooded = 0
        self.invalid = 0

    def admit(self, forwarder: ID, message: rpc_pb2.Message) -> bool:
        """Size, shape and rate, before the message costs a signature check."""
        if forwarder == self._me:
            return True
        peer = self._roster.address(forwarder)
        if self._standing.banned(peer):
            return False
        if not self._by_peer.take(peer):
            self.flooded += 1
            self._standing.strike(peer, FLOOD_STRIKE, "flood")
            return False
        if (
            len(message.data) > MAX_GOSSIP_BYTES
            or len(message.topicIDs) != 1
            or not is_node_id(message.from_id)
            or len(message.seqno) != 8
        ):
            self._refuse(peer, "malformed gossip")
            return False
        return True

    def validate(self, forwarder: ID, message: rpc_pb2.Message) -> bool:
        """Author, rate, schema, freshness and topic of a message with a good libp2p signature."""
        if forwarder == self._me:
            return True
        peer = self._roster.address(forwarder)
        try:
            author = self._roster.address(ID(message.from_id))
        except ForeignKey:
            self._refuse(peer, "author without a point")
            return False
        if self._standing.banned(author):
            return False
        # A full message of votes costs as much CPU as a dozen short ones: a signature for every 250 bytes.
        if not self._by_author.take(author, 1 + len(message.data) // COSTLY_BYTES):
            self.flooded += 1
            return False
        try:
            received = self._open(message, author)
        except PeerMessageInvalid as error:
            # The author signed it, but a relay checks before it relays.
            self._refuse(peer, error.message)
            if author != peer:
                self._standing.strike(author, 1.0, error.message)
            return False
        if received is None:
            return False
        self._passed = (message.from_id + message.seqno, received)
        return True

    def accept(self, message: rpc_pb2.Message) -> None:
        """Deliver what ``validate`` has just opened; an own message is not delivered."""
        passed, self._passed = self._passed, None
        if passed is not None and passed[0] == message.from_id + message.seqno:
            self._deliver(passed[1])

    def _open(self, message: rpc_pb2.Message, author: Address) -> Received | None:
        opened = decode(message.data, self._domain)
        age = time.time() - opened.sent_ms / 1000
        if not -self._limits.max_skew <= age <= self._limits.max_age:
            # No strike: a relay with another clock saw it in time.
            self.invalid += 1
            return None
        if self._names.topic_of(opened.message) != message.topicIDs[0]:
            raise PeerMessageInvalid("Not what this topic carries.")
        check_author(opened.message, author)
        return Received(opened.message, author)

    def _refuse(self, peer: Address, reason: str) -> None:
        self.invalid += 1
        self._standing.strike(peer, 1.0, reason)
