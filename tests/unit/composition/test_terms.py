"""People's units, read and written exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.composition.asking import lasting
from gpn_desktop.composition.sites import eth_amount, gwei_amount, image
from gpn_desktop.composition.terms import duration, percent
from gpn_desktop.services.funds import in_eth


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90", 90), ("90s", 90), ("30m", 1800), ("24h", 86_400), ("2d", 172_800)]
)
def test_durations(text: str, seconds: int) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1.5h", "-1", "1 h", "1w", "1e3", "٣h", "9" * 13])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        duration(text)


@pytest.mark.parametrize(("text", "points"), [("60", 6000), ("0.5", 50), ("33.33", 3333), ("100", 10_000)])
def test_percentages(text: str, points: int) -> None:
    assert percent(text) == points


@pytest.mark.parametrize("text", ["", "-1", "100.01", "1.234", "60%", "nan", "٣"])
def test_no_percentages(text: str) -> None:
    with pytest.raises(ValueError, match="percentage"):
        percent(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (1, "1 s"), (60, "1 min"), (86_400, "1 day"), (180_061, "2 days 2 h 1 min 1 s")],
)
def test_durations_for_people(seconds: int, text: str) -> None:
    assert lasting(seconds) == text


@given(st.integers(1, 2**100))
def test_eth_survives_being_written_and_read(wei: int) -> None:
    assert eth_amount(in_eth(wei)) == wei


@given(st.integers(1, 2**80))
def test_only_whole_gwei_are_taken(wei: int) -> None:
    if wei % 10**9:
        with pytest.raises(ValueError, match="gwei"):
            gwei_amount(in_eth(wei))
    else:
        assert gwei_amount(in_eth(wei)) == wei


def test_images() -> None:
    assert image("example.org:5000/a/b:tag@sha256:" + "ab" * 32) == ("example.org:5000/a/b", b"\xab" * 32)
    for text in ("a/b", "a/b:latest", "a/b@sha256:" + "AB" * 32, "a/b@sha256:ab", "0x" + "ab" * 20, ""):
        with pytest.raises(ValueError, match="expected"):
            image(text)
