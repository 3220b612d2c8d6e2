"""The ledger in SQL. Its lines lie in plain columns, since they are filtered, sorted and summed there.

A damaged line can be made again from the chain; what can't is in the journal's sealed bodies.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from gpn_desktop.core.ledger import QUARTER_MS, LedgerRow, Part, Query, Sort, State, Sum
from gpn_desktop.core.types import Address, Gwei, Hash32

COLUMNS: Final = (
    "request_id, key, finalize_at, place, of, settled_ms, settled_block, consumer, reward, proved, verified, "
    "paid_block, tx, tx_block"
)
_PUT: Final = f"""
INSERT INTO ledger ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (request_id) DO UPDATE SET
    paid_block = CASE WHEN key = excluded.key AND finalize_at = excluded.finalize_at
        THEN paid_block ELSE excluded.paid_block END,
    tx = CASE WHEN key = excluded.key AND finalize_at = excluded.finalize_at THEN tx ELSE excluded.tx END,
    tx_block = CASE WHEN key = excluded.key AND finalize_at = excluded.finalize_at
        THEN tx_block ELSE excluded.tx_block END,
    key = excluded.key, finalize_at = excluded.finalize_at, place = excluded.place, of = excluded.of,
    settled_ms = excluded.settled_ms, settled_block = excluded.settled_block, consumer = excluded.consumer,
    reward = excluded.reward, proved = excluded.proved, verified = excluded.verified
"""
_ORDERS: Final = {
    Sort.TIME: ("settled_ms", "request_id"),
    Sort.SHARE: ("proved + verified", "request_id"),
    Sort.CONSUMER: ("consumer", "settled_ms", "request_id"),
}
_STATES: Final = {
    State.WINDOW: "tx IS NULL AND paid_block = 0",
    State.READY: "tx IS NULL AND paid_block > 0",
    State.WITHDRAWN: "tx IS NOT NULL",
}

Write = Callable[[sqlite3.Connection], None]


def put(rows: Sequence[LedgerRow]) -> Write:
    gone = [(row.request_id,) for row in rows if not row.share]
    values = [_values(row) for row in rows if row.share]

    def write(db: sqlite3.Connection) -> None:
        db.executemany("DELETE FROM ledger WHERE request_id = ?", gone)
        db.executemany(_PUT, values)

    return write


def _values(row: LedgerRow) -> tuple[object, ...]:
    return (
        row.request_id, row.key, row.finalize_at, row.place, row.of, row.settled_ms, row.settled_block,
        row.consumer, row.reward, row.proved, row.verified, row.paid_block, row.tx, row.tx_block,
    )  # fmt: skip


def paid(key: Hash32, finalize_at: int, block: int) -> Write:
    query = "UPDATE ledger SET paid_block = ? WHERE key = ? AND finalize_at = ? AND paid_block = 0"
    return _execute((query, (block, key, finalize_at)))


def withdrawn(tx: Hash32, block: int) -> Write:
    query = "UPDATE ledger SET tx = ?, tx_block = ? WHERE tx IS NULL AND paid_block BETWEEN 1 AND ?"
    return _execute((query, (tx, block, block)))


def undo(first_block: int) -> Write:
    at = (first_block,)
    return _execute(
        ("DELETE FROM ledger WHERE settled_block >= ?", at),
        ("UPDATE ledger SET tx = NULL, tx_block = 0 WHERE tx_block >= ?", at),
        ("UPDATE ledger SET paid_block = 0 WHERE paid_block >= ?", at),
    )


def _execute(*statements: tuple[str, tuple[object, ...]]) -> Write:
    def write(db: sqlite3.Connection) -> None:
        for statement, values in statements:
            db.execute(statement, values)

    return write


def page(query: Query, offset: int, limit: int) -> Callable[[sqlite3.Connection], list[LedgerRow]]:
    where, values = _where(query)
    way = " DESC" if query.descending else ""
    order = ", ".join(column + way for column in _ORDERS[query.sort])
    # The lines that are skipped are counted in an index alone, as far as one holds what is asked for.
    wanted = f"SELECT request_id FROM ledger WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"
    select = f"SELECT {COLUMNS} FROM ledger WHERE request_id IN ({wanted}) ORDER BY {order}"

    def read(db: sqlite3.Connection) -> list[LedgerRow]:
        return [LedgerRow(*row) for row in db.execute(select, (*values, limit, offset))]

    return read


def line(request_id: Hash32) -> Callable[[sqlite3.Connection], LedgerRow | None]:
    def read(db: sqlite3.Connection) -> LedgerRow | None:
        row = db.execute(f"SELECT {COLUMNS} FROM ledger WHERE request_id = ?", (request_id,)).fetchone()
        return None if row is None else LedgerRow(*row)

    return read


def count(query: Query) -> Callable[[sqlite3.Connection], int]:
    where, values = _where(query)

    def read(db: sqlite3.Connection) -> int:
        return int(db.execute(f"SELECT count(*) FROM ledger WHERE {where}", values).fetchone()[0])

    return read


def _where(query: Query) -> tuple[str, tuple[object, ...]]:
    """Conditions of this module's own words; everything given goes in as a value."""
    parts, values = ["settled_ms >= ?"], [query.since_ms]
    if query.until_ms is not None:
        parts.append("settled_ms < ?")
        values.append(query.until_ms)
    found: list[object] = list(values)
    if query.consumer is not None:
        parts.append("consumer = ?")
        found.append(query.consumer)
    if query.state is not None:
        parts.append(_STATES[query.state])
    if query.part is not None:
        parts.append("proved > 0" if query.part is Part.PROVED else "proved = 0")
    return " AND ".join(parts), tuple(found)


def sums(since_ms: int, until_ms: int | None) -> Callable[[sqlite3.Connection], list[Sum]]:
    where, values = _where(Query(since_ms=since_ms, until_ms=until_ms))
    select = (
        f"SELECT settled_ms / {QUARTER_MS} * {QUARTER_MS} AS quarter, consumer, sum(proved), sum(verified), "
        f"count(*) FROM ledger WHERE {where} GROUP BY quarter, consumer ORDER BY quarter, consumer"
    )

    def read(db: sqlite3.Connection) -> list[Sum]:
        found = db.execute(select, values)
        return [Sum(at, Address(who), Gwei(p), Gwei(v), count) for at, who, p, v, count in found]

    return read


def consumers(db: sqlite3.Connection) -> list[Address]:
    return [Address(row[0]) for row in db.execute("SELECT DISTINCT consumer FROM ledger ORDER BY consumer")]
