"""Token buckets against a clock that the test moves."""

from __future__ import annotations

import pytest

from gpn_desktop.adapters.grpc.limits import MAX_CLIENTS, Rate, RateLimiter, host_of
from gpn_desktop.core.errors import RateLimited


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_the_rate() -> None:
    clock = Clock()
    limiter = RateLimiter(Rate(2, 3), clock)
    for _ in range(3):
        limiter.take("a")
    with pytest.raises(RateLimited):
        limiter.take("a")
    limiter.take("b")
    clock.now += 0.5
    limiter.take("a")
    with pytest.raises(RateLimited):
        limiter.take("a")
    clock.now += 1_000
    for _ in range(3):
        limiter.take("a")
    with pytest.raises(RateLimited):
        limiter.take("a")


def test_a_refused_call_costs_nothing() -> None:
    clock = Clock()
    limiter = RateLimiter(Rate(1, 1), clock)
    limiter.take("a")
    for _ in range(9):
        clock.now += 0.1
        with pytest.raises(RateLimited):
            limiter.take("a")
    clock.now += 0.1001
    limiter.take("a")


def test_clients_without_number_do_not_fill_the_memory() -> None:
    limiter = RateLimiter(Rate(1, 1), Clock())
    for number in range(MAX_CLIENTS + 50):
        limiter.take(str(number))
    assert len(limiter._buckets) == MAX_CLIENTS


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:127.0.0.1:4321", "ipv4:127.0.0.1"),
        ("ipv6:%5B::1%5D:4321", "ipv6:[::1]"),
        ("unix:", "unix"),
        ("odd", "odd"),
    ],
)
def test_hosts(peer: str, host: str) -> None:
    assert host_of(peer) == host
