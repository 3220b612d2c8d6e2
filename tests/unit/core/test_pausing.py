"""Each pause rule by itself: what pauses, what only leaves a GPU out, and what cannot be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gpn_desktop.core.gpus import GpuReading
from gpn_desktop.core.pausing import Kind, Manual, Reason, Rules, Senses, Why, Window, decide, next_opening

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY_NOON = datetime(2026, 6, 1, 12, 0, tzinfo=BERLIN)
NIGHTS = Window(frozenset(range(7)), 22 * 60, 6 * 60)
NOBODY = Manual()


def whys(rules: Rules, senses: Senses, manual: Manual = NOBODY) -> list[Why]:
    return [reason.why for reason in decide(rules, manual, senses).reasons]


def test_without_rules_it_works() -> None:
    decision = decide(Rules(), NOBODY, Senses(MONDAY_NOON))
    assert not decision.paused
    assert decision.reasons == ()


def test_by_hand_until_a_time() -> None:
    now = MONDAY_NOON.timestamp()
    decision = decide(Rules(), Manual(True, now + 3600), Senses(MONDAY_NOON))
    assert decision.paused
    assert decision.until == now + 3600
    assert not decide(Rules(), Manual(True, now), Senses(MONDAY_NOON)).paused
    assert decide(Rules(), Manual(True), Senses(MONDAY_NOON)).until is None


def test_a_night_reaches_into_the_next_day() -> None:
    rules = Rules(windows=(Window(frozenset({4}), 22 * 60, 6 * 60),))  # Friday night

    def paused(day: int, hour: int) -> bool:
        return decide(rules, NOBODY, Senses(datetime(2026, 6, day, hour, tzinfo=BERLIN))).paused

    assert not paused(5, 23)
    assert not paused(6, 5)  # Saturday morning
    assert paused(6, 6)
    assert paused(6, 23)
    assert paused(5, 5)


def test_the_schedule_says_when_it_opens() -> None:
    decision = decide(Rules(windows=(NIGHTS,)), NOBODY, Senses(MONDAY_NOON))
    assert [reason.why for reason in decision.reasons] == [Why.SCHEDULE]
    assert decision.until == datetime(2026, 6, 1, 22, 0, tzinfo=BERLIN).timestamp()


def test_an_opening_that_the_clock_skips_is_when_the_clock_is_put_forward() -> None:
    window = Window(frozenset({6}), 2 * 60 + 30, 8 * 60)  # 29 March 2026: 02:00 becomes 03:00
    night = datetime(2026, 3, 29, 1, 0, tzinfo=BERLIN)
    assert next_opening((window,), night) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC).timestamp()


def test_an_hour_that_comes_twice_opens_twice() -> None:
    window = Window(frozenset({6}), 2 * 60, 2 * 60 + 30)  # 25 October 2026: 03:00 becomes 02:00
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
    assert decide(Rules(windows=(window,)), NOBODY, Senses(first)).paused
    assert next_opening((window,), first) == datetime(2026, 10, 25, 1, 0, tzinfo=UTC).timestamp()


def test_use_programs_and_battery() -> None:
    rules = Rules(idle_minutes=10, programs=("Game.exe", "blender"), on_battery=True)
    busy = Senses(MONDAY_NOON, 599.0, True, frozenset({"game", "sshd"}))
    assert whys(rules, busy) == [Why.IN_USE, Why.PROGRAM, Why.BATTERY]
    assert decide(rules, NOBODY, busy).until is None
    free = Senses(MONDAY_NOON, 600.0, False, frozenset({"sshd"}))
    assert whys(rules, free) == []


def test_what_cannot_be_told_never_pauses() -> None:
    rules = Rules(idle_minutes=10, programs=("game",), on_battery=True, max_celsius=80)
    blind = Senses(MONDAY_NOON, gpus=(GpuReading("GPU-a"),))
    decision = decide(rules, NOBODY, blind)
    assert not decision.paused
    assert not decision.excluded
    assert {reason.kind for reason in decision.reasons} == {Kind.CANNOT_TELL}
    assert len(decision.reasons) == 4


def test_a_hot_gpu_is_left_alone_until_it_has_cooled() -> None:
    rules = Rules(max_celsius=80)

    def at(celsius: int, hot: frozenset[str]) -> frozenset[str]:
        gpus = (GpuReading("GPU-a", celsius), GpuReading("GPU-b", 50))
        return decide(rules, NOBODY, Senses(MONDAY_NOON, gpus=gpus), hot).excluded

    cool: frozenset[str] = frozenset()
    assert at(80, cool) == cool
    assert at(81, cool) == {"GPU-a"}
    assert at(76, frozenset({"GPU-a"})) == {"GPU-a"}
    assert at(75, frozenset({"GPU-a"})) == cool
    assert at(76, cool) == cool


def test_only_hot_gpus_left_is_a_pause() -> None:
    gpus = (GpuReading("GPU-a", 90), GpuReading("GPU-b", 50))
    rules = Rules(max_celsius=80, excluded_gpus=frozenset({"GPU-b"}))
    decision = decide(rules, NOBODY, Senses(MONDAY_NOON, gpus=gpus))
    assert decision.paused
    assert decision.reasons[0] == Reason(Why.ALL_HOT, ("80",))
    assert decision.excluded == {"GPU-a", "GPU-b"}


def test_leaving_all_gpus_out_by_hand_leaves_the_processors() -> None:
    rules = Rules(excluded_gpus=frozenset({"GPU-a"}))
    decision = decide(rules, NOBODY, Senses(MONDAY_NOON, gpus=(GpuReading("GPU-a", 40),)))
    assert not decision.paused
    assert decision.excluded == {"GPU-a"}


@pytest.mark.parametrize(
    "fields",
    [
        {"idle_minutes": -1},
        {"idle_minutes": 1441},
        {"max_celsius": 39},
        {"max_celsius": 111},
        {"programs": ("",)},
        {"programs": (" .exe",)},
    ],
)
def test_rules_that_make_no_sense_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"between|empty"):
        Rules(**fields)  # type: ignore[arg-type]


def test_several_known_ends_make_the_latest() -> None:
    manual = Manual(True, (MONDAY_NOON + timedelta(hours=30)).timestamp())
    assert decide(Rules(windows=(NIGHTS,)), manual, Senses(MONDAY_NOON)).until == manual.until
