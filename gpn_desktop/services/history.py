"""The past of this node, for people: a request's transactions, and all requests as a file."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from gpn_desktop.core.errors import FileNotWritten
from gpn_desktop.core.history import JobOrder
from gpn_desktop.core.types import Hash32, hex0x
from gpn_desktop.ports.chain import TxRecord
from gpn_desktop.ports.store import JobRow, Store
from gpn_desktop.services.batch import name_of

PAGE: Final = 500
HEADER: Final = (
    "received", "request", "ref", "consumer", "role", "phase", "attempt", "prover", "reward_gwei",
    "earned_gwei", "deadline", "verdict_ms", "proof", "error",
)  # fmt: skip
# What a spreadsheet would run as a formula; a client chooses its own request ids.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


Fetch = Callable[[int, int, str, JobOrder], Awaitable[Sequence[JobRow]]]


class Saver(Protocol):
    def __call__(self, path: Path, text: str) -> None:
        """Write the file whole or not at all; OSError."""
        ...


async def transactions_of(store: Store, request_id: Hash32) -> list[TxRecord]:
    """Settling, extending, contesting and finalising, by the intents that name the request or its batch."""
    intents = []
    named = await store.get(f"settling:{request_id.hex()}")
    if named:
        intents.append(named.decode())
    for row in await store.settlements(only_open=False):
        if request_id in row.request_ids:
            index = row.request_ids.index(request_id)
            batch = name_of(row.key, row.finalize_at)
            intents += [f"extend:{batch}:{index}", f"supersede:{batch}:{index}", f"finalize:{batch}"]
    found = [await store.tx_by_intent(intent) for intent in dict.fromkeys(intents)]
    return [record for record in found if record is not None]


async def export_jobs(
    fetch: Fetch, search: str, order: JobOrder, path: Path, save: Saver, progress: Callable[[int], None]
) -> int:
    """All requests that match as CSV (RFC 4180, UTF-8); how many. ``progress`` gets the lines so far.

    Raises:
        FileNotWritten
    """
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(HEADER)
    count = 0
    while rows := await fetch(count, PAGE, search, order):
        out.writerows([defused(value) for value in _row(row)] for row in rows)
        count += len(rows)
        progress(count)
        if len(rows) < PAGE:
            break
    try:
        await asyncio.to_thread(save, path, text.getvalue())
    except OSError as error:
        raise FileNotWritten(f"{path} can't be written: {error.strerror}.") from error
    return count


def _row(row: JobRow) -> tuple[object, ...]:
    took = row.verdict_ms - row.received_ms if row.verdict_ms else ""
    return (
        datetime.fromtimestamp(row.received_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        hex0x(row.request_id), row.ref, hex0x(row.consumer), row.role, row.phase, row.attempt + 1,
        hex0x(row.prover) if row.prover else "", row.reward, row.earned, row.deadline, took,
        hex0x(row.proof_hash) if row.proof_hash else "", row.error,
    )  # fmt: skip


def defused(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
