"""Amounts and times as people read them: exact, whatever their size."""

from __future__ import annotations

import pytest

from gpn_desktop.core.errors import ChainUnreachable
from gpn_desktop.core.types import Gwei, Wei
from gpn_desktop.ui import text


@pytest.mark.parametrize(
    ("gwei", "shown"),
    [
        (0, "0.0000"),
        (1, "0.000000001"),
        (2_100_000, "0.0021"),
        (2**31, "2.147483648"),
        (2**31 + 1, "2.147483649"),
        (2**63 + 7, "9,223,372,036.854775815"),
        (123_456_789_123_456_789, "123,456,789.123456789"),
    ],
)
def test_gwei_are_exact(gwei: int, shown: str) -> None:
    assert text.eth(Gwei(gwei)) == shown


def test_wei_are_cut_to_gwei_and_never_rounded_up() -> None:
    assert text.eth_of_wei(Wei(1_999_999_999)) == "0.000000001"
    assert text.eth_of_wei(Wei(999_999_999)) == "0.0000"
    assert text.eth_of_wei(Wei(-1_999_999_999)) == "−0.000000001"


def test_the_exact_wei_are_there_too() -> None:
    amount = Wei(2**255 + 1)
    whole, rest = divmod(amount, 10**18)
    assert f"{whole:,}.{rest:018d}".rstrip("0") in text.exact_wei(amount)
    assert f"{amount:,} wei" in text.exact_wei(amount)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-5, "0:00"), (132, "2:12"), (18_720, "5 h 12 min"), (90_000, "1 d 1 h")]
)
def test_spans(seconds: int, shown: str) -> None:
    assert text.span(seconds) == shown


def test_deadlines_run_out() -> None:
    assert text.left(1_000, now=868.0) == "2:12 left"
    assert text.left(1_000, now=1_000.0) == "over"
    assert text.until(1_000, now=999.5) == "in 0:01"


@pytest.mark.parametrize(("millis", "shown"), [(840, "840 ms"), (2_470, "2.4 s"), (182_000, "3:02")])
def test_durations(millis: int, shown: str) -> None:
    assert text.took(millis) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (12, "12th"), (23, "23rd")]
)
def test_ordinals(number: int, shown: str) -> None:
    assert text.ordinal(number) == shown


def test_an_error_tells_what_to_do_and_its_code() -> None:
    words = text.explain(ChainUnreachable("The endpoint refused the connection."))
    assert "refused the connection" in words
    assert ChainUnreachable.remedy in words
    assert "GPN-1301" in words
    assert "ValueError: no" in text.explain(ValueError("no"))
