"""Whose turn it is: rank by rank, from signed messages and t₀ (protocol.md, Attempts)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gpn_desktop.core.types import Address, Millis

VERIFY_TIMEOUT_MS: Final = 30_000
EARLY_TOLERANCE_MS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Marks:
    """When this node learnt what about one prover; None for what has not happened."""

    declined: Millis | None = None
    announced: Millis | None = None  # a fetchable announcement
    voted_down: Millis | None = None


class TurnState(Enum):
    WAITING = "waiting"
    RUNNING = "running"
    DECLINED = "declined"
    VOTED_DOWN = "voted down"
    UNDECIDED = "undecided"
    RUN_OUT = "timed out"


@dataclass(frozen=True, slots=True)
class Turn:
    """One rank's turn: [start, end) in chain time; start is None while a lower rank may still win."""

    rank: int
    prover: Address
    start: Millis | None
    end: Millis | None
    state: TurnState


def turns(
    ranking: Sequence[Address], marks: Mapping[Address, Marks], t0: Millis, timeout_ms: int, now: Millis
) -> tuple[Turn, ...]:
    """All turns as they stand at ``now``; at most one is RUNNING."""
    result: list[Turn] = []
    start: Millis | None = t0
    for rank, prover in enumerate(ranking):
        if start is None or start > now:
            result.append(Turn(rank, prover, start, None, TurnState.WAITING))
            start = None
            continue
        end, state = _end(marks.get(prover, Marks()), start, timeout_ms)
        if end > now:
            result.append(Turn(rank, prover, start, end, TurnState.RUNNING))
            start = None
        else:
            result.append(Turn(rank, prover, start, end, state))
            start = end
    return tuple(result)


def _end(mark: Marks, start: Millis, timeout_ms: int) -> tuple[Millis, TurnState]:
    run_out = Millis(start + timeout_ms)
    if mark.voted_down is not None:
        return max(start, mark.voted_down), TurnState.VOTED_DOWN
    if mark.announced is not None and mark.announced < run_out:
        return Millis(max(start, mark.announced) + VERIFY_TIMEOUT_MS), TurnState.UNDECIDED
    if mark.declined is not None and mark.declined < run_out:
        return max(start, mark.declined), TurnState.DECLINED
    return run_out, TurnState.RUN_OUT
