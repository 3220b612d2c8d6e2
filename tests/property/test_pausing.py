"""The schedule in zones whose clocks change: what it promises is what happens, minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from gpn_desktop.core.gpus import GpuReading
from gpn_desktop.core.pausing import (
    COOLING,
    Kind,
    Manual,
    Rules,
    Senses,
    Window,
    decide,
    next_opening,
    working_time,
)

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")
# Days around the changes of 2026 in these zones, and a common one.
TURNS = ((3, 29), (10, 25), (3, 8), (11, 1), (4, 5), (10, 4), (7, 15))
windows = st.builds(
    Window,
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439),
    st.integers(0, 1440),
)


@st.composite
def moments(draw: st.DrawFn) -> datetime:
    month, day = draw(st.sampled_from(TURNS))
    away = timedelta(minutes=draw(st.integers(-36 * 60, 36 * 60)))
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    return (datetime(2026, month, day, tzinfo=UTC) + away).astimezone(zone)


@settings(max_examples=150, deadline=None)
@given(st.lists(windows, min_size=1, max_size=3).map(tuple), moments())
def test_the_next_opening_is_the_first_minute_that_is_open(
    schedule: tuple[Window, ...], now: datetime
) -> None:
    if working_time(schedule, now):
        return
    promised = next_opening(schedule, now)
    assert promised is not None
    zone = now.tzinfo
    assert working_time(schedule, datetime.fromtimestamp(promised, zone))
    # The zones change on whole minutes, and so do windows: a walk over minutes misses nothing.
    moment = now.timestamp() // 60 * 60 + 60
    while moment < promised:
        assert not working_time(schedule, datetime.fromtimestamp(moment, zone))
        moment += 60


senses = st.builds(
    Senses,
    moments(),
    st.none() | st.floats(0, 10_000),
    st.none() | st.booleans(),
    st.none() | st.frozensets(st.sampled_from(("game", "Blender.EXE", "vim"))),
    st.lists(
        st.builds(GpuReading, st.sampled_from(("GPU-a", "GPU-b")), st.none() | st.integers(20, 110)),
        max_size=2,
        unique_by=lambda gpu: gpu.uuid,
    ).map(tuple),
)
rules = st.builds(
    Rules,
    st.lists(windows, max_size=2).map(tuple),
    st.integers(0, 60),
    st.lists(st.sampled_from(("game", "blender")), max_size=2, unique=True).map(tuple),
    st.booleans(),
    st.just(0) | st.integers(40, 110),
    st.frozensets(st.sampled_from(("GPU-a", "GPU-b"))),
)
manuals = st.builds(Manual, st.booleans(), st.none() | st.floats(0, 4e9))


@settings(deadline=None)
@given(rules, manuals, senses, st.frozensets(st.sampled_from(("GPU-a", "GPU-b"))))
def test_a_pause_has_a_reason_and_an_end_lies_ahead(
    wanted: Rules, manual: Manual, sensed: Senses, hot: frozenset[str]
) -> None:
    decision = decide(wanted, manual, sensed, hot)
    assert decision.paused == any(reason.kind is Kind.PAUSES for reason in decision.reasons)
    assert decision.until is None or (decision.paused and decision.until > sensed.now.timestamp())
    assert wanted.excluded_gpus <= decision.excluded


@settings(deadline=None)
@given(rules, senses)
def test_a_machine_that_tells_nothing_works_at_its_times(wanted: Rules, sensed: Senses) -> None:
    decision = decide(wanted, Manual(), Senses(sensed.now))
    assert decision.paused == (not working_time(wanted.windows, sensed.now))


@settings(deadline=None)
@given(st.integers(40, 110), st.lists(st.integers(20, 120), min_size=1, max_size=30))
def test_a_gpu_changes_sides_only_across_the_whole_gap(limit: int, temperatures: list[int]) -> None:
    hot: frozenset[str] = frozenset()
    now = datetime(2026, 6, 1, tzinfo=UTC)
    for celsius in temperatures:
        was = bool(hot)
        hot = decide(
            Rules(max_celsius=limit), Manual(), Senses(now, gpus=(GpuReading("GPU-a", celsius),)), hot
        ).hot
        if was != bool(hot):
            assert celsius > limit if hot else celsius <= limit - COOLING
