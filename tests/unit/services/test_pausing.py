"""The pause service with a machine that tells what a test says, and a clock that the test moves."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from gpn_desktop.adapters.gpu import MemorySensors
from gpn_desktop.adapters.system.machine import MemoryMachine
from gpn_desktop.adapters.system.preferences import MemoryDocument
from gpn_desktop.core.errors import PauseNotKept, PauseRulesRefused, SettingsNotWritten
from gpn_desktop.core.gpus import Gpu, GpuReading
from gpn_desktop.core.pausing import Manner, Manual, Rules, Why, Window
from gpn_desktop.ports.machine import Sense
from gpn_desktop.services.pausing import Pausing, make_rules, read_kept, written

NOON = 1_780_308_000.0  # Monday, 1 June 2026, 12:00 in Berlin


class HandClock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def unix(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Bench:
    """A pausing service, and what it told its node."""

    def __init__(self, kept: str = "", gpus: MemorySensors | None = None, period: float = 5.0) -> None:
        self.clock = HandClock()
        self.machine = MemoryMachine(zone=ZoneInfo("Europe/Berlin"))
        self.kept = MemoryDocument(kept)
        self.told: list[tuple[bool, frozenset[str]]] = []
        self.stopped = 0
        self.pausing = Pausing(
            self.machine, self.clock, self.kept, lambda *told: self.told.append(told), self.stop, gpus, period
        )

    async def stop(self) -> None:
        self.stopped += 1

    def again(self) -> Bench:
        """After a restart."""
        made = Bench(self.kept.text)
        made.clock.now = self.clock.now
        return made


async def test_the_node_is_told_once_and_then_of_changes() -> None:
    bench = Bench()
    await bench.pausing.load()
    await bench.pausing.look()
    assert bench.told == [(False, frozenset())]
    await bench.pausing.set_rules(Rules(on_battery=True))
    bench.machine.tell(on_battery=True)
    await bench.pausing.look()
    assert bench.told[1:] == [(True, frozenset())]
    assert [reason.why for reason in bench.pausing.state().pausing] == [Why.BATTERY]
    bench.machine.tell(on_battery=False)
    await bench.pausing.look()
    assert bench.told[2:] == [(False, frozenset())]


async def test_only_what_rules_need_is_asked_for() -> None:
    bench = Bench()
    await bench.pausing.load()
    await bench.pausing.set_rules(Rules(programs=("game",)))
    assert bench.machine.asked == [frozenset(), frozenset({Sense.PROGRAMS})]


async def test_a_pause_by_hand_survives_a_restart_and_ends_in_time() -> None:
    bench = Bench()
    await bench.pausing.load()
    await bench.pausing.pause(NOON + 3600)
    after = bench.again()
    await after.pausing.load()
    assert after.told == [(True, frozenset())]
    assert after.pausing.state().until == NOON + 3600
    after.clock.now += 3600
    await after.pausing.look()
    assert not after.pausing.state().paused
    assert after.pausing.state().manual == Manual()


async def test_resuming_ends_the_pause_by_hand_and_not_the_rules() -> None:
    bench = Bench()
    await bench.pausing.load()
    await bench.pausing.set_rules(Rules(windows=(Window(frozenset({0}), 60, 120),)))
    await bench.pausing.pause()
    await bench.pausing.resume()
    state = bench.pausing.state()
    assert [reason.why for reason in state.pausing] == [Why.SCHEDULE]
    assert state.until == NOON + timedelta(days=6, hours=13).total_seconds()


async def test_stop_now_stops_once_and_finish_does_not() -> None:
    bench = Bench()
    await bench.pausing.load()
    await bench.pausing.pause(manner=Manner.FINISH)
    assert bench.stopped == 0
    await bench.pausing.pause(manner=Manner.NOW)
    assert bench.stopped == 1


async def test_a_pause_holds_although_the_disk_is_full() -> None:
    bench = Bench()
    await bench.pausing.load()
    bench.kept.refuse = SettingsNotWritten("No space left.")
    with pytest.raises(PauseNotKept, match="No space left"):
        await bench.pausing.pause()
    assert bench.pausing.state().paused
    assert bench.told[-1] == (True, frozenset())


@pytest.mark.parametrize(
    "kept",
    ["{", "[]", "null", '{"rules": {}, "pause": {}}', "[" * 100_000,
     written(Rules(), Manual()).replace("false", '"no"'),
     written(Rules(), Manual()).replace(": null", ": 1e300"),
     written(Rules(), Manual()).replace('"idle_minutes": 0', '"idle_minutes": -5')],
)  # fmt: skip
async def test_damaged_rules_are_said_and_nothing_is_paused(kept: str) -> None:
    bench = Bench(kept)
    await bench.pausing.load()
    assert bench.pausing.state().problem
    assert bench.told == [(False, frozenset())]
    assert bench.kept.text == kept
    await bench.pausing.set_rules(Rules(on_battery=True))
    assert bench.pausing.state().rules.on_battery
    assert read_kept(bench.kept.text)[0] == Rules(on_battery=True)


def test_rules_are_kept_whole() -> None:
    rules = Rules((Window(frozenset({0, 6}), 0, 1440),), 5, ("a b", "ü"), True, 80, frozenset({"GPU-a"}))
    manual = Manual(True, 1.5)
    assert read_kept(written(rules, manual)) == (rules, manual)


def test_a_rule_without_sense_has_a_code() -> None:
    with pytest.raises(PauseRulesRefused, match="GPN-2044"):
        make_rules(max_celsius=5)


async def test_a_hot_gpu_is_left_out() -> None:
    gpus = (Gpu(0, "GPU-a", "A", 0, ""), Gpu(1, "GPU-b", "B", 0, ""))
    sensors = MemorySensors(gpus)
    sensors.show(GpuReading("GPU-a", 90))
    sensors.show(GpuReading("GPU-b", 40))
    bench = Bench(gpus=sensors)
    await bench.pausing.load()
    await bench.pausing.set_rules(Rules(max_celsius=80))
    assert bench.told[-1] == (False, frozenset({"GPU-a"}))
    assert bench.pausing.state().gpus == gpus


async def test_it_looks_by_itself_and_in_time_for_an_end() -> None:
    bench = Bench(period=0.05)
    await bench.pausing.load()
    await bench.pausing.pause(NOON + 0.1)
    changed = asyncio.Event()
    undo = bench.pausing.subscribe(changed.set)
    running = asyncio.ensure_future(bench.pausing.run())
    bench.clock.now += 0.2
    async with asyncio.timeout(5):
        await changed.wait()
    assert not bench.pausing.state().paused
    running.cancel()
    undo()
