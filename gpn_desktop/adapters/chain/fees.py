"""What a transaction offers for its gas, and what its replacement offers: EIP-1559 within the ceilings.

Pure arithmetic in wei per gas. The maximum fee has room for the base fee to double, which takes it six full
blocks at least, since it rises by an eighth per block at most. Chain nodes take a replacement only if both
fees rise by an eighth, and so the first tip keeps room under its ceiling for two of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from gpn_desktop.core.errors import FeesTooHigh

GWEI: Final = 10**9
FIRST_SHARE: Final = (3, 4)  # of the tip's ceiling; 3/4 raised by an eighth twice is 243/256


@dataclass(frozen=True, slots=True)
class Fees:
    """The fee policy, in wei per gas. Above ``ceiling`` nothing is sent; None is no ceiling."""

    ceiling: int | None = None
    priority_ceiling: int = 5 * GWEI

    def tip(self, suggested: int) -> int:
        """What is tipped at first, where the chain node suggests so much."""
        return min(suggested, self.priority_ceiling * FIRST_SHARE[0] // FIRST_SHARE[1])


@dataclass(frozen=True, slots=True)
class Offer:
    """A transaction's fees, in wei per gas; ``max_fee`` is the most that base fee and tip may sum up to."""

    max_fee: int
    tip: int


def first_offer(base: int, suggested: int, fees: Fees) -> Offer:
    """What a new transaction offers.

    Raises:
        FeesTooHigh: base fee and tip together are over the ceiling.
    """
    tip = fees.tip(suggested)
    if fees.ceiling is not None and base + tip > fees.ceiling:
        raise FeesTooHigh(
            f"Gas costs {in_gwei(base + tip)} gwei, over the ceiling of {in_gwei(fees.ceiling)} gwei."
        )
    return Offer(_under(fees, 2 * base + tip), tip)


def raised_offer(old: Offer, base: int, suggested: int, fees: Fees) -> Offer | None:
    """What takes an older transaction's place; None if the ceilings leave no room for it."""
    tip = max(_eighth_more(old.tip), fees.tip(suggested))
    least = max(_eighth_more(old.max_fee), base + tip)
    max_fee = _under(fees, max(2 * base + tip, least))
    if tip > fees.priority_ceiling or max_fee < least:
        return None
    return Offer(max_fee, tip)


def _under(fees: Fees, max_fee: int) -> int:
    return max_fee if fees.ceiling is None else min(max_fee, fees.ceiling)


def _eighth_more(fee: int) -> int:
    return fee * 9 // 8 + 1


def in_gwei(wei: int) -> str:
    """For people: as many decimals as it has."""
    return f"{(Decimal(wei) / GWEI).normalize():f}"
