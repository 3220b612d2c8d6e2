"""Who may do how much: token buckets, strikes that fade, bans that expire.

Everything here is synchronous and cheap, because it runs for every message before anything else does. The
scores of GossipSub are not used: they know topics and messages, while most of what a hostile peer does
(streams, frames, histories, blobs) happens elsewhere, and one account of a peer's misdeeds is easier to
explain than two.

Bans are not written down. A restarted node has forgotten them, which costs it the seconds in which a hostile
peer earns another, and spares an operator a ban whose reason nobody remembers.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gpn_desktop.core.refusals import Ban
from gpn_desktop.core.types import Address, short

log = logging.getLogger("gpn.p2p")

BAN_AT: Final = 10.0  # strikes
BAN_SECONDS: Final = 600.0
HALF_LIFE: Final = 120.0  # seconds in which half of the strikes fade
FLOOD_STRIKE: Final = 0.01  # for each message above the rate
MAX_TRACKED: Final = 4096


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

    def give_back(self, key: bytes, cost: float = 1.0) -> None:
        """Undo a ``take`` that turned out to be none of this bucket's business."""
        level, since = self._levels.get(key, (self._burst, self._now()))
        self._levels[key] = (min(self._burst, level + cost), since)


class Standing:
    """Strikes and bans of peers, by their address. ``on_ban`` is called when a ban begins."""

    def __init__(self, on_ban: Callable[[Address], None], now: Callable[[], float] = time.monotonic) -> None:
        self._on_ban, self._now = on_ban, now
        self._strikes: OrderedDict[Address, tuple[float, float]] = OrderedDict()
        self._bans: dict[Address, tuple[float, str]] = {}

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
        bans = {p: ban for p, ban in self._bans.items() if ban[0] > now}
        before = bans.pop(peer, None)
        self._strikes.pop(peer, None)
        if seconds > 0:
            bans[peer] = max(before or (0.0, ""), (now + seconds, reason))
            if len(bans) > MAX_TRACKED:
                del bans[min(bans, key=lambda p: bans[p][0])]
        # Another thread looks at it, so it is replaced and never changed.
        self._bans = bans
        if seconds <= 0:
            return
        if before is None:
            log.info("peer %s is banned for %.0f s: %s", short(peer), seconds, reason)
        self._on_ban(peer)

    def banned(self, peer: Address) -> bool:
        until, _ = self._bans.get(peer, (0.0, ""))
        return until > self._now()

    def bans(self) -> tuple[Ban, ...]:
        """Those in force, the first to end first; from any thread."""
        now, unix = self._now(), time.time()
        there = [
            Ban(p, reason, unix + until - now) for p, (until, reason) in self._bans.items() if until > now
        ]
        return tuple(sorted(there, key=lambda ban: ban.until))

    def score(self, peer: Address) -> float:
        """0 for a good peer, below it for one with strikes."""
        return 0.0 - self._level(peer)

    def _level(self, peer: Address) -> float:
        total, since = self._strikes.get(peer, (0.0, 0.0))
        return 0.0 if total == 0 else float(total * 0.5 ** ((self._now() - since) / HALF_LIFE))
