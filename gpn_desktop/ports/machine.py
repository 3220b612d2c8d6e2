"""The operator's machine, as far as pause rules ask for it. Its GPUs are in ``ports.sensors``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from enum import Enum
from typing import Protocol


class Sense(Enum):
    IDLE = "idle"
    BATTERY = "battery"
    PROGRAMS = "programs"


@dataclass(frozen=True, slots=True)
class MachineReading:
    """None is what this machine cannot tell, or what was not asked for.

    Attributes:
        idle_seconds: since keyboard or mouse were last used.
        on_battery: False also on a machine that has no battery.
        programs: file names of all that runs.
    """

    idle_seconds: float | None = None
    on_battery: bool | None = None
    programs: frozenset[str] | None = None


class MachineSensors(Protocol):
    """Raises nothing; what does not answer in time is what cannot be told."""

    async def read(self, wanted: frozenset[Sense]) -> MachineReading:
        """The machine now. Takes at most a few seconds, and none of the loop's time."""
        ...

    def zone(self) -> tzinfo:
        """The time zone of the machine's operator, with its changes of the clock."""
        ...
