"""``python -m tests.bench [--json] [--only WORD]``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable

from tests.bench import gas, history, network, runtime, simulation, sustained, transfer, window
from tests.bench.rows import Row, as_json, as_table

Suite = Callable[[], Awaitable[list[Row]]]
SUITES: dict[tuple[str, ...], Suite] = {
    network.NAMES: network.measure,
    sustained.NAMES: sustained.measure,
    transfer.NAMES: transfer.measure,
    runtime.NAMES: runtime.measure,
    gas.NAMES: gas.measure,
    history.NAMES: history.measure,
    window.NAMES: window.measure,
    simulation.NAMES: simulation.measure,
}


async def run(only: str) -> list[Row]:
    rows: list[Row] = []
    for names, measure in SUITES.items():
        if any(only in name for name in names):
            rows += [row for row in await measure() if only in row.name]
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--json", action="store_true", help="JSON as the last line")
    parser.add_argument("--only", default="", metavar="WORD", help="rows whose name contains the word")
    args = parser.parse_args()
    rows = asyncio.run(run(args.only))
    print(as_json(rows) if args.json else as_table(rows))
    return 1 if not rows or any(row.missed for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
