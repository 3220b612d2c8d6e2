"""What this node counts while it works, for a monitoring system: cheap to count, never in the way.

Every label has few values, all of this program's own: no request, peer or consumer is ever one, so that
nothing that others send can make the figures grow.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gpn_desktop.core import events as ev
from gpn_desktop.core.errors import GpnError
from gpn_desktop.services.views import Phase

if TYPE_CHECKING:
    from gpn_desktop.core.types import Millis
    from gpn_desktop.services.entry import Entry

LABELS: Final = 64  # values of one label; what would be one more counts as OTHER
OTHER: Final = "other"
OUTCOMES: Final = (
    Phase.VERIFIED, Phase.SETTLED, Phase.PAID, Phase.EXPIRED, Phase.CANCELLED, Phase.REFUSED,
)  # fmt: skip
DECIDED: Final = (Phase.VERIFIED, Phase.EXPIRED, Phase.CANCELLED)  # no turn changes any more
# By the words of views.TurnView.
ATTEMPTS: Final = {
    "verified": "proved",
    "declined": "declined",
    "voted down": "voted_down",
    "timed out": "timed_out",
}
SHORT: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds
LONG: Final = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)


@dataclass(frozen=True, slots=True)
class Spread:
    """How many of what was measured, in seconds, fell under each bound, beyond the last, and their sum."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @property
    def number(self) -> int:
        return sum(self.counts)


class Durations:
    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def add(self, seconds: float) -> None:
        """A clock that was set back must not make a duration negative."""
        seconds = max(seconds, 0.0)
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._total += seconds

    @property
    def spread(self) -> Spread:
        return Spread(self._bounds, tuple(self._counts), self._total)


def nothing() -> int:
    return 0


@dataclass(frozen=True)
class Gauges:
    """What only the parts themselves know, where they know it; each answers at once.

    Attributes:
        host_restarts: how often the network's host was started again.
        store_bytes: what the journal and the blobs take on the disk; may block.
    """

    host_restarts: Callable[[], int] = nothing
    store_bytes: Callable[[], int] = nothing


@dataclass
class Meters:
    """Counted since the start of the node; the keys of each counter are the values of its labels."""

    gauges: Gauges = field(default_factory=Gauges)
    received: Counter[tuple[str, ...]] = field(default_factory=Counter)  # gateway or peers
    refused: Counter[tuple[str, ...]] = field(default_factory=Counter)  # by whom sent, code
    outcomes: Counter[tuple[str, ...]] = field(default_factory=Counter)  # phase
    attempts: Counter[tuple[str, ...]] = field(default_factory=Counter)  # own or others', outcome
    declines: Counter[tuple[str, ...]] = field(default_factory=Counter)  # why this node declined
    votes: Counter[tuple[str, ...]] = field(default_factory=Counter)  # own or received, verdict
    votes_refused: int = 0
    contradictions: int = 0
    faults: Counter[tuple[str, ...]] = field(default_factory=Counter)  # prove or validate, code
    verdicts: Durations = field(default_factory=lambda: Durations(LONG))
    proving: Durations = field(default_factory=lambda: Durations(LONG))
    verifying: Durations = field(default_factory=lambda: Durations(SHORT))

    def hear(self, name: str, fields: dict[str, object]) -> None:
        """What the node tells of itself anyway."""
        match name, fields:
            case "proved", {"ms": float(ms)}:
                self.proving.add(ms / 1000)
            case "validated", {"ms": float(ms)}:
                self.verifying.add(ms / 1000)
            case "declined", {"reason": str(reason)}:
                _count(self.declines, reason)
            case "vote_refused", _:
                self.votes_refused += 1
            case "contradiction", _:
                self.contradictions += 1

    def opened(self, gateway: bool) -> None:
        """A request was taken in for the first time."""
        self.received[("gateway" if gateway else "peers",)] += 1

    def turned_down(self, sender: str, error: GpnError) -> None:
        _count(self.refused, sender, error.code)

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Counts the error that ends a client's submission."""
        try:
            yield
        except GpnError as error:
            self.turned_down("client", error)
            raise

    def fault(self, role: str, error: GpnError) -> None:
        """A container, or what it needs, failed this node."""
        _count(self.faults, role, error.code)

    def voted(self, valid: bool) -> None:
        self._vote("own", valid)

    def took(self, event: ev.Event) -> None:
        """A peer's statement changed something."""
        if isinstance(event, ev.Voted):
            self._vote("received", event.cast.signed.message.valid)

    def _vote(self, by: str, valid: bool) -> None:
        self.votes[by, "valid" if valid else "invalid"] += 1

    def reached(self, entry: Entry, now: Millis) -> None:
        """A request is in another phase; each outcome counts once, whatever reorganisations do to it."""
        phase = entry.phase
        if phase not in OUTCOMES or phase in entry.counted:
            return
        decided = any(earlier in DECIDED for earlier in entry.counted)
        entry.counted.add(phase)
        self.outcomes[(phase.value,)] += 1
        if phase is Phase.VERIFIED:
            self.verdicts.add((entry.verdict_ms - entry.received_ms) / 1000)
        if phase in DECIDED and not decided:
            for turn in entry.view(now).turns:
                if turn.state in ATTEMPTS:
                    self.attempts["own" if turn.mine else "other", ATTEMPTS[turn.state]] += 1


def _count(counter: Counter[tuple[str, ...]], *key: str) -> None:
    counter[key if key in counter or len(counter) < LABELS else (*key[:-1], OTHER)] += 1
