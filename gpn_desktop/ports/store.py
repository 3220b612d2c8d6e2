"""What survives a crash: the journal of signed statements, blobs, transactions, settlements, summaries.

A request's state is never stored; it is computed again from the statements about it, by the same core that
computed it first. So the journal has one form, and a restart cannot disagree with what was signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gpn_desktop.core.history import JobOrder
from gpn_desktop.core.ledger import LedgerRow, Query, Sum
from gpn_desktop.core.messages import PeerMessage, RequestMessage
from gpn_desktop.core.types import Address, Gwei, Hash32, Millis, Wei
from gpn_desktop.ports.chain import TxJournal


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement in the journal. ``cursor`` grows with each statement; ``own`` if this node signed it.

    ``time_ms`` is when it arrived, in chain time: who was late is judged again after a restart.
    """

    cursor: int
    request_id: Hash32
    message: PeerMessage
    own: bool
    time_ms: Millis


@dataclass(frozen=True, slots=True)
class JobRow:
    """One request's summary, for people and for look-ups; times in Unix milliseconds, 0 while unknown."""

    request_id: Hash32
    ref: str
    consumer: Address
    phase: str
    role: str
    attempt: int
    prover: Address | None
    reward: Gwei
    earned: Gwei
    deadline: int
    received_ms: int
    verdict_ms: int
    ended_ms: int
    proof_hash: Hash32 | None
    payload_hash: Hash32
    error: str
    open: bool
    gateway: bool


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """A batch on chain with a share of this node in it, until it is finalised and withdrawn."""

    key: Hash32
    finalize_at: int
    records: bytes
    share: Gwei
    request_ids: tuple[Hash32, ...]
    finalized: bool


@dataclass(frozen=True, slots=True)
class WithdrawalRow:
    tx: Hash32
    amount: Wei
    time_ms: int


class Store(TxJournal, Protocol):
    """Every call is durable when it returns (one SQLite writer thread, WAL, synchronous=FULL).

    Raises of all calls: StoreFull, StoreCorrupt, StoreClosed.
    """

    async def open(self) -> None:
        """Raises StoreCorrupt, StoreLocked (another process has it), StoreFull."""
        ...

    async def aclose(self) -> None: ...

    # journal of statements
    async def keep(
        self, request_id: Hash32, consumer: Address, message: PeerMessage, own: bool, time_ms: Millis
    ) -> int:
        """Append a statement and return its cursor; the same statement again returns the first cursor."""
        ...

    async def kept(self, request_id: Hash32) -> list[Kept]:
        """All statements about a request, in the order in which they were kept."""
        ...

    async def since(
        self, consumer: Address, cursor: int, limit: int, received_ms: Millis | None = None
    ) -> list[Kept]:
        """Statements about open requests of a consumer after ``cursor``, in order; and about those that are
        not open any more and were received at ``received_ms`` or later.

        A request that has no summary yet counts as open, here and in ``open_jobs``: a crash may have come
        between its journal entry and its summary.
        """
        ...

    # requests
    async def put_job(self, row: JobRow) -> None: ...

    async def job(self, request_id: Hash32) -> JobRow | None: ...

    async def jobs_by_ref(self, ref: str) -> list[JobRow]: ...

    async def ref_owner(self, consumer: Address, ref: str) -> Hash32 | None: ...

    async def open_jobs(self) -> list[RequestMessage]:
        """The requests of all jobs that have not ended, oldest first."""
        ...

    async def jobs(
        self, offset: int, limit: int, search: str = "", order: JobOrder = JobOrder.NEWEST
    ) -> list[JobRow]:
        """A page of all jobs that match every word; equals by their first sight, the newest first or last."""
        ...

    async def job_count(self) -> int: ...

    # blobs
    async def put_blob(self, hash32: Hash32, data: bytes) -> None: ...

    async def blob(self, hash32: Hash32) -> bytes | None: ...

    async def forget_blobs(self, before_ms: int) -> int:
        """Remove what was put last before this time (Unix ms); how many. Statements and summaries stay.

        Containers' logs of that age go too, and are not counted.
        """
        ...

    # what containers wrote
    async def put_log(self, request_id: Hash32, role: str, text: str) -> None:
        """Keep a container's log of one request, in place of an earlier one of the same role."""
        ...

    async def logs(self, request_id: Hash32) -> dict[str, str]:
        """By role, "prove" and "validate"; empty where nothing was written or it is not kept any more."""
        ...

    # settlements and withdrawals
    async def put_settlement(self, row: SettlementRow) -> None: ...

    async def settlement(self, key: Hash32) -> SettlementRow | None: ...

    async def settlements(self, only_open: bool) -> list[SettlementRow]: ...

    async def put_withdrawal(self, row: WithdrawalRow) -> None: ...

    async def withdrawals(self) -> list[WithdrawalRow]: ...

    # the ledger
    async def put_ledger(self, rows: Sequence[LedgerRow]) -> None:
        """Keep these lines, one for each request. What is known of a line's payment stays, unless the
        request is in another settlement now; a line without a share is removed."""
        ...

    async def ledger_paid(self, key: Hash32, finalize_at: int, block: int) -> None:
        """The contract has paid this settlement."""
        ...

    async def ledger_withdrawn(self, tx: Hash32, block: int) -> None:
        """All that was paid by this block and is not withdrawn yet left with this transaction."""
        ...

    async def ledger_undo(self, first_block: int) -> None:
        """A reorganisation took back what happened in this block and later."""
        ...

    async def ledger(self, query: Query, offset: int, limit: int) -> list[LedgerRow]:
        """A page of lines; equal ones are ordered by request."""
        ...

    async def ledger_line(self, request_id: Hash32) -> LedgerRow | None: ...

    async def ledger_count(self, query: Query) -> int: ...

    async def ledger_sums(self, since_ms: int, until_ms: int | None = None) -> list[Sum]:
        """By quarter of an hour and consumer, in this order."""
        ...

    async def ledger_consumers(self) -> list[Address]:
        """All that anything was earned from, in order."""
        ...

    # small facts by name (cursors, the last block followed, the last verified proof in testing mode)
    async def get(self, name: str) -> bytes | None: ...

    async def set(self, name: str, value: bytes) -> None: ...
