"""Would I have earned: the expectation against the protocol's own shares, and its limits."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.core.replay import Past, Terms, replay
from gpn_desktop.core.settlement import Shares, split
from gpn_desktop.core.types import WEI_PER_GWEI, Address, Gwei, Hash32, Role, Seat, Snapshot

SHARES = Shares(7_000, 500, 2_500, Gwei(0))
BOTH = Role.PROVE | Role.VERIFY
ME = Address(b"\x99" * 20)


def terms(weight: int = 1, prove: float = 2.0, **more: int) -> Terms:
    return Terms(weight, prove, 0.1, 60.0, SHARES, **more)


def committee(*weights: int, roles: Role = BOTH, me: bool = False) -> Snapshot:
    seats = tuple(Seat(Address(bytes([at]) * 20), at, roles, weight) for at, weight in enumerate(weights, 1))
    mine = (Seat(ME, 99, BOTH, 16),) if me else ()
    return Snapshot(Address(bytes(20)), 1, Hash32(bytes(32)), seats + mine)


def test_the_share_of_the_weight_is_the_share_of_the_turns() -> None:
    past = [Past.of(Gwei(1_000_000), committee(1, 2, 4), ME)] * 8
    found = replay(past, terms(weight=1))
    assert (found.requests, found.proofs, found.votes) == (8, Fraction(1), Fraction(7))
    one = split(Gwei(1_000_000), SHARES, 3, 3, by_prover=True)
    assert (found.proved, found.verified) == (one.prover, 7 * one.fee)
    assert found.net == (found.proved + found.verified) * WEI_PER_GWEI


def test_a_seat_of_ones_own_is_not_counted_twice() -> None:
    with_me = Past.of(Gwei(1_000_000), committee(1, 2, me=True), ME)
    assert with_me == Past.of(Gwei(1_000_000), committee(1, 2), ME)


def test_who_only_verifies_takes_no_turn() -> None:
    assert Past.of(Gwei(1), committee(3, 4, roles=Role.VERIFY), ME) == Past(Gwei(1), 0, 2)


def test_who_is_too_slow_lives_of_votes() -> None:
    past = [Past(Gwei(1_000_000), 4, 4)]
    slow = replay(past, terms(prove=48.1, gas_price=10**9))
    assert not slow.in_time
    assert (slow.proofs, slow.proved, slow.gas) == (0, 0, 0)
    assert slow.verified == split(Gwei(1_000_000), SHARES, 4, 4, by_prover=True).fee
    assert replay(past, terms(prove=48.0)).in_time  # 48 s with a quarter to spare is the turn of 60 s


def test_gas_and_electricity_are_told_apart_from_rewards() -> None:
    past = [Past(Gwei(1_000_000), 1, 3)] * 10
    found = replay(past, terms(watts=360, price=300_000, gas_price=10**9))
    assert found.proofs == 5
    assert found.joules == 360 * (5 * 2 + 0.5)
    assert found.power == found.joules * 300_000 // 3_600_000
    assert found.gas > 0
    assert replay(past, terms(gas_price=10**9, batch=10)).gas < found.gas
    assert found.net == (found.proved + found.verified) * WEI_PER_GWEI - found.gas


@given(
    st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 500), st.integers(1, 31)), max_size=20),
    st.integers(1, 16),
)
def test_nobody_earns_more_than_was_paid(past: list[tuple[int, int, int]], weight: int) -> None:
    found = replay([Past(Gwei(r), w, v) for r, w, v in past], terms(weight))
    assert found.proofs + found.votes == len(past) == found.requests
    assert 0 <= found.proved + found.verified <= sum(r for r, _, _ in past)


def test_nothing_was_settled() -> None:
    found = replay([], terms())
    assert (found.requests, found.net, found.joules) == (0, 0, 0)


@pytest.mark.parametrize("weight", [1, 16])
def test_more_stake_means_more_turns(weight: int) -> None:
    found = replay([Past(Gwei(100_000), 16, 4)], terms(weight))
    assert found.proofs == Fraction(weight, weight + 16)
