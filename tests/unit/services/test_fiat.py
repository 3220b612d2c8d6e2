"""The operator's rates: read exactly, kept, and never guessed."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.adapters.fiat import OwnRates
from gpn_desktop.adapters.fiat.rates import read_price, read_rates
from gpn_desktop.adapters.system.preferences import MemoryDocument
from gpn_desktop.core.errors import RateWrong, SettingsUnreadable
from gpn_desktop.core.types import Wei
from gpn_desktop.services.fiat import Fiat, cents, worth

TODAY = date(2026, 11, 23)
ETH = 10**18


@given(st.integers(0, 10**30), st.integers(0, 10**30), st.integers(1, 10**12))
def test_the_worth_of_a_sum_is_the_sum_of_the_worths(a: int, b: int, price: int) -> None:
    at = Fraction(price, 10**6)
    assert worth(Wei(a), at) + worth(Wei(b), at) == worth(Wei(a + b), at)
    assert abs(Fraction(cents(worth(Wei(a), at)).replace(",", "")) - worth(Wei(a), at)) <= Fraction(1, 200)


async def test_off_until_a_price_is_given_and_kept_for_later_starts() -> None:
    document = MemoryDocument()
    fiat = Fiat(document, OwnRates())
    await fiat.load()
    assert fiat.words(Wei(ETH), TODAY) == ""
    await fiat.choose("EUR", "2,512.40".replace(",", ""), "")
    again = Fiat(document, OwnRates())
    await again.load()
    assert again.words(Wei(ETH // 2), TODAY) == "≈ 1,256.20 EUR"
    assert again.words(Wei(-ETH), TODAY) == "≈ −2,512.40 EUR"
    await again.choose("EUR", "", "")
    assert again.words(Wei(ETH), TODAY) == ""


async def test_a_file_has_a_rate_for_each_day(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text("date,rate\n2026-11-20,2000\n\n2026-11-22,3000.5\n")
    fiat = Fiat(MemoryDocument(), OwnRates())
    await fiat.choose("CHF", "", str(path))
    assert fiat.words(Wei(ETH), date(2026, 11, 19)) == ""
    assert fiat.words(Wei(ETH), date(2026, 11, 21)) == "≈ 2,000.00 CHF"
    assert fiat.words(Wei(ETH), TODAY) == "≈ 3,000.50 CHF"


@pytest.mark.parametrize("said", ["", "0", "-1", "1e3", "abc", "1.2.3", "٣", "1" * 31])
def test_what_is_no_price_is_refused(said: str) -> None:
    with pytest.raises(RateWrong):
        read_price(said)


@pytest.mark.parametrize(
    "text", ["", "date,rate\n", "2026-11-20,1\nyesterday,2\n", "2026-11-20\n", "2026-11-20,x"]
)
def test_files_without_rates_are_refused(text: str) -> None:
    with pytest.raises(RateWrong):
        read_rates(text)


async def test_a_wrong_choice_changes_nothing(tmp_path: Path) -> None:
    document = MemoryDocument()
    fiat = Fiat(document, OwnRates())
    await fiat.choose("EUR", "2000", "")
    before = document.text
    for currency, price, file in (
        ("", "1", ""),
        ("<b>", "1", ""),
        ("EUR", "x", ""),
        ("EUR", "", str(tmp_path)),
    ):
        with pytest.raises(RateWrong):
            await fiat.choose(currency, price, file)
    assert document.text == before
    assert fiat.words(Wei(ETH), TODAY) == "≈ 2,000.00 EUR"
    document.text = "[]"
    with pytest.raises(SettingsUnreadable):
        await Fiat(document, OwnRates()).load()
