"""When a node takes turns and when it leaves the machine to its operator. Pure: others sense, this decides.

What a machine cannot tell never pauses the node; it is said instead, so that nobody waits in vain for a rule
that cannot work here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import Enum
from typing import Final

from gpn_desktop.core.gpus import GpuReading

DAY_MINUTES: Final = 24 * 60
COOLING: Final = 5  # °C below its limit at which a hot GPU works again
MIN_CELSIUS: Final = 40
MAX_CELSIUS: Final = 110
MAX_IDLE_MINUTES: Final = 24 * 60
MAX_WINDOWS: Final = 50
MAX_PROGRAMS: Final = 100
_AHEAD_DAYS: Final = 8  # a week, and the day that a window may reach into


class Manner(Enum):
    """What becomes of the proofs at work when a pause begins."""

    FINISH = "finish"
    NOW = "now"  # they are given up, and their turns with them


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which to work, on each of ``days`` (0 is Monday), in minutes of the local day.

    An ``end`` that is not after ``start`` is on the next day.
    """

    days: frozenset[int]
    start: int
    end: int

    def __post_init__(self) -> None:
        if not self.days or not self.days <= frozenset(range(7)):
            raise ValueError("at least one day of the week is needed, from 0 (Monday) to 6")
        if not 0 <= self.start < DAY_MINUTES or not 0 <= self.end <= DAY_MINUTES:
            raise ValueError("times are minutes of a day, from 0 to 1440")

    def covers(self, weekday: int, seconds: float) -> bool:
        """Whether it is open at this second of the local day."""
        start, end = self.start * 60, self.end * 60
        if start < end:
            return weekday in self.days and start <= seconds < end
        return (weekday in self.days and seconds >= start) or (
            (weekday - 1) % 7 in self.days and seconds < end
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator wants. Each rule pauses by itself; a rule that is not set never does.

    Attributes:
        windows: work only in these; none: at any time.
        idle_minutes: work only after so long without keyboard and mouse; 0: also while somebody is there.
        programs: pause while one of these runs; by file name, in any case, with or without ".exe".
        on_battery: pause while the machine runs on its battery.
        max_celsius: leave a GPU alone that is hotter, until it has cooled by ``COOLING``; 0: no limit.
        excluded_gpus: never used, by uuid.
    """

    windows: tuple[Window, ...] = ()
    idle_minutes: int = 0
    programs: tuple[str, ...] = ()
    on_battery: bool = False
    max_celsius: int = 0
    excluded_gpus: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if len(self.windows) > MAX_WINDOWS:
            raise ValueError(f"at most {MAX_WINDOWS} times are possible")
        if not 0 <= self.idle_minutes <= MAX_IDLE_MINUTES:
            raise ValueError(f"the minutes without use must be between 0 and {MAX_IDLE_MINUTES}")
        if self.max_celsius and not MIN_CELSIUS <= self.max_celsius <= MAX_CELSIUS:
            raise ValueError(f"the temperature must be between {MIN_CELSIUS} and {MAX_CELSIUS} °C, or 0")
        if len(self.programs) > MAX_PROGRAMS or not all(program_name(name) for name in self.programs):
            raise ValueError(f"up to {MAX_PROGRAMS} names of programs are possible, none of them empty")


@dataclass(frozen=True, slots=True)
class Manual:
    """A pause by hand, ``until`` a Unix time, or until it is ended where that is None."""

    active: bool = False
    until: float | None = None

    def holds(self, now: float) -> bool:
        return self.active and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True)
class Senses:
    """The machine at one moment; None is what it cannot tell.

    ``now`` carries the time zone that the schedule is meant in. ``gpus`` are those that the node may use.
    """

    now: datetime
    idle_seconds: float | None = None
    on_battery: bool | None = None
    programs: frozenset[str] | None = None
    gpus: tuple[GpuReading, ...] = ()


class Why(Enum):
    """Of a reason; what its arguments are."""

    BY_HAND = "by hand"
    SCHEDULE = "schedule"
    IN_USE = "in use"  # minutes without use that are asked for
    PROGRAM = "program"  # its name
    BATTERY = "battery"
    ALL_HOT = "all hot"  # the limit in °C
    HOT = "hot"  # uuid, °C, the °C at which it works again
    EXCLUDED = "excluded"  # uuid
    NO_IDLE = "no idle time"
    NO_BATTERY = "no battery state"
    NO_PROGRAMS = "no programs"
    NO_TEMPERATURE = "no temperature"  # uuid


class Kind(Enum):
    PAUSES = "pauses"
    EXCLUDES = "excludes a GPU"
    CANNOT_TELL = "cannot tell"


_EXCLUDES: Final = frozenset({Why.HOT, Why.EXCLUDED})
_CANNOT_TELL: Final = frozenset({Why.NO_IDLE, Why.NO_BATTERY, Why.NO_PROGRAMS, Why.NO_TEMPERATURE})


@dataclass(frozen=True, slots=True)
class Reason:
    """``until`` is the Unix time at which it ends by itself, None where nobody knows."""

    why: Why
    args: tuple[str, ...] = ()
    until: float | None = None

    @property
    def kind(self) -> Kind:
        if self.why in _CANNOT_TELL:
            return Kind.CANNOT_TELL
        return Kind.EXCLUDES if self.why in _EXCLUDES else Kind.PAUSES


@dataclass(frozen=True, slots=True)
class Decision:
    """``until``: when all that pauses has ended, if that is known; ``hot`` belongs into the next one."""

    paused: bool = False
    excluded: frozenset[str] = frozenset()
    reasons: tuple[Reason, ...] = ()
    until: float | None = None
    hot: frozenset[str] = field(default=frozenset())


def decide(rules: Rules, manual: Manual, senses: Senses, hot: frozenset[str] = frozenset()) -> Decision:
    """What to do now. ``hot`` are the GPUs that the decision before this one found too hot."""
    reasons = [*_by_hand(manual, senses), *_by_time(rules, senses), *_by_use(rules, senses)]
    heat = tuple(_by_heat(rules, senses, hot))
    hot = frozenset(reason.args[0] for reason in heat if reason.why is Why.HOT)
    usable = {gpu.uuid for gpu in senses.gpus} - rules.excluded_gpus
    if usable and usable <= hot:
        reasons.append(Reason(Why.ALL_HOT, (str(rules.max_celsius),)))
    reasons += heat
    reasons += [Reason(Why.EXCLUDED, (uuid,)) for uuid in sorted(rules.excluded_gpus)]
    pausing = [reason for reason in reasons if reason.kind is Kind.PAUSES]
    ends = [reason.until for reason in pausing if reason.until is not None]
    return Decision(
        paused=bool(pausing),
        excluded=rules.excluded_gpus | hot,
        reasons=tuple(reasons),
        until=max(ends) if ends and len(ends) == len(pausing) else None,
        hot=hot,
    )


def _by_hand(manual: Manual, senses: Senses) -> Iterator[Reason]:
    if manual.holds(senses.now.timestamp()):
        yield Reason(Why.BY_HAND, until=manual.until)


def _by_time(rules: Rules, senses: Senses) -> Iterator[Reason]:
    if not working_time(rules.windows, senses.now):
        yield Reason(Why.SCHEDULE, until=next_opening(rules.windows, senses.now))


def _by_use(rules: Rules, senses: Senses) -> Iterator[Reason]:
    if rules.idle_minutes and senses.idle_seconds is None:
        yield Reason(Why.NO_IDLE)
    elif rules.idle_minutes and senses.idle_seconds is not None:
        rest = rules.idle_minutes * 60 - senses.idle_seconds
        if rest > 0:
            yield Reason(Why.IN_USE, (str(rules.idle_minutes),))
    if rules.programs and senses.programs is None:
        yield Reason(Why.NO_PROGRAMS)
    elif senses.programs is not None:
        running = {program_name(name) for name in senses.programs}
        yield from (Reason(Why.PROGRAM, (name,)) for name in rules.programs if program_name(name) in running)
    if rules.on_battery and senses.on_battery is None:
        yield Reason(Why.NO_BATTERY)
    elif rules.on_battery and senses.on_battery:
        yield Reason(Why.BATTERY)


def _by_heat(rules: Rules, senses: Senses, hot: frozenset[str]) -> Iterator[Reason]:
    if not rules.max_celsius:
        return
    for gpu in senses.gpus:
        if gpu.uuid in rules.excluded_gpus:
            continue
        if gpu.temperature is None:
            yield Reason(Why.NO_TEMPERATURE, (gpu.uuid,))
            continue
        cool = rules.max_celsius - COOLING
        if gpu.temperature > rules.max_celsius or (gpu.uuid in hot and gpu.temperature > cool):
            yield Reason(Why.HOT, (gpu.uuid, str(gpu.temperature), str(cool)))


def program_name(name: str) -> str:
    """A program's name for comparing: file name only, without case and ".exe"."""
    return name.strip().replace("\\", "/").rpartition("/")[2].lower().removesuffix(".exe")


# the schedule ---------------------------------------------------------------------------------------------


def working_time(windows: tuple[Window, ...], now: datetime) -> bool:
    """Whether this moment's wall time is in one of the windows."""
    seconds = now.hour * 3600 + now.minute * 60 + now.second + now.microsecond / 1e6
    return not windows or any(window.covers(now.weekday(), seconds) for window in windows)


def next_opening(windows: tuple[Window, ...], now: datetime) -> float | None:
    """The first Unix time after ``now`` at which to work; None where no window ever opens."""
    zone = now.tzinfo
    if zone is None:
        raise ValueError("the time needs a zone")
    after = now.timestamp()
    for moment in sorted(_edges(windows, now, zone)):
        if moment > after and working_time(windows, datetime.fromtimestamp(moment, zone)):
            return moment
    return None


def _edges(windows: tuple[Window, ...], now: datetime, zone: tzinfo) -> Iterator[float]:
    """All moments at which a window may open: each start, twice where the clock is put back over it, and the
    moments at which the clock is changed."""
    for ahead in range(-1, _AHEAD_DAYS + 1):
        day = now.date() + timedelta(days=ahead)
        for window in windows:
            if day.weekday() in window.days:
                wall = datetime.combine(day, time(window.start // 60, window.start % 60), zone)
                yield wall.timestamp()
                yield wall.replace(fold=1).timestamp()
        begin = datetime.combine(day, time(), zone)
        changed = _clock_change(begin, datetime.combine(day + timedelta(days=1), time(), zone), zone)
        if changed is not None:
            yield changed


def _clock_change(begin: datetime, end: datetime, zone: tzinfo) -> float | None:
    """The moment in between at which the zone's offset becomes another one, to the second."""
    low, high = int(begin.timestamp()), int(end.timestamp())
    before = _offset(low, zone)
    if _offset(high, zone) == before:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
    return float(high)


def _offset(moment: int, zone: tzinfo) -> timedelta | None:
    return datetime.fromtimestamp(moment, UTC).astimezone(zone).utcoffset()
