"""The operator's rates: one price for all days, or a CSV file with a price for each day."""

from __future__ import annotations

import asyncio
import csv
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Final

from gpn_desktop.core.errors import RateWrong
from gpn_desktop.ports.fiat import Rates

MAX_FILE: Final = 4 * 1024 * 1024
MAX_DIGITS: Final = 30


def read_price(text: str) -> Fraction:
    """A price as people type it, exactly; RateWrong for what is none."""
    said = text.strip().replace(",", ".")
    whole, _, rest = said.partition(".")
    digits = whole + rest
    if not digits.isascii() or not digits.isdigit() or len(digits) > MAX_DIGITS or not int(digits):
        raise RateWrong(f"{text.strip()!r} is no price of 1 ETH.")
    return Fraction(int(digits), 10 ** len(rest))


@dataclass(frozen=True, slots=True)
class OnePrice:
    price: Fraction

    def at(self, day: date) -> Fraction | None:
        return self.price


class DailyPrices:
    """A day without a price has that of the latest day before it; before the first day there is none."""

    def __init__(self, prices: dict[date, Fraction]) -> None:
        self._days = sorted(prices)
        self._prices = prices

    def at(self, day: date) -> Fraction | None:
        found = bisect_right(self._days, day)
        return self._prices[self._days[found - 1]] if found else None


def read_rates(text: str) -> DailyPrices:
    """Lines of ``date,rate`` (2026-11-23,2512.40); a first line of words is a title. RateWrong."""
    prices: dict[date, Fraction] = {}
    for number, row in enumerate(csv.reader(text.splitlines()), start=1):
        if not any(cell.strip() for cell in row):
            continue
        try:
            day = date.fromisoformat(row[0].strip())
        except ValueError:
            if number == 1:
                continue
            raise RateWrong(f"Line {number} does not begin with a date as in 2026-11-23.") from None
        if len(row) != 2:
            raise RateWrong(f"Line {number} is not a date and a rate.")
        prices[day] = read_price(row[1])
    if not prices:
        raise RateWrong("The file has no rates.")
    return DailyPrices(prices)


class OwnRates:
    """See ``ports.fiat.RateSource``."""

    def manual(self, price: str) -> Rates:
        return OnePrice(read_price(price))

    async def file(self, path: Path) -> Rates:
        return await asyncio.to_thread(self._read, path)

    def _read(self, path: Path) -> Rates:
        try:
            path = path.expanduser()
            with path.open("rb") as file:
                raw = file.read(MAX_FILE + 1)
            if len(raw) > MAX_FILE:
                raise RateWrong(f"{path} is larger than {MAX_FILE:,} bytes.")
            return read_rates(raw.decode("utf-8-sig"))
        except (OSError, RuntimeError, UnicodeDecodeError, csv.Error) as error:
            raise RateWrong(f"{path} cannot be read: {error}.") from error
