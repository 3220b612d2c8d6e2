"""The store without a disk, for the simulation, the demo and the tests of the services.

It goes through the same codec as the one on disk: what could not be stored there fails here as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from gpn_desktop.adapters.sqlite.codec import decode_any, encode
from gpn_desktop.adapters.sqlite.rows import search_text
from gpn_desktop.core.errors import StoreClosed
from gpn_desktop.core.history import JobOrder, place
from gpn_desktop.core.ledger import QUARTER_MS, LedgerRow, Query, Sort, Sum
from gpn_desktop.core.messages import PeerMessage, RequestMessage
from gpn_desktop.core.types import Address, Gwei, Hash32, Millis
from gpn_desktop.ports.chain import TxRecord
from gpn_desktop.ports.store import JobRow, Kept, SettlementRow, WithdrawalRow


class MemoryStore:
    """``ports.store.Store`` in this process; closing and opening it again loses nothing."""

    def __init__(self) -> None:
        self._open = False
        self._statements: list[tuple[Address, Kept]] = []
        self._by_request: dict[Hash32, list[Kept]] = {}
        self._cursors: dict[tuple[Hash32, bytes], int] = {}
        self._jobs: dict[Hash32, JobRow] = {}
        self._blobs: dict[Hash32, tuple[int, bytes]] = {}
        self._logs: dict[tuple[Hash32, str], tuple[int, str]] = {}
        self._settlements: dict[Hash32, SettlementRow] = {}
        self._withdrawals: dict[Hash32, WithdrawalRow] = {}
        self._txs: dict[str, TxRecord] = {}
        self._ledger: dict[Hash32, LedgerRow] = {}
        self._facts: dict[str, bytes] = {}

    async def open(self) -> None:
        self._open = True

    async def aclose(self) -> None:
        self._open = False

    def _check(self) -> None:
        if not self._open:
            raise StoreClosed("The store is not open.")

    # journal of statements

    async def keep(
        self, request_id: Hash32, consumer: Address, message: PeerMessage, own: bool, time_ms: Millis
    ) -> int:
        self._check()
        body = encode(message, PeerMessage)
        known = self._cursors.get((request_id, body))
        if known is not None:
            return known
        cursor = len(self._statements) + 1
        stored = Kept(cursor, request_id, decode_any(body, PeerMessage), own, time_ms)
        self._statements.append((consumer, stored))
        self._by_request.setdefault(request_id, []).append(stored)
        self._cursors[request_id, body] = cursor
        return cursor

    async def kept(self, request_id: Hash32) -> list[Kept]:
        self._check()
        return list(self._by_request.get(request_id, ()))

    async def since(
        self, consumer: Address, cursor: int, limit: int, received_ms: Millis | None = None
    ) -> list[Kept]:
        self._check()
        after = self._statements[cursor:]  # cursors count from 1 without gaps
        found = [k for owner, k in after if owner == consumer and self._is_open(k.request_id, received_ms)]
        return found[:limit]

    def _is_open(self, request_id: Hash32, received_ms: Millis | None = None) -> bool:
        job = self._jobs.get(request_id)
        late = job is not None and received_ms is not None and job.received_ms >= received_ms
        return job is None or job.open or late

    # requests

    async def put_job(self, row: JobRow) -> None:
        self._check()
        self._jobs[row.request_id] = row

    async def job(self, request_id: Hash32) -> JobRow | None:
        self._check()
        return self._jobs.get(request_id)

    async def jobs_by_ref(self, ref: str) -> list[JobRow]:
        self._check()
        return [row for row in self._jobs.values() if row.ref == ref]

    async def ref_owner(self, consumer: Address, ref: str) -> Hash32 | None:
        owners = (row.request_id for row in await self.jobs_by_ref(ref) if row.consumer == consumer)
        return next(owners, None)

    async def open_jobs(self) -> list[RequestMessage]:
        self._check()
        found: dict[Hash32, tuple[int, RequestMessage]] = {}
        for _, kept in self._statements:
            if isinstance(kept.message, RequestMessage) and self._is_open(kept.request_id):
                job = self._jobs.get(kept.request_id)
                since = job.received_ms if job else kept.time_ms
                found.setdefault(kept.request_id, (since, kept.message))
        return [message for _, message in sorted(found.values(), key=lambda entry: entry[0])]

    async def jobs(
        self, offset: int, limit: int, search: str = "", order: JobOrder = JobOrder.NEWEST
    ) -> list[JobRow]:
        self._check()
        words = search.lower().split()
        found = [row for row in self._jobs.values() if all(word in search_text(row) for word in words)]
        if order is not JobOrder.OLDEST:
            found.reverse()
        found.sort(key=lambda row: place(row, order))
        return found[offset : offset + limit]

    async def job_count(self) -> int:
        self._check()
        return len(self._jobs)

    # blobs

    async def put_blob(self, hash32: Hash32, data: bytes) -> None:
        self._check()
        self._blobs[hash32] = (int(time.time() * 1000), bytes(data))

    async def blob(self, hash32: Hash32) -> bytes | None:
        self._check()
        found = self._blobs.get(hash32)
        return None if found is None else found[1]

    async def forget_blobs(self, before_ms: int) -> int:
        self._check()
        old = [hash32 for hash32, (time_ms, _) in self._blobs.items() if time_ms < before_ms]
        for hash32 in old:
            del self._blobs[hash32]
        self._logs = {key: kept for key, kept in self._logs.items() if kept[0] >= before_ms}
        return len(old)

    async def put_log(self, request_id: Hash32, role: str, text: str) -> None:
        self._check()
        self._logs[request_id, role] = (int(time.time() * 1000), text)

    async def logs(self, request_id: Hash32) -> dict[str, str]:
        self._check()
        return {role: text for (found, role), (_, text) in self._logs.items() if found == request_id}

    # settlements, withdrawals and transactions

    async def put_settlement(self, row: SettlementRow) -> None:
        self._check()
        self._settlements[row.key] = row

    async def settlement(self, key: Hash32) -> SettlementRow | None:
        self._check()
        return self._settlements.get(key)

    async def settlements(self, only_open: bool) -> list[SettlementRow]:
        self._check()
        found = [row for row in self._settlements.values() if not (only_open and row.finalized)]
        return sorted(found, key=lambda row: (row.finalize_at, row.key))

    async def put_withdrawal(self, row: WithdrawalRow) -> None:
        self._check()
        self._withdrawals[row.tx] = row

    async def withdrawals(self) -> list[WithdrawalRow]:
        self._check()
        return sorted(self._withdrawals.values(), key=lambda row: (row.time_ms, row.tx))

    async def put_tx(self, record: TxRecord) -> None:
        self._check()
        self._txs[record.intent] = record

    async def tx_by_intent(self, intent: str) -> TxRecord | None:
        self._check()
        return self._txs.get(intent)

    async def forget_unsigned(self, intent: str) -> None:
        self._check()
        if intent in self._txs and self._txs[intent].nonce < 0:
            del self._txs[intent]

    async def pending_txs(self) -> list[TxRecord]:
        self._check()
        return sorted((tx for tx in self._txs.values() if tx.is_pending), key=_by_nonce)

    async def unsettled_txs(self) -> list[TxRecord]:
        self._check()
        return sorted((tx for tx in self._txs.values() if tx.is_unsettled), key=_by_nonce)

    async def recent_txs(self, limit: int) -> list[TxRecord]:
        self._check()
        return list(self._txs.values())[::-1][:limit]

    # the ledger

    async def put_ledger(self, rows: Sequence[LedgerRow]) -> None:
        self._check()
        for row in rows:
            known = self._ledger.pop(row.request_id, None)
            if known is not None and (known.key, known.finalize_at) == (row.key, row.finalize_at):
                row = replace(row, paid_block=known.paid_block, tx=known.tx, tx_block=known.tx_block)
            if row.share:
                self._ledger[row.request_id] = row

    async def ledger_paid(self, key: Hash32, finalize_at: int, block: int) -> None:
        self._check()
        for row in list(self._ledger.values()):
            if (row.key, row.finalize_at) == (key, finalize_at) and not row.paid_block:
                self._ledger[row.request_id] = replace(row, paid_block=block)

    async def ledger_withdrawn(self, tx: Hash32, block: int) -> None:
        self._check()
        for row in list(self._ledger.values()):
            if row.tx is None and 0 < row.paid_block <= block:
                self._ledger[row.request_id] = replace(row, tx=tx, tx_block=block)

    async def ledger_undo(self, first_block: int) -> None:
        self._check()
        for row in list(self._ledger.values()):
            if row.settled_block >= first_block:
                del self._ledger[row.request_id]
                continue
            if row.tx_block >= first_block:
                row = replace(row, tx=None, tx_block=0)
            if row.paid_block >= first_block:
                row = replace(row, paid_block=0)
            self._ledger[row.request_id] = row

    async def ledger(self, query: Query, offset: int, limit: int) -> list[LedgerRow]:
        self._check()
        found = sorted((r for r in self._ledger.values() if query.takes(r)), key=_SORTS[query.sort])
        return (found[::-1] if query.descending else found)[offset : offset + limit]

    async def ledger_line(self, request_id: Hash32) -> LedgerRow | None:
        self._check()
        return self._ledger.get(request_id)

    async def ledger_count(self, query: Query) -> int:
        self._check()
        return sum(query.takes(row) for row in self._ledger.values())

    async def ledger_sums(self, since_ms: int, until_ms: int | None = None) -> list[Sum]:
        self._check()
        query = Query(since_ms=since_ms, until_ms=until_ms)
        found: dict[tuple[int, Address], Sum] = {}
        for row in filter(query.takes, self._ledger.values()):
            at = row.settled_ms // QUARTER_MS * QUARTER_MS, row.consumer
            one = found.get(at, Sum(*at, Gwei(0), Gwei(0), 0))
            proved, verified = Gwei(one.proved + row.proved), Gwei(one.verified + row.verified)
            found[at] = Sum(*at, proved, verified, one.count + 1)
        return [found[at] for at in sorted(found)]

    async def ledger_consumers(self) -> list[Address]:
        self._check()
        return sorted({row.consumer for row in self._ledger.values()})

    # small facts by name

    async def get(self, name: str) -> bytes | None:
        self._check()
        return self._facts.get(name)

    async def set(self, name: str, value: bytes) -> None:
        self._check()
        self._facts[name] = bytes(value)


_SORTS: Final[dict[Sort, Callable[[LedgerRow], Any]]] = {
    Sort.TIME: lambda row: (row.settled_ms, row.request_id),
    Sort.SHARE: lambda row: (row.share, row.request_id),
    Sort.CONSUMER: lambda row: (row.consumer, row.settled_ms, row.request_id),
}


def _by_nonce(tx: TxRecord) -> tuple[int, str]:
    return tx.nonce, tx.intent
