"""The arithmetic of fees: within the ceilings, and enough for chain nodes to take a replacement."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.adapters.chain.fees import Fees, Offer, first_offer, in_gwei, raised_offer
from gpn_desktop.core.errors import FeesTooHigh

GWEI = 10**9
wei = st.integers(0, 10**13)
policies = st.builds(Fees, ceiling=st.none() | wei, priority_ceiling=wei)


@given(wei, wei, policies)
def test_a_first_offer_can_be_mined_now_and_keeps_the_ceilings(base: int, suggested: int, fees: Fees) -> None:
    try:
        offer = first_offer(base, suggested, fees)
    except FeesTooHigh:
        assert fees.ceiling is not None
        assert base + fees.tip(suggested) > fees.ceiling
        return
    assert base + offer.tip <= offer.max_fee
    assert offer.tip <= min(suggested, fees.priority_ceiling)
    assert fees.ceiling is None or offer.max_fee <= fees.ceiling


@given(wei, wei, wei, policies, st.data())
def test_a_raised_offer_is_taken_and_keeps_the_ceilings(
    base: int, suggested: int, old_fee: int, fees: Fees, data: st.DataObject
) -> None:
    old = Offer(old_fee, data.draw(st.integers(0, old_fee)))
    offer = raised_offer(old, base, suggested, fees)
    if offer is None:
        assert fees.ceiling is not None or old.tip * 9 // 8 + 1 > fees.priority_ceiling
        return
    assert 8 * offer.tip > 9 * old.tip
    assert 8 * offer.max_fee > 9 * old.max_fee
    assert base + offer.tip <= offer.max_fee
    assert offer.tip <= fees.priority_ceiling
    assert fees.ceiling is None or offer.max_fee <= fees.ceiling


@given(st.integers(0, 10**12), st.integers(100, 10**12), st.integers(100, 10**12))
def test_the_first_tip_leaves_room_for_two_replacements(base: int, suggested: int, most: int) -> None:
    fees = Fees(priority_ceiling=most)
    offer = first_offer(base, suggested, fees)
    for _ in range(2):
        raised = raised_offer(offer, base, suggested, fees)
        assert raised is not None
        offer = raised


@given(st.integers(1, 10**12), wei)
def test_a_first_offer_lasts_six_full_blocks(base: int, suggested: int) -> None:
    offer = first_offer(base, suggested, Fees(priority_ceiling=10**13))
    later = base
    for _ in range(5):
        later += later // 8  # the most that a block may add
    assert later + offer.tip <= offer.max_fee


def test_a_dear_block_is_named_with_both_prices() -> None:
    with pytest.raises(FeesTooHigh, match=r"Gas costs 41\.5 gwei, over the ceiling of 40 gwei") as dear:
        first_offer(40 * GWEI, 3 * GWEI // 2, Fees(ceiling=40 * GWEI))
    assert "max_fee_gwei" in dear.value.remedy


def test_a_ceiling_between_the_price_and_twice_the_price_is_all_that_is_offered() -> None:
    assert first_offer(30 * GWEI, GWEI, Fees(ceiling=40 * GWEI)) == Offer(40 * GWEI, GWEI)


def test_an_offer_at_the_ceiling_is_not_raised() -> None:
    fees = Fees(ceiling=40 * GWEI)
    assert raised_offer(Offer(40 * GWEI, GWEI), 50 * GWEI, GWEI, fees) is None
    room = raised_offer(Offer(30 * GWEI, GWEI), 31 * GWEI, GWEI, fees)
    assert room is not None
    assert room.max_fee == 40 * GWEI


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "0"), (1, "0.000000001"), (40 * GWEI, "40"), (10**9 // 2, "0.5")]
)
def test_gwei_for_people(amount: int, text: str) -> None:
    assert in_gwei(amount) == text
