"""Pausing by rule and by hand: looks at the machine every few seconds and tells the node what follows.

The node gives ``apply`` and ``stop_now``; this service knows nothing else of it. Rules and the pause by hand
are kept in one small document, so that a restart changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from gpn_desktop.core import jsontext
from gpn_desktop.core.errors import GpnError, PauseNotKept, PauseRulesRefused
from gpn_desktop.core.gpus import Gpu, GpuReading
from gpn_desktop.core.pausing import (
    Decision,
    Kind,
    Manner,
    Manual,
    Reason,
    Rules,
    Senses,
    Window,
    decide,
)
from gpn_desktop.ports.clock import Clock
from gpn_desktop.ports.machine import MachineReading, MachineSensors, Sense
from gpn_desktop.ports.preferences import Document
from gpn_desktop.ports.sensors import Sensors

log = logging.getLogger("gpn")

PERIOD: Final = 5.0  # seconds between two looks
GPU_SECONDS: Final = 3.0
MAX_UNIX: Final = 10**11
_NO_HEAT: Final[tuple[GpuReading, ...]] = ()

Apply = Callable[[bool, frozenset[str]], None]


@dataclass(frozen=True, slots=True)
class PauseView:
    """The pause now, ready to be put into words.

    Attributes:
        reasons: all of them; those of kind "cannot tell" are there whether or not it is paused.
        until: Unix time at which it ends by itself, None where nobody knows.
        excluded: GPUs that are left alone now, by rule or for their heat.
        gpus: all that this machine has.
        problem: why the rules that were kept could not be read, "" when they could.
        readings: how warm and how busy the GPUs were at the last look.
    """

    paused: bool = False
    reasons: tuple[Reason, ...] = ()
    until: float | None = None
    manual: Manual = field(default_factory=Manual)
    rules: Rules = field(default_factory=Rules)
    excluded: frozenset[str] = frozenset()
    gpus: tuple[Gpu, ...] = ()
    problem: str = ""
    readings: tuple[GpuReading, ...] = ()

    @property
    def pausing(self) -> tuple[Reason, ...]:
        return tuple(reason for reason in self.reasons if reason.kind is Kind.PAUSES)


class Pausing:
    """One for a node. ``load`` before its work begins, then ``run`` beside it.

    Args:
        apply: told once at ``load`` and then at every change: whether to decline turns, and the GPUs to
            leave alone.
        stop_now: gives up the proofs at work.
        gpus: None on a machine whose GPUs nobody looks at.
    """

    def __init__(
        self,
        machine: MachineSensors,
        clock: Clock,
        kept: Document,
        apply: Apply,
        stop_now: Callable[[], Awaitable[None]],
        gpus: Sensors | None = None,
        period: float = PERIOD,
    ) -> None:
        self._machine, self._clock, self._kept = machine, clock, kept
        self._apply, self._stop_now = apply, stop_now
        self._gpus = gpus
        self._period = period
        self._rules, self._manual = Rules(), Manual()
        self._decision = Decision()
        self._applied: tuple[bool, frozenset[str]] | None = None
        self._found: tuple[Gpu, ...] = ()
        self._reading, self._heat = MachineReading(), _NO_HEAT
        self._problem = ""
        self._shown = PauseView()
        self._change = asyncio.Event()
        self._looking = asyncio.Lock()
        self._watchers: set[Callable[[], None]] = set()

    def state(self) -> PauseView:
        """Cheap, no I/O."""
        return self._shown

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        self._watchers.add(changed)
        return lambda: self._watchers.discard(changed)

    async def load(self) -> None:
        """Take up rules and pause from the time before, and look for the first time. Raises nothing."""
        try:
            text = await self._kept.read()
            if text.strip():
                self._rules, self._manual = read_kept(text)
        except (GpnError, ValueError) as error:
            self._problem = str(error)
            log.warning("the pause rules cannot be read: %s", error)
        await self.look()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self._change.clear()
            with suppress(TimeoutError):  # it is time to look
                async with asyncio.timeout(self._wait()):
                    await self._change.wait()
                    continue  # another end may lie ahead now
            await self.look()

    async def pause(self, until: float | None = None, manner: Manner = Manner.FINISH) -> None:
        """By hand, to a Unix time or until ``resume``.

        Raises:
            PauseNotKept: it holds, but a restart would forget it.
        """
        self._manual = Manual(True, until)
        self._decide()
        self._change.set()
        try:
            if manner is Manner.NOW:
                await self._stop_now()
        finally:
            await self._keep()

    async def resume(self) -> None:
        """End the pause by hand; rules go on pausing. PauseNotKept as above."""
        self._manual = Manual()
        self._decide()
        await self._keep()

    async def set_rules(self, rules: Rules) -> None:
        """PauseNotKept as above."""
        self._rules = rules
        await self.look()
        await self._keep()

    async def look(self) -> None:
        """Sense, decide, and tell the node if something changed."""
        async with self._looking:
            self._reading = await self._machine.read(_wanted(self._rules))
            self._heat = await self._read_gpus()
            self._decide()

    def _decide(self) -> None:
        """By what was sensed last: a pause by hand does not wait for a slow sensor."""
        now = datetime.fromtimestamp(self._clock.unix(), UTC).astimezone(self._machine.zone())
        reading = self._reading
        senses = Senses(now, reading.idle_seconds, reading.on_battery, reading.programs, self._heat)
        if self._manual.active and not self._manual.holds(now.timestamp()):
            self._manual = Manual()
        self._decision = decide(self._rules, self._manual, senses, self._decision.hot)
        self._tell()

    def _tell(self) -> None:
        decision = self._decision
        wanted = (decision.paused, decision.excluded)
        if wanted != self._applied:
            self._applied = wanted
            self._apply(*wanted)
        view = PauseView(
            decision.paused,
            decision.reasons,
            decision.until,
            self._manual,
            self._rules,
            decision.excluded,
            self._found,
            self._problem,
            self._heat,
        )
        if view != self._shown:
            self._shown = view
            for watcher in list(self._watchers):
                watcher()

    def _wait(self) -> float:
        """Seconds to the next look, which does not come late for a pause that ends."""
        until = self._decision.until
        rest = until - self._clock.unix() if until is not None else self._period
        return max(0.05, min(self._period, rest))

    async def _read_gpus(self) -> tuple[GpuReading, ...]:
        """Of those that can be used, for the rules and for the eye; one that does not answer in time has no
        temperature."""
        if self._gpus is None:
            return ()
        try:
            async with asyncio.timeout(GPU_SECONDS):
                self._found = tuple(gpu for gpu in await self._gpus.gpus() if gpu.uuid)
                return await self._gpus.read() if self._found else ()
        except TimeoutError:
            return tuple(GpuReading(gpu.uuid) for gpu in self._found)

    async def _keep(self) -> None:
        self._problem = ""
        try:
            await self._kept.write(written(self._rules, self._manual))
        except GpnError as error:
            raise PauseNotKept(f"The pause cannot be kept for the next start: {error.message}") from error


def _wanted(rules: Rules) -> frozenset[Sense]:
    wanted = {
        Sense.IDLE: bool(rules.idle_minutes),
        Sense.BATTERY: rules.on_battery,
        Sense.PROGRAMS: bool(rules.programs),
    }
    return frozenset(sense for sense, asked in wanted.items() if asked)


# what is kept ---------------------------------------------------------------------------------------------


def make_rules(**fields: Any) -> Rules:
    """PauseRulesRefused instead of a ValueError, for those who show it."""
    try:
        return Rules(**fields)
    except ValueError as error:
        raise PauseRulesRefused(f"The rule cannot be used: {error}.") from error


def written(rules: Rules, manual: Manual) -> str:
    windows = [{"days": sorted(w.days), "start": w.start, "end": w.end} for w in rules.windows]
    content = {
        "rules": {
            "windows": windows,
            "idle_minutes": rules.idle_minutes,
            "programs": list(rules.programs),
            "on_battery": rules.on_battery,
            "max_celsius": rules.max_celsius,
            "excluded_gpus": sorted(rules.excluded_gpus),
        },
        "pause": {"active": manual.active, "until": manual.until},
    }
    return json.dumps(content, indent=1) + "\n"


def read_kept(text: str) -> tuple[Rules, Manual]:
    """ValueError for anything that ``written`` did not write."""
    try:
        content = jsontext.parse(text)
        rules, pause = content["rules"], content["pause"]
        until = pause["until"]
        if until is not None and not 0 <= until < MAX_UNIX:
            raise ValueError("the pause's end is no time")
        manual = Manual(_is(bool, pause["active"]), until)
        return _rules(rules), manual
    except (LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"it is not what this program wrote ({error!r})") from error


def _rules(found: Mapping[str, Any]) -> Rules:
    windows = [
        Window(frozenset(w["days"]), _is(int, w["start"]), _is(int, w["end"])) for w in found["windows"]
    ]
    return Rules(
        tuple(windows),
        _is(int, found["idle_minutes"]),
        tuple(_is(str, name) for name in found["programs"]),
        _is(bool, found["on_battery"]),
        _is(int, found["max_celsius"]),
        frozenset(_is(str, uuid) for uuid in found["excluded_gpus"]),
    )


def _is(kind: type[Any], value: Any) -> Any:
    if type(value) is not kind:  # a bool is no number here
        raise TypeError(f"{kind.__name__} expected")
    return value
