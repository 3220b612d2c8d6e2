"""``python -m tests.soak [--minutes N] [--rate N] [--nodes N] [--csv FILE] [--json]``."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from tests.soak.load import Wanted, soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak")
    parser.add_argument("--minutes", type=float, default=60.0, help="at most 600")
    parser.add_argument("--rate", type=float, default=2.0, help="requests a second, at most 20")
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--csv", type=Path, help="samples, as they are taken")
    parser.add_argument("--json", action="store_true", help="the report as JSON, as the last line")
    args = parser.parse_args()
    wanted = Wanted(min(args.minutes, 600.0) * 60, min(args.rate, 20.0), args.nodes, args.csv)
    report = asyncio.run(_until_stopped(wanted))
    print(json.dumps(report.as_json()) if args.json else report.text())
    return 0 if report.good else 1


async def _until_stopped(wanted: Wanted):  # type: ignore[no-untyped-def]
    """A signal ends the load; what was sent is still waited for, and reported."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await soak(wanted, stop, lambda text: print(text, file=sys.stderr, flush=True))


if __name__ == "__main__":
    sys.exit(main())
