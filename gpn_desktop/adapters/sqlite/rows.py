"""Rows: how domain values lie in the tables. Columns beside a body exist to be searched and sorted by."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from gpn_desktop.adapters.sqlite.codec import decode, decode_any, encode, seal, unseal
from gpn_desktop.adapters.sqlite.schema import order_figures
from gpn_desktop.core.messages import PeerMessage, RequestMessage
from gpn_desktop.core.types import Address, Hash32, Millis, hex0x
from gpn_desktop.ports.chain import TxRecord
from gpn_desktop.ports.store import JobRow, Kept, SettlementRow, WithdrawalRow

T = TypeVar("T")
Write = Callable[[sqlite3.Connection], None]

TX_PENDING: Final = 1
TX_UNSETTLED: Final = 2
OPEN_STATEMENTS: Final = (
    "SELECT s.cursor, s.request_id, s.consumer, s.own, s.time_ms, s.body FROM statements s "
    "LEFT JOIN jobs j ON j.request_id = s.request_id WHERE (coalesce(j.open, 1) OR j.received_ms >= ?) "
)


def search_text(row: JobRow) -> str:
    """What a search looks through: everything a person may know a request by."""
    parts = (hex0x(row.request_id), row.ref, hex0x(row.consumer), row.phase, row.role)
    prover = hex0x(row.prover) if row.prover is not None else ""
    return " ".join((*parts, prover, row.error)).lower()


def keep(
    request_id: Hash32, consumer: Address, message: PeerMessage, own: bool, time_ms: Millis
) -> Callable[[sqlite3.Connection], int]:
    """Append unless the same statement is there; the cursor either way."""
    body = encode(message, PeerMessage)
    identity = hashlib.blake2b(body, digest_size=16).digest()
    sealed = seal(body, request_id, consumer, *_stamp(own, time_ms))
    is_request = isinstance(message, RequestMessage)

    def write(db: sqlite3.Connection) -> int:
        db.execute(
            "INSERT INTO statements (request_id, consumer, is_request, own, time_ms, body, identity) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (request_id, consumer, is_request, own, time_ms, sealed, identity),
        )
        found = db.execute(
            "SELECT cursor FROM statements WHERE request_id = ? AND identity = ?", (request_id, identity)
        )
        return int(found.fetchone()[0])

    return write


def _stamp(own: int, time_ms: int) -> tuple[bytes, bytes]:
    return bytes([own]), encode(time_ms, int)


def kept(row: tuple[Any, ...]) -> Kept:
    """A statement from its columns (cursor, request_id, consumer, own, time_ms, body)."""
    cursor, request_id, consumer, own, time_ms, sealed = row
    body = unseal(sealed, request_id, consumer, *_stamp(own, time_ms))
    return Kept(cursor, Hash32(request_id), decode_any(body, PeerMessage), bool(own), Millis(time_ms))


def put_job(row: JobRow) -> Write:
    body = seal(encode(row, JobRow), row.request_id)
    figures = order_figures(row)
    values = (row.request_id, row.consumer, row.ref, row.received_ms, row.open, search_text(row), body,
              *figures.values())  # fmt: skip
    changing = ("consumer", "ref", "received_ms", "open", "search", "body", *figures)
    changes = ", ".join(f"{name} = excluded.{name}" for name in changing)

    def write(db: sqlite3.Connection) -> None:
        db.execute(
            f"INSERT INTO jobs (request_id, {', '.join(changing)}) VALUES (?{', ?' * len(changing)}) "
            f"ON CONFLICT (request_id) DO UPDATE SET {changes}",
            values,
        )

    return write


def put_settlement(row: SettlementRow) -> Write:
    values = (row.key, row.finalize_at, not row.finalized, seal(encode(row, SettlementRow), row.key))
    return _replace("settlements (key, finalize_at, open, body)", values)


def put_withdrawal(row: WithdrawalRow) -> Write:
    values = (row.tx, row.time_ms, seal(encode(row, WithdrawalRow), row.tx))
    return _replace("withdrawals (tx, time_ms, body)", values)


def put_tx(record: TxRecord) -> Write:
    body = seal(encode(record, TxRecord), record.intent.encode())
    values = (record.intent, record.nonce, _open_kind(record), body)

    def write(db: sqlite3.Connection) -> None:
        db.execute(
            "INSERT INTO txs (intent, nonce, open, body) VALUES (?, ?, ?, ?) ON CONFLICT (intent) "
            "DO UPDATE SET nonce = excluded.nonce, open = excluded.open, body = excluded.body",
            values,
        )

    return write


def forget_unsigned(intent: str) -> Write:
    def write(db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM txs WHERE intent = ? AND nonce < 0", (intent,))

    return write


def open_txs(kind: int) -> Callable[[sqlite3.Connection], list[TxRecord]]:
    """The transactions that still need looking after: TX_PENDING or TX_UNSETTLED."""
    query = "SELECT intent, body FROM txs WHERE open AND open = ? ORDER BY nonce, intent"
    return many(TxRecord, query, kind)


def _open_kind(record: TxRecord) -> int:
    if record.is_pending:
        return TX_PENDING
    return TX_UNSETTLED if record.is_unsettled else 0


def put_fact(name: str, value: bytes) -> Write:
    return _replace("facts (name, body)", (name, seal(value, name.encode())))


def put_blob(hash32: Hash32, data: bytes) -> Write:
    """Its time is that of the last request that needed it."""
    now = int(time.time() * 1000)
    return _replace("blobs.blobs (hash, time_ms, data)", (hash32, now, seal(data, hash32)))


def forget_blobs(before_ms: int) -> Callable[[sqlite3.Connection], int]:
    def write(db: sqlite3.Connection) -> int:
        db.execute("DELETE FROM blobs.logs WHERE time_ms < ?", (before_ms,))
        return db.execute("DELETE FROM blobs.blobs WHERE time_ms < ?", (before_ms,)).rowcount

    return write


def put_log(request_id: Hash32, role: str, text: str) -> Write:
    body = seal(text.encode(), request_id, role.encode())
    values = (request_id, role, int(time.time() * 1000), body)
    return _replace("blobs.logs (request_id, role, time_ms, body)", values)


def logs(request_id: Hash32) -> Callable[[sqlite3.Connection], dict[str, str]]:
    def read(db: sqlite3.Connection) -> dict[str, str]:
        found = db.execute("SELECT role, body FROM blobs.logs WHERE request_id = ?", (request_id,))
        return {role: unseal(body, request_id, role.encode()).decode() for role, body in found}

    return read


def _replace(into: str, values: tuple[Any, ...]) -> Write:
    statement = f"INSERT OR REPLACE INTO {into} VALUES ({', '.join('?' * len(values))})"

    def write(db: sqlite3.Connection) -> None:
        db.execute(statement, values)

    return write


def one(kind: type[T], query: str, key: bytes | str) -> Callable[[sqlite3.Connection], T | None]:
    """The value that a query for a body by its key finds."""

    def read(db: sqlite3.Connection) -> T | None:
        found = db.execute(query, (key,)).fetchone()
        return None if found is None else _open(kind, key, found[0])

    return read


def many(kind: type[T], query: str, *values: Any) -> Callable[[sqlite3.Connection], list[T]]:
    """The values that a query for keys and bodies finds."""

    def read(db: sqlite3.Connection) -> list[T]:
        return [_open(kind, key, body) for key, body in db.execute(query, values).fetchall()]

    return read


def _open(kind: type[T], key: bytes | str, sealed: bytes) -> T:
    body = unseal(sealed, key.encode() if isinstance(key, str) else key)
    return body if kind is bytes else decode(body, kind)  # type: ignore[return-value]
