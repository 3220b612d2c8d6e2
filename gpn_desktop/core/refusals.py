"""What a node does not take from its peers, and whom it refuses.

Apart from ``ports.network``, whose messages bring the cryptography along: the window shows this, and is up
before anything as slow is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from gpn_desktop.core.types import Address


@dataclass(frozen=True, slots=True)
class Ban:
    """A peer that is refused: why, in words of the log, and until when, in Unix seconds."""

    peer: Address
    reason: str
    until: float


@dataclass(frozen=True, slots=True)
class Drops:
    """What was dropped since the start, each thing under one reason.

    Attributes:
        full: the oldest gossip that waited for the services, pushed out of the full queue.
        flood: gossip above what one peer may hand over.
        author: gossip above what one author may say.
        stranger: gossip above the little that authors outside of the committees may say.
        malformed: gossip that is no message of this protocol, or is signed by another than it says.
        stale: gossip too old, or from the future.
        misplaced: gossip on another topic than its own, or by another than its author.
        banned: gossip from or by peers that are banned.
        control: the gossip protocol's own notes, about no topic of this deployment or too many.
        streams: direct requests, of a peer that asks too much at a time, or asks what is no request.
        connections: connections, from a host or of a peer that is banned or has enough of them.
    """

    full: int = 0
    flood: int = 0
    author: int = 0
    stranger: int = 0
    malformed: int = 0
    stale: int = 0
    misplaced: int = 0
    banned: int = 0
    control: int = 0
    streams: int = 0
    connections: int = 0

    @property
    def total(self) -> int:
        return sum(getattr(self, field.name) for field in fields(self))
