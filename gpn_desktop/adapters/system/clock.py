"""The machine's clocks."""

from __future__ import annotations

import time


class SystemClock:
    """See ``ports.clock.Clock``."""

    def monotonic(self) -> float:
        return time.monotonic()

    def unix(self) -> float:
        return time.time()
