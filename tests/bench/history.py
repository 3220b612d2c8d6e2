"""How long a ledger of 100,000 requests lets people wait: opening, sorting, filtering, summing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from gpn_desktop.adapters.sqlite import SqliteStore
from gpn_desktop.adapters.system.clock import SystemClock
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.ledger import LedgerRow, Part, Query, Sort, State
from gpn_desktop.core.types import Address, Gwei
from gpn_desktop.services.ledger import Ledger
from tests.bench.rows import Row

LINES: Final = 100_000
CONSUMERS: Final = [Address(bytes([n]) * 20) for n in range(1, 9)]
ROUNDS: Final = 5
DAY_MS: Final = 86_400_000
PAGE: Final = 100

OPEN: Final = "Earnings, 100,000 rewards: open (page, count)"
CHART: Final = "Earnings, 100,000 rewards: sums of 30 days"
SORT: Final = "Earnings, 100,000 rewards: sort by amount"
FILTER: Final = "Earnings, 100,000 rewards: filter (consumer, state, role)"
FAR: Final = "Earnings, 100,000 rewards: scroll to the last page"
NAMES: Final = (OPEN, CHART, SORT, FILTER, FAR)


def line(number: int, now_ms: int) -> LedgerRow:
    """Three years of rewards, the latest day of them in its window."""
    age = (LINES - number) * 3 * 365 * DAY_MS // LINES
    proved = Gwei(1_470_000 + number % 977) if number % 4 == 0 else Gwei(0)
    paid = age > DAY_MS
    return LedgerRow(
        keccak(number.to_bytes(4, "big")),
        keccak((number // 10).to_bytes(4, "big")),
        (now_ms - age + DAY_MS) // 1000,
        number % 10,
        10,
        now_ms - age,
        1 + number // 10,
        CONSUMERS[number % len(CONSUMERS)],
        Gwei(2_100_000),
        proved,
        Gwei(0) if proved else Gwei(157_500),
        2 + number // 10 if paid else 0,
        keccak(b"tx" + (number // 1000).to_bytes(4, "big")) if age > 7 * DAY_MS else None,
        3 + number // 10 if age > 7 * DAY_MS else 0,
    )


async def _took(work: Callable[[], Awaitable[Any]]) -> float:
    """The median of some rounds, in milliseconds."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await work()
        found.append((time.perf_counter() - began) * 1000)
    return round(sorted(found)[ROUNDS // 2], 1)


async def measure() -> list[Row]:
    now_ms = int(time.time() * 1000)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "node.db")
        await store.open()
        for start in range(0, LINES, 10_000):
            await store.put_ledger([line(number, now_ms) for number in range(start, start + 10_000)])
        ledger = Ledger(store, SystemClock())
        newest = Query()
        one = replace(newest, consumer=CONSUMERS[3], state=State.WITHDRAWN, part=Part.VERIFIED)
        days = [now_ms - back * DAY_MS for back in range(29, -1, -1)]

        async def opened(query: Query) -> None:
            await ledger.page(query, 0, PAGE)
            await ledger.count(query)

        cases: dict[str, Callable[[], Awaitable[Any]]] = {
            OPEN: lambda: opened(newest),
            CHART: lambda: ledger.totals(days),
            SORT: lambda: opened(replace(newest, sort=Sort.SHARE)),
            FILTER: lambda: opened(one),
            FAR: lambda: ledger.page(newest, LINES - PAGE, PAGE),
        }
        rows = [Row(name, await _took(work), "<= 100", "ms") for name, work in cases.items()]
        await store.aclose()
    return rows
