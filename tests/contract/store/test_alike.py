"""The two stores answer alike, whatever is done to them in whatever order."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpn_desktop.adapters.sqlite import MemoryStore, SqliteStore
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.types import Gwei, Hash32, Millis, Wei
from gpn_desktop.ports.chain import TxState
from gpn_desktop.ports.store import SettlementRow, Store, WithdrawalRow
from tests.contract.store import samples
from tests.contract.store.samples import CONSUMER, NOW, PROVER

NUMBERS = range(4)
REQUESTS = [samples.request(n) for n in NUMBERS]
STATEMENTS: list[list[Any]] = [[r, *samples.messages(r.request_id)] for r in REQUESTS]
OWNERS = [CONSUMER, PROVER]

Step = Callable[[Store], Awaitable[Any]]
number = st.sampled_from(NUMBERS)
times = st.integers(min_value=1, max_value=5).map(lambda n: Millis(NOW + n))


def keep(n: int, which: int, owner: int, own: bool, time_ms: Millis) -> Step:
    message = STATEMENTS[n][which]
    return lambda s: s.keep(REQUESTS[n].request_id, OWNERS[owner], message, own, time_ms)


def put_job(n: int, owner: int, ref: str, is_open: bool, time_ms: Millis) -> Step:
    row = replace(samples.job(n, OWNERS[owner], ref, time_ms), open=is_open)
    return lambda s: s.put_job(row)


def put_settlement(n: int, finalize_at: int, finalized: bool) -> Step:
    row = SettlementRow(keccak(bytes([n])), finalize_at, b"r", Gwei(n), (), finalized)
    return lambda s: s.put_settlement(row)


def put_tx(n: int, nonce: int, state: TxState, error: str) -> Step:
    return lambda s: s.put_tx(replace(samples.tx(str(n), nonce, state), error=error))


def forget_unsigned(n: int) -> Step:
    return lambda s: s.forget_unsigned(str(n))


def put_withdrawal(n: int, time_ms: Millis) -> Step:
    return lambda s: s.put_withdrawal(WithdrawalRow(keccak(bytes([n])), Wei(n), time_ms))


def put_rest(n: int, value: bytes) -> Step:
    async def step(store: Store) -> None:
        await store.set(str(n), value)
        await store.put_blob(Hash32(keccak(bytes([n]))), value)

    return step


steps = st.one_of(
    st.builds(keep, number, st.integers(0, 5), st.integers(0, 1), st.booleans(), times),
    st.builds(put_job, number, st.integers(0, 1), st.sampled_from("ab"), st.booleans(), times),
    st.builds(put_settlement, number, st.integers(0, 3), st.booleans()),
    st.builds(put_tx, number, st.integers(-1, 3), st.sampled_from(TxState), st.sampled_from(("", "why"))),
    st.builds(forget_unsigned, number),
    st.builds(put_withdrawal, number, times),
    st.builds(put_rest, number, st.binary(max_size=8)),
)


async def everything(store: Store) -> list[Any]:
    """All that a store can tell; cursors by their order, since they may have gaps."""
    said: list[Any] = []
    for order in REQUESTS:
        kept = await store.kept(order.request_id)
        said.append([replace(k, cursor=0) for k in kept])
        said.append(await store.job(order.request_id))
    for owner in OWNERS:
        page = await store.since(owner, 0, 3)
        rest = await store.since(owner, page[-1].cursor, 100) if page else []
        said.append([replace(k, cursor=0) for k in page + rest])
        for received in (1, 3):
            late = await store.since(owner, 0, 100, Millis(NOW + received))
            said.append([replace(k, cursor=0) for k in late])
        said += [await store.ref_owner(owner, ref) for ref in "ab"]
    said += [await store.jobs_by_ref("a"), await store.open_jobs(), await store.job_count()]
    said += [await store.jobs(0, 9), await store.jobs(1, 2), await store.jobs(0, 9, "a proving")]
    said += [await store.settlements(True), await store.settlements(False), await store.withdrawals()]
    said += [await store.pending_txs(), [await store.tx_by_intent(str(n)) for n in NUMBERS]]
    said += [await store.unsettled_txs(), await store.recent_txs(9), await store.recent_txs(2)]
    for n in NUMBERS:
        said += [await store.get(str(n)), await store.blob(Hash32(keccak(bytes([n]))))]
    return said


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, max_size=40), st.integers(0, 40))
def test_both_tell_the_same(done: list[Step], restart_after: int) -> None:
    async def run(folder: str) -> None:
        memory: Store = MemoryStore()
        disk: Store = SqliteStore(Path(folder) / "node.db")
        await memory.open()
        await disk.open()
        for index, step in enumerate(done):
            if index == restart_after:
                await disk.aclose()
                disk = SqliteStore(Path(folder) / "node.db")
                await disk.open()
            await step(memory)
            await step(disk)
        assert await everything(disk) == await everything(memory)
        await disk.aclose()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(folder))
