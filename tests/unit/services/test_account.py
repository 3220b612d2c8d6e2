"""Addresses and amounts as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.core.errors import AddressWrong, AmountTooHigh
from gpn_desktop.core.types import Address
from gpn_desktop.services.account import checksummed, read_address, read_eth

# From EIP-55.
GOOD = (
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
)


@pytest.mark.parametrize("text", GOOD)
def test_the_standards_own_addresses_are_read_and_written(text: str) -> None:
    assert checksummed(read_address(f" {text}\n")) == text


@given(st.binary(min_size=20, max_size=20), st.integers(0, 39))
def test_one_wrong_digit_is_found(raw: bytes, at: int) -> None:
    text = checksummed(Address(raw))
    digit = text[2 + at]
    wrong = text[: 2 + at] + ("b" if digit.lower() == "a" else "a") + text[3 + at :]
    if wrong[2:] != checksummed(Address(bytes.fromhex(wrong[2:])))[2:]:  # by chance, one in 15 million
        with pytest.raises(AddressWrong):
            read_address(wrong)


def test_without_a_checksum_it_takes_a_confirmation() -> None:
    for text in (GOOD[0].lower(), "0x" + GOOD[0][2:].upper()):
        with pytest.raises(AddressWrong, match="no checksum"):
            read_address(text)
        assert checksummed(read_address(text, unchecked=True)) == GOOD[0]


@pytest.mark.parametrize(
    "text", ["", "0x", GOOD[0][:-1], GOOD[0] + "0", "5aAeb", "<b>", "0x" + "g" * 40, "\x00"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(AddressWrong):
        read_address(text, unchecked=True)


@given(st.integers(0, 10**30))
def test_amounts_are_exact(wei: int) -> None:
    assert read_eth(f"{wei // 10**18}.{wei % 10**18:018d}") == wei


@pytest.mark.parametrize(
    ("text", "wei"), [("1", 10**18), (".5", 5 * 10**17), ("0,25", 25 * 10**16), ("2.", 2 * 10**18)]
)
def test_short_forms_of_amounts(text: str, wei: int) -> None:
    assert read_eth(text) == wei


@pytest.mark.parametrize(
    "text", ["", ".", "-1", "1e3", "0x10", "1.2.3", "٣", "1 000", "0.0000000000000000001"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(AmountTooHigh):
        read_eth(text)
