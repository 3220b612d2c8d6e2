"""Amounts in the operator's currency: off until a rate is given, exact until the last shown digit."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Final

from gpn_desktop.core.errors import RateWrong, SettingsUnreadable
from gpn_desktop.core.types import Wei
from gpn_desktop.ports.fiat import Rates, RateSource
from gpn_desktop.ports.preferences import Document

WEI_PER_ETH: Final = 10**18
MAX_CURRENCY: Final = 8


@dataclass(frozen=True, slots=True)
class FiatChoice:
    """``file`` goes before ``price``; with neither, amounts are in ETH alone."""

    currency: str = ""
    price: str = ""
    file: str = ""

    @property
    def on(self) -> bool:
        return bool(self.price or self.file)


@dataclass
class Fiat:
    document: Document
    source: RateSource
    choice: FiatChoice = field(default_factory=FiatChoice)
    _rates: Rates | None = None

    async def load(self) -> None:
        """What was chosen before; what cannot be read any more is off. SettingsUnreadable, RateWrong."""
        text = await self.document.read()
        if not text:
            return
        try:
            said = json.loads(text)
            choice = FiatChoice(**{key: str(said[key]) for key in ("currency", "price", "file")})
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsUnreadable(f"{self.document.path} cannot be read: {error}.") from error
        self._rates = await self._read(choice)
        self.choice = choice

    async def choose(self, currency: str, price: str, file: str) -> None:
        """Kept for later starts; with neither a price nor a file it is off. RateWrong, SettingsNotWritten."""
        choice = FiatChoice(currency.strip(), price.strip(), file.strip())
        rates = await self._read(choice)
        await self.document.write(json.dumps(asdict(choice)) + "\n")
        self.choice, self._rates = choice, rates

    async def _read(self, choice: FiatChoice) -> Rates | None:
        if not choice.on:
            return None
        if not choice.currency.isalnum() or len(choice.currency) > MAX_CURRENCY:
            raise RateWrong("The currency is a short word, as in EUR.")
        if choice.file:
            return await self.source.file(Path(choice.file))
        return self.source.manual(choice.price)

    def words(self, amount: Wei, day: date) -> str:
        """ "≈ 12.34 EUR"; "" while it is off, and where there is no rate for the day."""
        price = self._rates.at(day) if self._rates is not None else None
        return f"≈ {cents(worth(amount, price))} {self.choice.currency}" if price is not None else ""


def worth(amount: Wei, price: Fraction) -> Fraction:
    return Fraction(amount, WEI_PER_ETH) * price


def cents(value: Fraction) -> str:
    """With two digits, halves to the even one."""
    whole = round(value * 100)
    sign, whole = ("−", -whole) if whole < 0 else ("", whole)
    return f"{sign}{whole // 100:,}.{whole % 100:02d}"
