"""How much one client may ask for: token buckets, kept for a bounded number of clients.

A claimed address costs its owner nothing: whoever is counted by a consumer's address has signed with its key,
or is counted by host and address together.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from gpn_desktop.core.errors import RateLimited

MAX_CLIENTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """``per_second`` calls in the long run, ``burst`` of them at once."""

    per_second: float
    burst: int


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimiter:
    """One bucket per key; the keys not seen for longest are forgotten first."""

    def __init__(self, rate: Rate, now: Callable[[], float]) -> None:
        self._rate = rate
        self._now = now
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str) -> None:
        """Count one call; RateLimited when the key's bucket is empty."""
        now = self._now()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._rate.burst, now)
            if len(self._buckets) > MAX_CLIENTS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        refilled = bucket.tokens + (now - bucket.at) * self._rate.per_second
        bucket.tokens, bucket.at = min(float(self._rate.burst), refilled), now
        if bucket.tokens < 1:
            raise RateLimited(f"More than {self._rate.per_second:g} calls per second.")
        bucket.tokens -= 1


def host_of(peer: str) -> str:
    """The host in gRPC's name of a peer (``ipv4:127.0.0.1:41234``, ``ipv6:%5B::1%5D:41234``)."""
    return unquote(peer).rpartition(":")[0] or peer
