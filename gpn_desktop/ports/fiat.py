"""What 1 ETH is worth in the operator's currency, by the operator's own word.

No source from the network is built in: it would tell a third party when this node looks at what it earned,
and no price of somebody else's belongs into an operator's books unseen.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Protocol


class Rates(Protocol):
    def at(self, day: date) -> Fraction | None:
        """The price of 1 ETH on a day; None where there is none for it."""
        ...


class RateSource(Protocol):
    """Reads rates; RateWrong says what cannot be read and why."""

    def manual(self, price: str) -> Rates: ...

    async def file(self, path: Path) -> Rates: ...
