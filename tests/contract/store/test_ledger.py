"""The ledger's queries: both stores answer alike, and what they say adds up."""

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
from gpn_desktop.core.ledger import QUARTER_MS, LedgerRow, Part, Query, Sort, State, total
from gpn_desktop.core.types import Address, Gwei, Hash32
from gpn_desktop.ports.store import Store

CONSUMERS = [Address(bytes([n]) * 20) for n in range(1, 4)]
KEYS = [keccak(bytes([n])) for n in range(2)]
TXS = [keccak(b"tx" + bytes([n])) for n in range(2)]
Step = Callable[[Store], Awaitable[Any]]

amounts = st.integers(0, 5).map(Gwei)
blocks = st.integers(1, 6)
rows = st.builds(
    LedgerRow,
    request_id=st.integers(0, 5).map(lambda n: keccak(b"r" + bytes([n]))),
    key=st.sampled_from(KEYS),
    finalize_at=st.integers(1, 2),
    place=st.just(0),
    of=st.just(1),
    settled_ms=st.integers(0, 8).map(lambda n: n * QUARTER_MS // 2),
    settled_block=blocks,
    consumer=st.sampled_from(CONSUMERS),
    reward=amounts,
    proved=amounts,
    verified=amounts,
)
queries = st.builds(
    Query,
    consumer=st.sampled_from([None, *CONSUMERS]),
    state=st.sampled_from([None, *State]),
    part=st.sampled_from([None, *Part]),
    since_ms=st.sampled_from([0, QUARTER_MS]),
    until_ms=st.sampled_from([None, 3 * QUARTER_MS]),
    sort=st.sampled_from(Sort),
    descending=st.booleans(),
)


def put(made: list[LedgerRow]) -> Step:
    return lambda s: s.put_ledger(made)


def paid(key: Hash32, finalize_at: int, block: int) -> Step:
    return lambda s: s.ledger_paid(key, finalize_at, block)


def withdrawn(tx: Hash32, block: int) -> Step:
    return lambda s: s.ledger_withdrawn(tx, block)


def undo(block: int) -> Step:
    return lambda s: s.ledger_undo(block)


steps = st.one_of(
    st.builds(put, st.lists(rows, max_size=4, unique_by=lambda row: row.request_id)),
    st.builds(paid, st.sampled_from(KEYS), st.integers(1, 2), blocks),
    st.builds(withdrawn, st.sampled_from(TXS), blocks),
    st.builds(undo, blocks),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, max_size=12), queries, st.integers(0, 3), st.integers(0, 4))
def test_both_stores_tell_the_same(done: list[Step], query: Query, offset: int, limit: int) -> None:
    async def run(folder: str) -> None:
        memory: Store = MemoryStore()
        disk: Store = SqliteStore(Path(folder) / "node.db")
        for store in (memory, disk):
            await store.open()
            for step in done:
                await step(store)
        for asked in (query, Query()):
            assert await disk.ledger(asked, offset, limit) == await memory.ledger(asked, offset, limit)
            assert await disk.ledger_count(asked) == await memory.ledger_count(asked)
        assert await disk.ledger_sums(0) == await memory.ledger_sums(0)
        assert await disk.ledger_sums(1, 2 * QUARTER_MS) == await memory.ledger_sums(1, 2 * QUARTER_MS)
        assert await disk.ledger_consumers() == await memory.ledger_consumers()
        for number in range(7):
            request_id = keccak(b"r" + bytes([number]))
            kept = await memory.ledger_line(request_id)
            assert await disk.ledger_line(request_id) == kept
            assert kept is None or kept in await memory.ledger(Query(), 0, 100)
        await disk.aclose()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(folder))


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=12), st.lists(st.integers(1, 8), max_size=4, unique=True))
def test_totals_by_time_consumer_and_role_are_one_and_the_same(done: list[Step], edges: list[int]) -> None:
    async def run() -> None:
        store: Store = MemoryStore()
        await store.open()
        for step in done:
            await step(store)
        lines = await store.ledger(Query(), 0, 100)
        found = total(await store.ledger_sums(0), [0, *(n * QUARTER_MS for n in sorted(edges))])
        exact = sum(line.share for line in lines)
        cells = [amount for cell in found.by_time.values() for amount in cell.values()]
        assert found.share == exact == sum(cells) == sum(found.by_consumer.values())
        assert found.count == len(lines)
        counts = [await store.ledger_count(Query(state=state)) for state in State]
        assert sum(counts) == len(lines)

    asyncio.run(run())


def line(number: int) -> LedgerRow:
    request_id = keccak(number.to_bytes(4, "big"))
    return LedgerRow(
        request_id, KEYS[0], 9, 0, 1, number * 60_000, 1 + number, CONSUMERS[number % 3],
        Gwei(100), Gwei(number % 7), Gwei(1 + number % 5),
    )  # fmt: skip


async def test_a_hundred_thousand_lines_are_paged_in_order(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "node.db")
    await store.open()
    for start in range(0, 100_000, 10_000):
        await store.put_ledger([line(number) for number in range(start, start + 10_000)])
    assert await store.ledger_count(Query()) == 100_000
    first = await store.ledger(Query(), 0, 50)
    assert [row.settled_ms for row in first] == [n * 60_000 for n in range(99_999, 99_949, -1)]
    last = await store.ledger(Query(), 99_990, 50)
    assert [row.settled_ms for row in last] == [n * 60_000 for n in range(9, -1, -1)]
    largest = await store.ledger(Query(sort=Sort.SHARE), 0, 50)
    assert {row.share for row in largest} == {11}
    of_one = Query(consumer=CONSUMERS[1], part=Part.VERIFIED)
    assert await store.ledger_count(of_one) == sum(n % 3 == 1 and n % 7 == 0 for n in range(100_000))
    assert all(row.consumer == CONSUMERS[1] and not row.proved for row in await store.ledger(of_one, 0, 50))
    exact = sum(n % 7 + 1 + n % 5 for n in range(100_000))
    assert total(await store.ledger_sums(0), [0]).share == exact
    await store.aclose()


async def test_what_came_after_a_withdrawal_is_not_said_to_be_part_of_it() -> None:
    """A restart is told of old withdrawals again."""
    store = MemoryStore()
    await store.open()
    early, late = line(1), replace(line(2), key=KEYS[1])
    await store.put_ledger([early, late])
    await store.ledger_paid(KEYS[0], 9, 10)
    await store.ledger_paid(KEYS[1], 9, 40)
    await store.ledger_withdrawn(TXS[0], 30)
    await store.put_ledger([early])  # told again as well
    states = {row.request_id: row.state for row in await store.ledger(Query(), 0, 9)}
    assert states == {early.request_id: State.WITHDRAWN, late.request_id: State.READY}
