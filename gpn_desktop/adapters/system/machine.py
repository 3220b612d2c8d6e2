"""The machine by psutil and by ``idle``; and one for tests that tells what it is told.

Each question has a thread of its own that nothing waits for: a driver or a display server that hangs costs
its answer, never the node's, and does not hold up the end of the process.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, TypeVar

from gpn_desktop.adapters.system import idle
from gpn_desktop.ports.machine import MachineReading, Sense

T = TypeVar("T")

WITHIN: Final = 2.0


class SystemMachine:
    """See ``ports.machine.MachineSensors``."""

    def __init__(
        self,
        within: float = WITHIN,
        idle_probe: idle.Probe | None = None,
        battery: Callable[[], bool | None] | None = None,
        programs: Callable[[], frozenset[str] | None] | None = None,
    ) -> None:
        self._within = within
        self._idle = idle_probe or idle.probe()
        self._battery = battery or on_battery
        self._programs = programs or running_programs
        self._asked: set[Sense] = set()  # and not answered yet

    async def read(self, wanted: frozenset[Sense]) -> MachineReading:
        idle_seconds, battery, programs = await asyncio.gather(
            self._ask(Sense.IDLE, self._idle, wanted),
            self._ask(Sense.BATTERY, self._battery, wanted),
            self._ask(Sense.PROGRAMS, self._programs, wanted),
        )
        return MachineReading(idle_seconds, battery, programs)

    def zone(self) -> tzinfo:
        return LocalZone()

    async def _ask(
        self, sense: Sense, question: Callable[[], T | None], wanted: frozenset[Sense]
    ) -> T | None:
        if sense not in wanted or sense in self._asked:
            return None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T | None] = loop.create_future()
        self._asked.add(sense)

        def arrived(found: T | None) -> None:
            self._asked.discard(sense)
            if not answer.done():
                answer.set_result(found)

        def work() -> None:
            found = None
            try:
                found = question()
            finally:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(arrived, found)

        threading.Thread(target=work, name=f"sense-{sense.value}", daemon=True).start()
        done, _ = await asyncio.wait({answer}, timeout=self._within)
        return answer.result() if done else None


def on_battery() -> bool | None:
    import psutil  # type: ignore[import-untyped]

    ask = getattr(psutil, "sensors_battery", None)  # not on every system
    if ask is None:
        return None
    try:
        battery = ask()
    except (OSError, RuntimeError, psutil.Error):
        return None
    if battery is None:
        return False
    return None if battery.power_plugged is None else not battery.power_plugged


def running_programs() -> frozenset[str] | None:
    import psutil

    try:
        names = {process.info["name"] for process in psutil.process_iter(["name"])}
    except (OSError, psutil.Error):
        return None
    return frozenset(name for name in names if name) or None


class LocalZone(tzinfo):
    """The zone of this machine. ``datetime.astimezone`` gives today's offset alone, which is wrong for a
    time after the next change of the clock."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        if dt is None:
            return None
        wall = dt.replace(tzinfo=None)
        utc = datetime.fromtimestamp(wall.timestamp(), UTC).replace(tzinfo=None)
        return wall - utc

    def dst(self, dt: datetime | None) -> timedelta | None:
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        return "local"

    def fromutc(self, dt: datetime) -> datetime:
        local = datetime.fromtimestamp(dt.replace(tzinfo=UTC).timestamp())
        return local.replace(tzinfo=self)


class MemoryMachine:
    """Tells what it was told, of that what is asked for."""

    def __init__(self, reading: MachineReading | None = None, zone: tzinfo = UTC) -> None:
        self.reading = reading or MachineReading()
        self._zone = zone
        self.asked: list[frozenset[Sense]] = []

    def tell(self, **fields: object) -> None:
        self.reading = replace(self.reading, **fields)  # type: ignore[arg-type]

    async def read(self, wanted: frozenset[Sense]) -> MachineReading:
        self.asked.append(wanted)
        told = self.reading
        return MachineReading(
            told.idle_seconds if Sense.IDLE in wanted else None,
            told.on_battery if Sense.BATTERY in wanted else None,
            told.programs if Sense.PROGRAMS in wanted else None,
        )

    def zone(self) -> tzinfo:
        return self._zone
