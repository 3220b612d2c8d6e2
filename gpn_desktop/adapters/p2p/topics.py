"""Names on the wire: gossip topics and stream protocols of one deployment.

The domain's name leads them, so that testing mode has its own and never meets a real network.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gpn_desktop.core.messages import (
    AnnouncementMessage,
    CanaryMessage,
    CancelMessage,
    DeclineMessage,
    PeerMessage,
    RequestMessage,
    StatusMessage,
    VotesMessage,
)
from gpn_desktop.core.types import Address, Domain, hex0x, parse_address

VERSION: Final = "1"
LONGEST: Final = 64  # characters of a topic behind the deployment's name


class Kind(Enum):
    REQUESTS = "requests"
    PROOFS = "proofs"
    VOTES = "votes"
    STATUS = "status"


# In the order of joining: peers are counted by the topic of requests, and by then must hear the others too.
CONSUMER_KINDS: Final = (Kind.PROOFS, Kind.VOTES, Kind.REQUESTS)


def kind_of(message: PeerMessage) -> Kind:
    """The topic that a message belongs on."""
    match message:
        case RequestMessage() | CancelMessage():
            return Kind.REQUESTS
        case AnnouncementMessage() | DeclineMessage() | CanaryMessage():
            return Kind.PROOFS
        case VotesMessage():
            return Kind.VOTES
        case StatusMessage():
            return Kind.STATUS


def consumer_of(message: PeerMessage) -> Address | None:
    """The consumer that a message concerns; None for a status."""
    match message:
        case RequestMessage():
            return message.signed.message.consumer
        case StatusMessage():
            return None
        case _:
            return message.consumer


@dataclass(frozen=True, slots=True)
class Names:
    """All names of one domain. A network that wants names of its own gives some; its nodes have to agree."""

    domain: Domain
    namespace: str | None = None  # before every topic
    fetch_protocol: str | None = None
    sync_protocol: str | None = None

    @property
    def _root(self) -> str:
        return f"/{self.domain.name.lower()}"

    @property
    def base(self) -> str:
        """What the nodes of one network have in common, and those of others have not."""
        namespace = self.namespace or f"{self._root}/{VERSION}"
        return f"{namespace}/{self.domain.chain_id}/{hex0x(self.domain.contract)}"

    def topic(self, kind: Kind, consumer: Address | None) -> str:
        if consumer is None:
            return f"{self.base}/{kind.value}"
        return f"{self.base}/{hex0x(consumer)}/{kind.value}"

    def topic_of(self, message: PeerMessage) -> str:
        return self.topic(kind_of(message), consumer_of(message))

    def topics(self, consumer: Address) -> tuple[str, ...]:
        return tuple(self.topic(kind, consumer) for kind in CONSUMER_KINDS)

    def ours(self, topic: str) -> bool:
        """Whether a topic can be one of this deployment's, by its form."""
        start = self.base + "/"
        return topic.startswith(start) and len(topic) <= len(start) + LONGEST

    def of_requests(self, topic: str) -> bool:
        return topic.endswith("/" + Kind.REQUESTS.value)

    def served(self, topic: str) -> Address | None:
        """The consumer whose requests a topic carries, None for any other topic."""
        start, end = self.base + "/", "/" + Kind.REQUESTS.value
        if not (topic.startswith(start) and topic.endswith(end)):
            return None
        try:
            return parse_address(topic[len(start) : -len(end)])
        except ValueError:
            return None

    @property
    def fetch(self) -> str:
        return self.fetch_protocol or f"{self._root}/fetch/{VERSION}"

    @property
    def sync(self) -> str:
        return self.sync_protocol or f"{self._root}/sync/{VERSION}"

    @property
    def peers(self) -> str:
        return f"{self._root}/peers/{VERSION}"

    @property
    def attest(self) -> str:
        return f"{self._root}/attest/{VERSION}"
