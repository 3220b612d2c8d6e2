"""Talking with whoever sits at the terminal: narration on stderr, results on stdout, and one question.

A command that spends money asks first. Where nobody can answer it refuses, unless it was told --yes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from gpn_desktop.core.errors import NotConfirmed
from gpn_desktop.ports.deployment import Quote
from gpn_desktop.services.funds import in_eth

YES = frozenset({"y", "yes"})


def say(text: str) -> None:
    with suppress(BrokenPipeError):
        print(text, file=sys.stderr, flush=True)


async def confirm(yes: bool, why: str = "This costs money.") -> None:
    """Ask whether to do what was said; NotConfirmed if not, and nothing was done then."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed(f"{why} There is no terminal to ask at.")
    try:
        answer = await asyncio.to_thread(input, "Go on? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in YES:
        raise NotConfirmed("Nothing was done.")


def show(result: Mapping[str, object], lines: Mapping[str, str], as_json: bool) -> None:
    """One JSON object for machines, or a table for people."""
    if as_json:
        print(json.dumps(result), flush=True)
        return
    width = max(map(len, lines), default=0)
    for name, value in lines.items():
        print(f"{name:<{width}}  {value}", flush=True)


def costs(quote: Quote) -> str:
    return f"about {in_eth(quote.expected)} ETH for {quote.gas:,} gas, {in_eth(quote.most)} ETH at most"


def when(unix: int) -> str:
    """A time of the chain for people."""
    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%d %H:%M:%S} UTC"


def lasting(seconds: int) -> str:
    """A duration in the largest units that tell it exactly: ``1 day 12 h``."""
    parts = []
    for size, unit in ((86_400, "day"), (3600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}")
    return " ".join(parts) or "0 s"
