"""Virtual time: what happens next, in an order that depends on the seed alone."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

Happening = Callable[[], None]


def dice(*names: object) -> random.Random:
    """A stream of chance of its own for whatever the names say, the same on every machine.

    One stream for each node and request, so that what is left out of a run changes little of the rest.
    """
    return random.Random("/".join(str(name) for name in names))


class Timeline:
    """Milliseconds of chain time. Two happenings of one instant come in the order in which they were set."""

    def __init__(self, start: int) -> None:
        self.now = start
        self.steps = 0
        self._queue: list[tuple[int, int, Happening]] = []
        self._count = 0

    def at(self, time: int, happening: Happening) -> None:
        """Let something happen; what lies in the past happens now."""
        self._count += 1
        heapq.heappush(self._queue, (max(time, self.now), self._count, happening))

    def after(self, delay: float, happening: Happening) -> None:
        self.at(self.now + int(delay), happening)

    def step(self) -> bool:
        """The next happening; False when nothing more can happen."""
        if not self._queue:
            return False
        self.now, _, happening = heapq.heappop(self._queue)
        self.steps += 1
        happening()
        return True
