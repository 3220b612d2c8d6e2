from __future__ import annotations

from gpn_desktop.adapters.p2p.standing import BAN_AT, HALF_LIFE, Buckets, Standing
from gpn_desktop.core.types import Address

PEER = Address(b"\x01" * 20)
OTHER = Address(b"\x02" * 20)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_lets_a_burst_through_and_then_the_rate() -> None:
    clock = Clock()
    buckets = Buckets(10, 5, clock)
    assert [buckets.take(PEER) for _ in range(7)] == [True] * 5 + [False] * 2
    assert buckets.take(OTHER)
    clock.now += 0.2
    assert [buckets.take(PEER) for _ in range(3)] == [True, True, False]
    clock.now += 1000
    assert [buckets.take(PEER, 3) for _ in range(2)] == [True, False]
    clock.now += 1000
    assert sum(buckets.take(PEER) for _ in range(100)) == 5


def test_the_least_recent_peers_are_forgotten() -> None:
    buckets = Buckets(1, 1, Clock())
    assert buckets.take(PEER)
    assert not buckets.take(PEER)
    for number in range(5000):
        buckets.take(number.to_bytes(20, "big"))
    assert buckets.take(PEER)


def test_strikes_add_up_to_a_ban_that_expires() -> None:
    clock, banned = Clock(), list[Address]()
    standing = Standing(banned.append, clock)
    for _ in range(int(BAN_AT) - 1):
        standing.strike(PEER, 1, "test")
    assert standing.score(PEER) == -(BAN_AT - 1)
    assert not standing.banned(PEER)
    standing.strike(PEER, 1, "test")
    assert standing.banned(PEER)
    assert banned == [PEER]
    assert not standing.banned(OTHER)
    clock.now += 601
    assert not standing.banned(PEER)
    assert standing.score(PEER) == 0


def test_strikes_fade() -> None:
    clock = Clock()
    standing = Standing(lambda peer: None, clock)
    standing.strike(PEER, 8, "test")
    clock.now += HALF_LIFE
    assert standing.score(PEER) == -4
    standing.strike(PEER, 5, "test")
    assert not standing.banned(PEER)


def test_a_longer_ban_stays_and_none_lifts_it() -> None:
    clock = Clock()
    standing = Standing(lambda peer: None, clock)
    standing.ban(PEER, 100, "long")
    standing.ban(PEER, 1, "short")
    clock.now += 50
    assert standing.banned(PEER)
    standing.ban(PEER, 0, "forgiven")
    assert not standing.banned(PEER)
