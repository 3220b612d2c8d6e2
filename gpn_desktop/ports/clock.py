"""Time as the services need it: a wall clock for people, a monotonic one for durations."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    def unix(self) -> float:
        """Seconds since the Unix epoch by this machine's clock; may jump."""
        ...
