"""What every machine tells: within its time, only what is asked, and never an exception."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from gpn_desktop.adapters.system import idle
from gpn_desktop.adapters.system.machine import LocalZone, MemoryMachine, SystemMachine
from gpn_desktop.core.pausing import program_name
from gpn_desktop.ports.machine import MachineReading, MachineSensors, Sense
from tests import displays

ALL = frozenset(Sense)


@pytest.fixture(params=["system", "memory"])
def machine(request: pytest.FixtureRequest) -> MachineSensors:
    if request.param == "system":
        return SystemMachine()
    return MemoryMachine(MachineReading(4.5, False, frozenset({"python3.11", "python"})))


async def test_what_is_not_asked_for_is_not_told(machine: MachineSensors) -> None:
    assert await machine.read(frozenset()) == MachineReading()


async def test_a_reading_is_quick_and_plausible(machine: MachineSensors) -> None:
    begun = time.monotonic()
    reading = await machine.read(ALL)
    assert time.monotonic() - begun < 5
    assert reading.programs
    assert any("py" in program_name(name) for name in reading.programs)
    assert reading.on_battery in (None, True, False)
    assert reading.idle_seconds is None or reading.idle_seconds >= 0


async def test_the_zone_knows_the_hour(machine: MachineSensors) -> None:
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert now.astimezone(machine.zone()).timestamp() == now.timestamp()


async def test_a_sense_that_hangs_costs_its_answer_only() -> None:
    hanging = threading.Event()
    machine = SystemMachine(0.1, idle_probe=lambda: float(hanging.wait(20)), battery=lambda: True)
    first = await machine.read(ALL)
    assert first.idle_seconds is None
    assert first.on_battery is True
    for _ in range(5):  # and no second thread for as long as the first one hangs
        await machine.read(ALL)
    assert [thread.name for thread in threading.enumerate()].count("sense-idle") == 1
    hanging.set()


async def test_a_sense_that_breaks_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)

    def broken() -> float:
        raise OSError("gone")

    reading = await SystemMachine(2, idle_probe=broken).read(frozenset({Sense.IDLE}))
    assert reading == MachineReading()
    for thread in [one for one in threading.enumerate() if one.name == "sense-idle"]:
        thread.join(5)
    assert raised  # and the log has it
    again = await SystemMachine(2, idle_probe=lambda: 3.0).read(frozenset({Sense.IDLE}))
    assert again.idle_seconds == 3.0


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("this system's zone cannot be chosen for one process")
    # By its rule, since the C library of a bare machine knows none by name.
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_the_local_zone_is_like_the_zone_itself() -> None:
    from zoneinfo import ZoneInfo

    there, here = ZoneInfo("Europe/Berlin"), LocalZone()
    moment = datetime(2026, 3, 28, tzinfo=UTC)
    for _ in range(2 * 24 * 4 * 2):
        assert moment.astimezone(here).replace(tzinfo=None) == moment.astimezone(there).replace(tzinfo=None)
        wall = moment.replace(tzinfo=None)
        for fold in (0, 1):
            ours, theirs = wall.replace(tzinfo=here, fold=fold), wall.replace(tzinfo=there, fold=fold)
            assert ours.timestamp() == theirs.timestamp()
        moment += timedelta(minutes=30)
        if moment == datetime(2026, 3, 30, tzinfo=UTC):
            moment = datetime(2026, 10, 24, tzinfo=UTC)


@pytest.fixture
def display() -> Iterator[str]:
    with displays.display("64x64") as name:
        yield name


def test_an_x_server_tells_since_when_nobody_was_there(display: str) -> None:
    import ctypes.util

    if not (ctypes.util.find_library("X11") and ctypes.util.find_library("Xss")):
        assert idle.probe("linux", {"DISPLAY": display})() is None
        return
    ask = idle.probe("linux", {"DISPLAY": display})
    first = ask()
    assert first is not None
    assert 0 <= first < 60
    second = ask()
    assert second is not None
    assert second >= first


@pytest.mark.parametrize(
    ("platform", "env"),
    [
        ("linux", {}),
        ("linux", {"DISPLAY": ":4711"}),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":4711"}),
        ("darwin", {}),
        ("win32", {}),
    ],
)
def test_where_nothing_tells_it_is_not_known(
    platform: str, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    assert idle.probe(platform, env)() is None


async def test_a_loop_that_has_ended_is_left_alone() -> None:
    hanging = threading.Event()
    ended = threading.Event()

    def slow() -> None:
        hanging.wait(20)
        ended.set()

    def in_a_loop_of_its_own() -> None:
        asyncio.run(SystemMachine(0.05, idle_probe=slow).read(frozenset({Sense.IDLE})))

    await asyncio.to_thread(in_a_loop_of_its_own)
    hanging.set()
    assert await asyncio.to_thread(ended.wait, 10)
