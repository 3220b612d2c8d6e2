"""The verifier's dilemma in numbers: what a verifier gains that signs `valid` without running the check.

Everything is counted in units of one verifier's fee. `x` is what a check costs (0.1: a tenth of the fee), `n`
how many requests a committee has in the 30 days of a suspension, `p` how often a false proof comes up, by
itself or as a canary. Run it to print the tables of THREATS.md; tests/property/test_dilemma.py holds the
document to it, and the closed forms to a simulation.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

CHECK_COSTS = (0.01, 0.1, 0.5)
VOLUMES = (30, 300, 3000)
RATE = 1 / 200  # the canaries that THREATS.md advises
NATURAL = 1 / 10_000  # false proofs while nobody cheats: a bad memory cell, a bug


@dataclass(frozen=True)
class Candidate:
    """``blind`` is a blind verifier's income per request for (check cost, volume, rate of false proofs)."""

    name: str
    rate: float
    blind: Callable[[float, int, float], float]


def nothing(_cost: float, _volume: int, _rate: float) -> float:
    """Whoever signs is paid, whatever it signs."""
    return 1.0


def fee_only(_cost: float, _volume: int, rate: float) -> float:
    """The fee of each request with a false proof is lost."""
    return 1.0 - rate


def seat(_cost: float, volume: int, rate: float) -> float:
    """Works until a false proof comes up, in 1 / rate requests on average, and then misses ``volume``."""
    return (1.0 - rate) / (1.0 + rate * volume)


CANDIDATES = (
    Candidate("today's peers: nothing", NATURAL, nothing),
    Candidate("commit and reveal of votes", NATURAL, nothing),
    Candidate("random re-checks with a bounty", NATURAL, fee_only),
    Candidate("fee forfeited, no canaries", NATURAL, fee_only),
    Candidate("fee forfeited, canaries 1 in 200", RATE, fee_only),
    Candidate("seat lost, no canaries", NATURAL, seat),
    Candidate("seat lost, canaries 1 in 200", RATE, seat),
)


def advantage(candidate: Candidate, cost: float, volume: int) -> float:
    """What blindness earns beyond honesty, in fees per request; honest is best where it is negative."""
    return candidate.blind(cost, volume, candidate.rate) - (1.0 - cost)


def needed_rate(cost: float, volume: int) -> float:
    """The least rate of false proofs at which losing the seat outweighs the checks that are saved."""
    return cost / (1.0 + (1.0 - cost) * volume)


def simulated(volume: int, rate: float, requests: int, seed: int) -> float:
    """A blind verifier's income per request under `seat`, by playing it through."""
    dice = random.Random(seed)
    earned = at = 0
    while at < requests:
        if dice.random() < rate:
            at += volume + 1
        else:
            earned += 1
            at += 1
    return earned / at


def cells(values: Iterable[str]) -> str:
    return "| " + " | ".join(values) + " |"


def advantage_table() -> list[str]:
    """Rows: candidates. Columns: check costs at 30 and 3,000 requests a month."""
    columns = [(cost, volume) for volume in (VOLUMES[0], VOLUMES[-1]) for cost in CHECK_COSTS]
    head = ["blind minus honest, in fees per request"]
    head += [f"check {cost:.0%}, {volume:,} a month" for cost, volume in columns]
    rows = [cells(head), cells(["---"] + ["---:"] * len(columns))]
    for candidate in CANDIDATES:
        figures = [advantage(candidate, cost, volume) for cost, volume in columns]
        rows.append(cells([candidate.name] + [f"{figure:+.4f}" for figure in figures]))
    return rows


def rate_table() -> list[str]:
    """The rate of canaries that is needed, by check cost and volume."""
    rows = [
        cells(["least rate of canaries"] + [f"{volume:,} a month" for volume in VOLUMES]),
        cells(["---"] + ["---:"] * len(VOLUMES)),
    ]
    for cost in CHECK_COSTS:
        figures = [f"1 in {round(1 / needed_rate(cost, volume)):,}" for volume in VOLUMES]
        rows.append(cells([f"a check costs {cost:.0%} of the fee", *figures]))
    return rows


if __name__ == "__main__":
    print("\n".join([*advantage_table(), "", *rate_table()]))
