"""The order of provers: total, stable under removal, and fair by weight."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.selection import ranking, weight_of
from gpn_desktop.core.types import Hash32, Role, Seat, Snapshot
from tests.unit.core.vectors import snapshot

hashes = st.binary(min_size=32, max_size=32).map(Hash32)


@given(hashes, st.integers(2, 32))
def test_every_member_that_proves_has_exactly_one_turn(seed: Hash32, size: int) -> None:
    committee = snapshot(size)
    order = ranking(seed, committee)
    assert sorted(order) == sorted(s.address for s in committee.seats if s.roles & Role.PROVE)


@given(hashes, st.integers(3, 32), st.data())
def test_taking_one_out_never_reorders_the_rest(seed: Hash32, size: int, data: st.DataObject) -> None:
    committee = snapshot(size)
    gone = data.draw(st.sampled_from(committee.seats))
    rest = Snapshot(
        committee.consumer, 2, committee.image_digest, tuple(s for s in committee.seats if s is not gone)
    )
    assert ranking(seed, rest) == tuple(a for a in ranking(seed, committee) if a != gone.address)


@given(hashes, st.permutations(range(8)))
def test_the_order_does_not_depend_on_the_seats(seed: Hash32, seats: list[int]) -> None:
    committee = snapshot(8)
    shuffled = replace(committee, seats=tuple(committee.seats[i] for i in seats))
    assert ranking(seed, shuffled) == ranking(seed, committee)


@given(st.integers(1, 10**24), st.integers(1, 10**20))
def test_weight_is_clamped(stake: int, min_stake: int) -> None:
    weight = weight_of(stake, min_stake)
    assert 1 <= weight <= 16
    assert weight in (1, 16) or weight * min_stake <= stake < (weight + 1) * min_stake


def test_first_places_are_shared_by_weight() -> None:
    """4,000 fixed seeds over weights 1, 2, 5: each share within 4 standard deviations of its expectation."""
    base = snapshot(3)
    seats = tuple(
        Seat(s.address, s.member_id, Role.PROVE | Role.VERIFY, w)
        for s, w in zip(base.seats, (1, 2, 5), strict=True)
    )
    committee = replace(base, seats=seats)
    rounds = 4000
    firsts = Counter(ranking(keccak(i.to_bytes(4, "big")), committee)[0] for i in range(rounds))
    for seat in seats:
        share = seat.weight / 8
        deviation = (rounds * share * (1 - share)) ** 0.5
        assert abs(firsts[seat.address] - rounds * share) < 4 * deviation
