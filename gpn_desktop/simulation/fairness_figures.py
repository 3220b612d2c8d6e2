"""How far a count can be from what was expected by chance alone, and what follows from that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from gpn_desktop.simulation.fairness_games import Tally

CONFIDENCE: Final = 0.99


@dataclass(frozen=True, slots=True)
class Figure:
    """A share of first places, 0 to 1, in its interval, beside the ``honest`` one.

    ``paid`` is the share of requests that were won and also proven for the reward.
    """

    hits: int
    draws: int
    honest: float
    low: float
    high: float
    paid: float

    @property
    def share(self) -> float:
        return self.hits / self.draws

    @property
    def gain(self) -> float:
        return self.share / self.honest - 1

    @property
    def gain_low(self) -> float:
        return self.low / self.honest - 1

    @property
    def gain_high(self) -> float:
        return self.high / self.honest - 1

    @property
    def within(self) -> bool:
        """Whether the honest share is one that chance may have made this of."""
        return self.holds(self.honest)

    def holds(self, share: float) -> bool:
        return self.low <= share <= self.high

    def as_json(self) -> dict[str, object]:
        return {
            "draws": self.draws,
            "honest_share": round(self.honest, 6),
            "share": round(self.share, 6),
            "share_interval": [round(self.low, 6), round(self.high, 6)],
            "gain": round(self.gain, 6),
            "gain_interval": [round(self.gain_low, 6), round(self.gain_high, 6)],
            "paid_share": round(self.paid, 6),
            "within_noise": self.within,
        }


def z_of(figures: int) -> float:
    """An interval's reach in standard deviations, so that all ``figures`` hold together with CONFIDENCE.

    Each gets its part of the 1 % (Bonferroni), or a table of many true figures would fail every few seeds.
    """
    return NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / figures / 2)


def figure(tally: Tally, honest: float, z: float) -> Figure:
    """With Wilson's interval, which stays inside 0 and 1 and is right for small shares too."""
    low, high = wilson(tally.hits, tally.draws, z)
    return Figure(tally.hits, tally.draws, honest, low, high, tally.paid / tally.draws)


def wilson(hits: int, draws: int, z: float) -> tuple[float, float]:
    share, square = hits / draws, z * z
    middle = share + square / (2 * draws)
    reach = z * math.sqrt(share * (1 - share) / draws + square / (4 * draws * draws))
    scale = 1 + square / draws
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def chi_square(observed: Sequence[int], shares: Sequence[float]) -> tuple[float, float]:
    """The statistic, and how likely chance alone makes it at least as large."""
    draws = sum(observed)
    pairs = zip(observed, shares, strict=True)
    statistic = sum((seen - draws * share) ** 2 / (draws * share) for seen, share in pairs)
    return statistic, _upper_gamma((len(observed) - 1) / 2, statistic / 2)


def _upper_gamma(a: float, x: float) -> float:
    """The regularised Q(a, x) for whole and half a, by Q(b+1, x) = Q(b, x) + xᵇ·e⁻ˣ/Γ(b+1)."""
    b = 1.0 if a == int(a) else 0.5
    value = math.exp(-x) if b == 1.0 else math.erfc(math.sqrt(x))
    while b < a:
        value += math.exp(b * math.log(x) - x - math.lgamma(b + 1)) if x > 0 else 0.0
        b += 1
    return value
