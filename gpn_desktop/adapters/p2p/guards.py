"""The two checkpoints of a gossip message, one before and one after its libp2p signature is checked.

Everything here is synchronous, because it runs for every message before anything else does; what costs
nothing comes first, what costs a signature last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final

from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2

from gpn_desktop.adapters.p2p.codec import decode
from gpn_desktop.adapters.p2p.identity import ForeignKey, Roster, is_node_id
from gpn_desktop.adapters.p2p.options import Limits
from gpn_desktop.adapters.p2p.standing import FLOOD_STRIKE, Buckets, Standing
from gpn_desktop.adapters.p2p.tally import Drop, Tally
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
from gpn_desktop.core.types import TESTING_DOMAIN, Address, Domain
from gpn_desktop.ports.network import Received

COSTLY_BYTES: Final = 4096  # that count as one message more, see Limits
STRANGER_BYTES: Final = 1024  # of a stranger: four signatures
EVERYBODY: Final = b"everybody"  # the bucket that all strangers share
MAX_MEMBERS: Final = 1024  # of one consumer's committees, old ones included


class Misplaced(PeerMessageInvalid):
    """A good message where, or by whom, it must not be said."""


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
        raise Misplaced("Gossiped by another than its author.")


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
        tally: Tally,
        deliver: Callable[[Received], None],
    ) -> None:
        self._me, self._domain, self._limits = me, domain, limits
        self._roster, self._standing, self._deliver = roster, standing, deliver
        self._names, self._tally = names, tally
        self._by_peer = Buckets(limits.peer_rate, limits.peer_burst)
        self._by_author = Buckets(limits.author_rate, limits.author_burst)
        self._strangers = Buckets(limits.stranger_rate, limits.stranger_burst)
        self._crowd = Buckets(limits.crowd_rate, limits.crowd_burst)
        self._members: dict[str, dict[Address, None]] = {}  # by topic
        self._passed: tuple[bytes, Received] | None = None

    def inherit(self, before: GossipGuard) -> None:
        """Know what ``before`` knew."""
        self._members = before._members

    def listen_to(self, consumer: Address, members: Collection[Address]) -> None:
        """Network.listen_to."""
        for topic in self._names.topics(consumer):
            known = self._members.setdefault(topic, {})
            known.update(dict.fromkeys(members))
            for oldest in list(known)[: max(0, len(known) - MAX_MEMBERS)]:
                del known[oldest]

    def admit(self, forwarder: ID, message: rpc_pb2.Message) -> bool:
        """Size, shape and rate, before the message costs a signature check."""
        if forwarder == self._me:
            return True
        peer = self._roster.address(forwarder)
        if self._standing.banned(peer):
            return self._drop(Drop.BANNED)
        if not self._by_peer.take(peer):
            self._standing.strike(peer, FLOOD_STRIKE, "flood")
            return self._drop(Drop.FLOOD)
        if (
            len(message.data) > MAX_GOSSIP_BYTES
            or len(message.topicIDs) != 1
            or not is_node_id(message.from_id)
            or len(message.seqno) != 8
        ):
            return self._refuse(peer, "malformed gossip")
        return self._familiar(peer, message)

    def _familiar(self, peer: Address, message: rpc_pb2.Message) -> bool:
        """Whether an author of a committee claims to speak, or a stranger who has not said much yet."""
        topic = message.topicIDs[0]
        members = self._members.get(topic)
        if members is None:
            return True
        try:
            author = self._roster.look(message.from_id)
        except ForeignKey:
            return self._refuse(peer, "author without a point")
        if author in members:
            return True
        # A stranger may be the gateway of a good request, which is paid back when it turns out to be one.
        if self._names.of_requests(topic):
            return self._strangers.take(peer) or self._drop(Drop.STRANGER)
        cost = 1 + len(message.data) // STRANGER_BYTES
        if not self._crowd.take(EVERYBODY, cost) or not self._strangers.take(peer, cost):
            return self._drop(Drop.STRANGER)
        return True

    def forged(self, forwarder: ID) -> None:
        """The libp2p signature was not its author's. A relay checks before it relays."""
        self._refuse(self._roster.address(forwarder), "gossip with a bad signature")

    def validate(self, forwarder: ID, message: rpc_pb2.Message) -> bool:
        """Author, rate, schema, freshness and topic of a message with a good libp2p signature."""
        if forwarder == self._me:
            return True
        peer = self._roster.address(forwarder)
        try:
            author = self._roster.address(ID(message.from_id))
        except ForeignKey:
            return self._refuse(peer, "author without a point")
        if self._standing.banned(author):
            return self._drop(Drop.BANNED)
        # A full message of votes costs as much CPU as a dozen short ones: a signature for every 250 bytes.
        if not self._by_author.take(author, 1 + len(message.data) // COSTLY_BYTES):
            return self._drop(Drop.AUTHOR)
        try:
            received = self._open(message, author, peer)
        except PeerMessageInvalid as error:
            # The author signed it, but a relay checks before it relays.
            placed = not isinstance(error, Misplaced)
            self._refuse(peer, error.message, Drop.MALFORMED if placed else Drop.MISPLACED)
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

    def _open(self, message: rpc_pb2.Message, author: Address, peer: Address) -> Received | None:
        opened = decode(message.data, self._domain)
        age = time.time() - opened.sent_ms / 1000
        if not -self._limits.max_skew <= age <= self._limits.max_age:
            # No strike: a relay with another clock saw it in time.
            self._drop(Drop.STALE)
            return None
        said, topic = opened.message, message.topicIDs[0]
        if self._names.topic_of(said) != topic:
            raise Misplaced("Not what this topic carries.")
        check_author(said, author)
        if isinstance(said, RequestMessage):
            self._check_consumer(said)
            if author not in self._members.get(topic, {}):
                self._strangers.give_back(peer)
        return Received(said, author)

    def _check_consumer(self, said: RequestMessage) -> None:
        """On the topic of requests the consumer's signature counts; testing's gateways sign for consumers."""
        if self._domain != TESTING_DOMAIN and said.signed.signer != said.signed.message.consumer:
            raise PeerMessageInvalid("A request that its consumer did not sign.")

    def _drop(self, reason: Drop) -> bool:
        self._tally.add(reason)
        return False

    def _refuse(self, peer: Address, reason: str, drop: Drop = Drop.MALFORMED) -> bool:
        self._standing.strike(peer, 1.0, reason)
        return self._drop(drop)
