"""How much was dropped, by reason. Counted on whichever thread drops; read from any."""

from __future__ import annotations

from collections import Counter
from enum import Enum

from gpn_desktop.core.refusals import Drops


class Drop(Enum):
    """The fields of ``Drops``."""

    FULL = "full"
    FLOOD = "flood"
    AUTHOR = "author"
    STRANGER = "stranger"
    MALFORMED = "malformed"
    STALE = "stale"
    MISPLACED = "misplaced"
    BANNED = "banned"
    CONTROL = "control"
    STREAMS = "streams"
    CONNECTIONS = "connections"


class Tally:
    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, reason: Drop, count: int = 1) -> None:
        self._counts[reason.value] += count

    def drops(self) -> Drops:
        return Drops(**dict(self._counts))
