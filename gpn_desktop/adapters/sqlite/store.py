"""The store in one SQLite database: a writer thread with group commit, a reader thread, a process lock.

Reads have a connection of their own, so that a search through 100,000 requests never holds up a vote; WAL
lets them see everything whose call has returned.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from gpn_desktop.adapters.sqlite import ledger, rows
from gpn_desktop.adapters.sqlite.codec import CodecError
from gpn_desktop.adapters.sqlite.lock import ProcessLock
from gpn_desktop.adapters.sqlite.schema import (
    blob_path,
    connect,
    connect_writer,
    create_private,
    lock_path,
    translate,
)
from gpn_desktop.adapters.sqlite.tip import Tip
from gpn_desktop.adapters.sqlite.worker import Operation, Worker
from gpn_desktop.core.history import JobOrder
from gpn_desktop.core.ledger import LedgerRow, Query, Sum
from gpn_desktop.core.messages import PeerMessage, RequestMessage
from gpn_desktop.core.types import Address, Hash32, Millis
from gpn_desktop.ports.chain import TxRecord
from gpn_desktop.ports.store import JobRow, Kept, SettlementRow, WithdrawalRow

T = TypeVar("T")


_ORDERS: Final = {
    JobOrder.NEWEST: "received_ms DESC, number DESC",
    JobOrder.OLDEST: "received_ms, number",
    JobOrder.EARNED: "earned DESC, received_ms DESC, number DESC",
    JobOrder.REWARD: "reward DESC, received_ms DESC, number DESC",
    JobOrder.SLOWEST: "took DESC, received_ms DESC, number DESC",
}


class SqliteStore:
    """``ports.store.Store`` in the file ``path`` and its companions beside it (blobs, lock, logs)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = ProcessLock(lock_path(path))
        self._tip = Tip(path)
        self._writer, self._reader = self._workers()

    def _workers(self) -> tuple[Worker, Worker]:
        writer = Worker(lambda: connect_writer(self._path, self._tip.read()), "store-writer", writes=True)
        return writer, Worker(lambda: connect(self._path), "store-reader", writes=False)

    async def open(self) -> None:
        """Lock, check and prepare the database; StoreLocked, StoreCorrupt or StoreFull."""
        try:
            await asyncio.to_thread(self._claim)
            self._writer, self._reader = self._workers()
            await self._writer.start()
            await self._reader.start()
        except (sqlite3.Error, OSError) as error:
            await self.aclose()
            raise translate(error, self._path) from error
        except BaseException:
            await self.aclose()
            raise

    def _claim(self) -> None:
        create_private(self._path)
        create_private(blob_path(self._path))
        self._lock.acquire()

    async def aclose(self) -> None:
        """Finish what was called for and let the files go; idempotent."""
        await self._reader.aclose()
        await self._writer.aclose()
        self._lock.release()

    async def _write(self, operation: Operation[T]) -> T:
        return await self._call(self._writer, operation)

    async def _read(self, operation: Operation[T]) -> T:
        return await self._call(self._reader, operation)

    async def _call(self, worker: Worker, operation: Operation[T]) -> T:
        try:
            return await worker.call(operation)
        except (sqlite3.Error, CodecError) as error:
            raise translate(error, self._path) from error

    # journal of statements

    async def keep(
        self, request_id: Hash32, consumer: Address, message: PeerMessage, own: bool, time_ms: Millis
    ) -> int:
        cursor = await self._write(rows.keep(request_id, consumer, message, own, time_ms))
        if own:
            self._noted(cursor)
        return cursor

    def _noted(self, cursor: int) -> None:
        """A few bytes into the page cache, so no other thread is asked for it."""
        try:
            self._tip.reached(cursor)
        except OSError as error:
            raise translate(error, self._path) from error

    async def kept(self, request_id: Hash32) -> list[Kept]:
        query = (
            "SELECT cursor, request_id, consumer, own, time_ms, body FROM statements "
            "WHERE request_id = ? ORDER BY cursor"
        )
        return await self._read(_statements(query, request_id))

    async def since(
        self, consumer: Address, cursor: int, limit: int, received_ms: Millis | None = None
    ) -> list[Kept]:
        query = rows.OPEN_STATEMENTS + "AND s.consumer = ? AND s.cursor > ? ORDER BY s.cursor LIMIT ?"
        return await self._read(_statements(query, received_ms, consumer, cursor, limit))

    # requests

    async def put_job(self, row: JobRow) -> None:
        await self._write(rows.put_job(row))

    async def job(self, request_id: Hash32) -> JobRow | None:
        return await self._read(rows.one(JobRow, "SELECT body FROM jobs WHERE request_id = ?", request_id))

    async def jobs_by_ref(self, ref: str) -> list[JobRow]:
        query = "SELECT request_id, body FROM jobs WHERE ref = ? ORDER BY number"
        return await self._read(rows.many(JobRow, query, ref))

    async def ref_owner(self, consumer: Address, ref: str) -> Hash32 | None:
        def read(db: sqlite3.Connection) -> Hash32 | None:
            found = db.execute(
                "SELECT request_id FROM jobs WHERE ref = ? AND consumer = ? ORDER BY number LIMIT 1",
                (ref, consumer),
            ).fetchone()
            return None if found is None else Hash32(found[0])

        return await self._read(read)

    async def open_jobs(self) -> list[RequestMessage]:
        order = "AND s.is_request ORDER BY coalesce(j.received_ms, s.time_ms), s.cursor"
        found: dict[Hash32, RequestMessage] = {}
        for statement in await self._read(_statements(rows.OPEN_STATEMENTS + order, None)):
            if isinstance(statement.message, RequestMessage):
                found.setdefault(statement.request_id, statement.message)
        return list(found.values())

    async def jobs(
        self, offset: int, limit: int, search: str = "", order: JobOrder = JobOrder.NEWEST
    ) -> list[JobRow]:
        words = search.lower().split()
        query = (
            "SELECT request_id, body FROM jobs WHERE 1 "
            + "AND instr(search, ?) " * len(words)
            + f"ORDER BY {_ORDERS[order]} LIMIT ? OFFSET ?"
        )
        return await self._read(rows.many(JobRow, query, *words, limit, offset))

    async def job_count(self) -> int:
        def read(db: sqlite3.Connection) -> int:
            return int(db.execute("SELECT count(*) FROM jobs").fetchone()[0])

        return await self._read(read)

    # blobs

    async def put_blob(self, hash32: Hash32, data: bytes) -> None:
        await self._write(rows.put_blob(hash32, data))

    async def forget_blobs(self, before_ms: int) -> int:
        return await self._write(rows.forget_blobs(before_ms))

    async def blob(self, hash32: Hash32) -> bytes | None:
        return await self._read(rows.one(bytes, "SELECT data FROM blobs.blobs WHERE hash = ?", hash32))

    async def put_log(self, request_id: Hash32, role: str, text: str) -> None:
        await self._write(rows.put_log(request_id, role, text))

    async def logs(self, request_id: Hash32) -> dict[str, str]:
        return await self._read(rows.logs(request_id))

    # settlements, withdrawals and transactions

    async def put_settlement(self, row: SettlementRow) -> None:
        await self._write(rows.put_settlement(row))

    async def settlement(self, key: Hash32) -> SettlementRow | None:
        return await self._read(rows.one(SettlementRow, "SELECT body FROM settlements WHERE key = ?", key))

    async def settlements(self, only_open: bool) -> list[SettlementRow]:
        query = "SELECT key, body FROM settlements WHERE open OR NOT ? ORDER BY finalize_at, key"
        return await self._read(rows.many(SettlementRow, query, only_open))

    async def put_withdrawal(self, row: WithdrawalRow) -> None:
        await self._write(rows.put_withdrawal(row))

    async def withdrawals(self) -> list[WithdrawalRow]:
        return await self._read(
            rows.many(WithdrawalRow, "SELECT tx, body FROM withdrawals ORDER BY time_ms, tx")
        )

    async def put_tx(self, record: TxRecord) -> None:
        await self._write(rows.put_tx(record))

    async def tx_by_intent(self, intent: str) -> TxRecord | None:
        return await self._read(rows.one(TxRecord, "SELECT body FROM txs WHERE intent = ?", intent))

    async def forget_unsigned(self, intent: str) -> None:
        await self._write(rows.forget_unsigned(intent))

    async def pending_txs(self) -> list[TxRecord]:
        return await self._read(rows.open_txs(rows.TX_PENDING))

    async def unsettled_txs(self) -> list[TxRecord]:
        return await self._read(rows.open_txs(rows.TX_UNSETTLED))

    async def recent_txs(self, limit: int) -> list[TxRecord]:
        query = "SELECT intent, body FROM txs ORDER BY number DESC LIMIT ?"
        return await self._read(rows.many(TxRecord, query, limit))

    # the ledger

    async def put_ledger(self, rows: Sequence[LedgerRow]) -> None:
        await self._write(ledger.put(rows))

    async def ledger_paid(self, key: Hash32, finalize_at: int, block: int) -> None:
        await self._write(ledger.paid(key, finalize_at, block))

    async def ledger_withdrawn(self, tx: Hash32, block: int) -> None:
        await self._write(ledger.withdrawn(tx, block))

    async def ledger_undo(self, first_block: int) -> None:
        await self._write(ledger.undo(first_block))

    async def ledger(self, query: Query, offset: int, limit: int) -> list[LedgerRow]:
        return await self._read(ledger.page(query, offset, limit))

    async def ledger_line(self, request_id: Hash32) -> LedgerRow | None:
        return await self._read(ledger.line(request_id))

    async def ledger_count(self, query: Query) -> int:
        return await self._read(ledger.count(query))

    async def ledger_sums(self, since_ms: int, until_ms: int | None = None) -> list[Sum]:
        return await self._read(ledger.sums(since_ms, until_ms))

    async def ledger_consumers(self) -> list[Address]:
        return await self._read(ledger.consumers)

    # small facts by name

    async def get(self, name: str) -> bytes | None:
        return await self._read(rows.one(bytes, "SELECT body FROM facts WHERE name = ?", name))

    async def set(self, name: str, value: bytes) -> None:
        await self._write(rows.put_fact(name, value))


def _statements(query: str, *values: object) -> Callable[[sqlite3.Connection], list[Kept]]:
    def read(db: sqlite3.Connection) -> list[Kept]:
        return [rows.kept(row) for row in db.execute(query, values).fetchall()]

    return read
