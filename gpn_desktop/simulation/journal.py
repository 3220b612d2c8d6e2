"""What a node has on its disk: all that is left of it after a crash."""

from __future__ import annotations

from dataclasses import dataclass, field

from gpn_desktop.core.events import OrderKnown
from gpn_desktop.core.messages import (
    AnnouncementMessage,
    CancelMessage,
    DeclineMessage,
    RequestMessage,
    VotesMessage,
)
from gpn_desktop.core.types import Hash32

Statement = AnnouncementMessage | DeclineMessage | VotesMessage | CancelMessage


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement as it was journalled; ``time`` by the node's own clock, in milliseconds of chain time."""

    message: Statement
    own: bool
    time: int


@dataclass
class Journal:
    """``orders`` are those that were pinned, ``proving`` the marks of proofs begun, ``proofs`` the blobs."""

    requests: dict[Hash32, tuple[RequestMessage, int]] = field(default_factory=dict)
    statements: dict[Hash32, list[Kept]] = field(default_factory=dict)
    orders: dict[Hash32, OrderKnown] = field(default_factory=dict)
    proving: set[Hash32] = field(default_factory=set)
    proofs: dict[Hash32, bytes] = field(default_factory=dict)
    settling: set[Hash32] = field(default_factory=set)
    _have: set[tuple[Hash32, int]] = field(default_factory=set)

    def open(self, message: RequestMessage, time: int) -> None:
        self.requests[message.request_id] = (message, time)
        self.statements.setdefault(message.request_id, [])

    def keep(self, request_id: Hash32, message: Statement, own: bool, time: int) -> None:
        self.statements.setdefault(request_id, []).append(Kept(message, own, time))
        self._have.add((request_id, id(message)))  # the message lives as long as this journal

    def has(self, request_id: Hash32, message: Statement) -> bool:
        return (request_id, id(message)) in self._have
