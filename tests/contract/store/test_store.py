"""What every store keeps, whatever it keeps it in."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gpn_desktop.adapters.sqlite import MemoryStore, SqliteStore
from gpn_desktop.adapters.sqlite.codec import encode, seal
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import StoreClosed, StoreCorrupt
from gpn_desktop.core.history import JobOrder, place
from gpn_desktop.core.types import Gwei, Millis, Wei
from gpn_desktop.ports.chain import TxRecord, TxState
from gpn_desktop.ports.store import Kept, SettlementRow, Store, WithdrawalRow
from tests.contract.store import samples
from tests.contract.store.samples import CONSUMER, MAX_U64, NOW, PROVER, SECRETS, VERIFIER

Reopen = Callable[[], "Store"]


@pytest.fixture(params=["sqlite", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Reopen:
    """A store of each kind; called again, the same one after a restart."""
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "data" / "node.db")
    memory = MemoryStore()
    return lambda: memory


@pytest.fixture
async def store(make: Reopen) -> AsyncIterator[Store]:
    opened = make()
    await opened.open()
    yield opened
    await opened.aclose()


async def reopened(store: Store, make: Reopen) -> Store:
    await store.aclose()
    again = make()
    await again.open()
    return again


async def test_every_message_comes_back_as_it_was_after_a_restart(store: Store, make: Reopen) -> None:
    order = samples.request(1)
    said = [order, samples.request(2), *samples.messages(order.request_id)]
    for number, message in enumerate(said):
        await store.keep(order.request_id, CONSUMER, message, number % 2 == 0, Millis(NOW + number))
    again = await reopened(store, make)
    kept = await again.kept(order.request_id)
    await again.aclose()
    assert kept == [
        Kept(kept[n].cursor, order.request_id, message, n % 2 == 0, Millis(NOW + n))
        for n, message in enumerate(said)
    ]
    assert [k.cursor for k in kept] == sorted({k.cursor for k in kept})


async def test_the_same_statement_again_keeps_its_first_cursor_and_time(store: Store) -> None:
    order = samples.request(1)
    first = await store.keep(order.request_id, CONSUMER, order, True, NOW)
    other = await store.keep(order.request_id, CONSUMER, samples.votes(order.request_id), False, NOW)
    again = await store.keep(order.request_id, CONSUMER, order, False, Millis(NOW + 9))
    assert (again, other > first) == (first, True)
    kept = await store.kept(order.request_id)
    assert [(k.cursor, k.own, k.time_ms) for k in kept] == [(first, True, NOW), (other, False, NOW)]


async def test_opposite_votes_are_two_statements(store: Store) -> None:
    order = samples.request_id(1)
    yes = await store.keep(order, CONSUMER, samples.votes(order, True), True, NOW)
    no = await store.keep(order, CONSUMER, samples.votes(order, False), True, NOW)
    assert yes != no


async def test_since_gives_open_requests_of_one_consumer_page_by_page(store: Store) -> None:
    ids = [samples.request_id(n) for n in range(4)]
    for number in range(4):
        await store.keep(ids[number], CONSUMER, samples.request(number), False, NOW)
    await store.keep(keccak(b"x"), PROVER, samples.request(9), False, NOW)
    await store.put_job(samples.ended(samples.job(1)))
    await store.put_job(samples.job(2))
    page = await store.since(CONSUMER, 0, 2)
    rest = await store.since(CONSUMER, page[-1].cursor, 2)
    assert [k.request_id for k in page + rest] == [ids[0], ids[2], ids[3]]
    assert await store.since(CONSUMER, rest[-1].cursor, 2) == []


async def test_open_jobs_are_the_requests_that_have_not_ended_oldest_first(store: Store) -> None:
    for number in (3, 1, 2, 5):
        order = samples.request(number)
        await store.keep(order.request_id, CONSUMER, order, False, Millis(NOW + number))
    # 5 was journalled, and the crash came before its summary
    for number in (3, 1, 2):
        await store.put_job(samples.job(number))
    await store.put_job(samples.ended(samples.job(1)))
    assert [m.signed.message.nonce for m in await store.open_jobs()] == [2, 3, 5]


async def test_one_request_known_through_two_gateways_is_open_once(store: Store) -> None:
    order = samples.request(1)
    await store.keep(order.request_id, CONSUMER, order, False, NOW)
    await store.keep(order.request_id, CONSUMER, replace(order, gateway=VERIFIER), False, NOW)
    assert await store.open_jobs() == [order]


async def test_a_job_is_replaced_and_found_again(store: Store, make: Reopen) -> None:
    row = samples.job(1)
    await store.put_job(row)
    await store.put_job(samples.ended(row))
    again = await reopened(store, make)
    assert await again.job(row.request_id) == samples.ended(row)
    assert await again.job(keccak(b"none")) is None
    assert await again.job_count() == 1
    await again.aclose()


async def test_refs_belong_to_the_first_request_of_their_consumer(store: Store) -> None:
    first, second = samples.job(1, ref="a"), samples.job(2, ref="a")
    other = samples.job(3, consumer=PROVER, ref="a")
    for row in (first, second, other, samples.job(4, ref="b")):
        await store.put_job(row)
    await store.put_job(samples.ended(first))
    assert await store.ref_owner(CONSUMER, "a") == first.request_id
    assert await store.ref_owner(PROVER, "a") == other.request_id
    assert await store.ref_owner(VERIFIER, "a") is None
    assert {row.request_id for row in await store.jobs_by_ref("a")} == {
        first.request_id,
        second.request_id,
        other.request_id,
    }


async def test_pages_are_newest_first_and_searchable(store: Store) -> None:
    rows = [samples.job(n, received_ms=NOW + n // 2) for n in range(6)]
    for row in rows:
        await store.put_job(row)
    assert await store.jobs(0, 10) == rows[::-1]
    assert await store.jobs(2, 3) == [rows[3], rows[2], rows[1]]
    assert await store.jobs(0, 10, "ORDER-4") == [rows[4]]
    assert await store.jobs(0, 10, rows[2].request_id.hex()[:12]) == [rows[2]]
    assert await store.jobs(0, 10, "proving order-1") == [rows[1]]
    assert await store.jobs(0, 10, "%") == []
    assert await store.job_count() == 6


@pytest.mark.parametrize("order", JobOrder)
async def test_every_order_has_one_meaning(store: Store, order: JobOrder) -> None:
    rows = []
    for n in range(24):
        row = samples.job(n, received_ms=NOW + n % 7)
        took = (0, 5, 5, 900)[n % 4]
        rows.append(replace(row, reward=Gwei(n % 5 * 10**17), earned=Gwei(n % 3),
                            verdict_ms=row.received_ms + took if took else 0))  # fmt: skip
        await store.put_job(replace(rows[-1], earned=Gwei(7), verdict_ms=0))
    for row in rows:
        await store.put_job(row)
    seen = rows if order is JobOrder.OLDEST else rows[::-1]
    expected = sorted(seen, key=lambda row: place(row, order))
    assert await store.jobs(0, 99, "", order) == expected
    assert await store.jobs(5, 9, "", order) == expected[5:14]
    assert await store.jobs(0, 99, "order-1", order) == [row for row in expected if "order-1" in row.ref]


async def test_rewards_beyond_a_database_s_integers_are_the_dearest(store: Store) -> None:
    for n, reward in enumerate((MAX_U64, 2**63 - 2, 1)):
        await store.put_job(replace(samples.job(n), reward=Gwei(reward)))
    listed = await store.jobs(0, 9, "", JobOrder.REWARD)
    assert [row.reward for row in listed] == [MAX_U64, 2**63 - 2, 1]


async def test_a_search_takes_any_text(store: Store) -> None:
    row = samples.job(1, ref="100%_sure'; DROP TABLE jobs; -- \x00 ✓")
    await store.put_job(row)
    assert await store.jobs(0, 10, "100%_SURE';") == [row]
    assert await store.jobs(0, 10, "✓") == [row]
    assert await store.jobs_by_ref(row.ref) == [row]


async def test_blobs_of_any_size(store: Store, make: Reopen) -> None:
    big = bytes(range(256)) * 4096 * 8
    for data in (b"", b"\0", big):
        await store.put_blob(keccak(data), data)
        await store.put_blob(keccak(data), data)
    again = await reopened(store, make)
    assert [await again.blob(keccak(data)) for data in (b"", b"\0", big)] == [b"", b"\0", big]
    assert await again.blob(keccak(b"none")) is None
    await again.aclose()


async def test_old_blobs_are_forgotten_and_one_that_is_needed_again_is_young(store: Store) -> None:
    for data in (b"old", b"again", b"new"):
        await store.put_blob(keccak(data), data)
        await asyncio.sleep(0.005)  # their times are in milliseconds
        if data == b"again":
            border = int(time.time() * 1000)
            await asyncio.sleep(0.005)
    await store.put_blob(keccak(b"again"), b"again")
    assert await store.forget_blobs(border) == 1
    assert await store.forget_blobs(border) == 0
    left = [await store.blob(keccak(data)) for data in (b"old", b"again", b"new")]
    assert left == [None, b"again", b"new"]


async def test_settlements_stay_open_until_finalised(store: Store) -> None:
    late = SettlementRow(keccak(b"1"), 200, b"records", Gwei(5), (samples.request_id(1),), False)
    early = SettlementRow(keccak(b"2"), 100, b"", Gwei(0), (), False)
    for row in (late, early):
        await store.put_settlement(row)
    assert await store.settlements(True) == [early, late]
    done = SettlementRow(*(early.key, 100, b"", Gwei(0), (), True))
    await store.put_settlement(done)
    assert await store.settlements(True) == [late]
    assert await store.settlements(False) == [done, late]
    assert await store.settlement(late.key) == late
    assert await store.settlement(keccak(b"none")) is None


async def test_withdrawals_in_order_with_all_their_wei(store: Store) -> None:
    rows = [WithdrawalRow(keccak(bytes([n])), Wei(10**24 + n), NOW - n) for n in range(3)]
    for row in (*rows, rows[0]):
        await store.put_withdrawal(row)
    assert await store.withdrawals() == rows[::-1]


async def test_the_journal_of_transactions(store: Store, make: Reopen) -> None:
    signed, sent = samples.tx("b", 2, TxState.SIGNED), samples.tx("a", 1, TxState.SENT)
    mined, reverted = samples.tx("c", 0, TxState.MINED), samples.tx("d", 3, TxState.REVERTED)
    for record in (signed, sent, mined, reverted):
        await store.put_tx(record)
    assert await store.pending_txs() == [sent, signed]
    await store.put_tx(samples.tx("a", 1, TxState.MINED))
    again = await reopened(store, make)
    assert await again.pending_txs() == [signed]
    assert await again.tx_by_intent("a") == samples.tx("a", 1, TxState.MINED)
    assert await again.tx_by_intent("none") is None
    await again.aclose()


async def test_what_may_still_change_is_found_again(store: Store, make: Reopen) -> None:
    mined, confirmed = samples.tx("m", 4, TxState.MINED), samples.tx("c", 1, TxState.CONFIRMED)
    replaced = samples.tx("r", 3, TxState.REPLACED)
    over = replace(samples.tx("o", 2, TxState.REPLACED), error="another transaction took its nonce")
    queued = replace(samples.tx("q", -1, TxState.QUEUED), error="gas is dear", raw=b"")
    for record in (mined, confirmed, replaced, over, queued):
        await store.put_tx(record)
    again = await reopened(store, make)
    assert await again.pending_txs() == []
    assert await again.unsettled_txs() == [replaced, mined]
    assert await again.tx_by_intent("q") == queued
    await again.put_tx(replace(mined, state=TxState.CONFIRMED))
    assert await again.unsettled_txs() == [replaced]
    await again.aclose()


async def test_recent_transactions_stand_in_the_order_in_which_they_were_asked_for(store: Store) -> None:
    for number, name in enumerate("abcd"):
        await store.put_tx(samples.tx(name, number, TxState.SENT))
    await store.put_tx(samples.tx("b", 1, TxState.MINED))  # a change of state moves nothing
    found = await store.recent_txs(3)
    assert [(tx.intent, tx.state) for tx in found] == [
        ("d", TxState.SENT),
        ("c", TxState.SENT),
        ("b", TxState.MINED),
    ]
    assert len(await store.recent_txs(100)) == 4
    assert await store.recent_txs(0) == []


async def test_only_what_was_never_signed_is_forgotten(store: Store) -> None:
    queued, sent = replace(samples.tx("q", -1, TxState.QUEUED), raw=b""), samples.tx("s", 0, TxState.SENT)
    for record in (queued, sent):
        await store.put_tx(record)
        await store.forget_unsigned(record.intent)
    await store.forget_unsigned("never heard of")
    assert await store.recent_txs(9) == [sent]


async def test_a_database_of_the_first_version_opens_with_its_transactions(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    store = SqliteStore(path)
    await store.open()
    dear = [replace(samples.job(n), reward=Gwei(reward)) for n, reward in enumerate((7, 9, 8))]
    for row in dear:
        await store.put_job(row)
    await store.aclose()
    done, sent = samples.tx("z", 0, TxState.MINED), samples.tx("a", 1, TxState.SENT)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "DROP TABLE ledger; DROP TABLE txs; "
            "DROP INDEX jobs_by_reward; DROP INDEX jobs_by_earned; DROP INDEX jobs_by_took; "
            "ALTER TABLE jobs DROP COLUMN reward; ALTER TABLE jobs DROP COLUMN earned; "
            "ALTER TABLE jobs DROP COLUMN took; "
            "CREATE TABLE txs (intent TEXT PRIMARY KEY, nonce INTEGER NOT NULL, "
            "pending INTEGER NOT NULL, body BLOB NOT NULL); "
            "CREATE INDEX txs_pending ON txs (nonce) WHERE pending; PRAGMA user_version=1;"
        )
        for record, pending in ((done, 0), (sent, 1)):
            body = seal(encode(record, TxRecord), record.intent.encode())
            db.execute("INSERT INTO txs VALUES (?, ?, ?, ?)", (record.intent, record.nonce, pending, body))
        db.commit()

        db.execute("UPDATE jobs SET body = x'00' WHERE ref = ?", (dear[0].ref,))
        db.commit()

    await store.open()
    assert await store.jobs(0, 2, "", JobOrder.REWARD) == [dear[1], dear[2]]
    with pytest.raises(StoreCorrupt):
        await store.job(dear[0].request_id)
    assert await store.pending_txs() == [sent]
    assert await store.unsettled_txs() == []
    assert await store.recent_txs(9) == [sent, done]
    assert await store.tx_by_intent("z") == done
    await store.put_tx(replace(sent, state=TxState.MINED))
    await store.aclose()
    await store.open()
    assert await store.unsettled_txs() == [replace(sent, state=TxState.MINED)]
    await store.aclose()


async def test_facts_by_name(store: Store) -> None:
    assert await store.get("cursor") is None
    await store.set("cursor", b"1")
    await store.set("cursor", b"")
    assert await store.get("cursor") == b""


async def test_calls_at_one_moment_all_arrive(store: Store) -> None:
    orders = [samples.request(n, SECRETS[n % 2]) for n in range(60)]
    cursors = await asyncio.gather(
        *(store.keep(o.request_id, o.signed.signer, o, False, NOW) for o in orders),
    )
    assert len(set(cursors)) == 60
    assert [(await store.kept(o.request_id))[0].message for o in orders] == orders


async def test_a_closed_store_says_so_and_closes_twice(store: Store) -> None:
    await store.aclose()
    await store.aclose()
    with pytest.raises(StoreClosed, match="not open"):
        await store.set("a", b"b")
    with pytest.raises(StoreClosed):
        await store.get("a")


async def test_a_containers_logs_are_kept_with_their_request_and_go_with_the_blobs(store: Store) -> None:
    request = keccak(b"a request")
    await store.put_log(request, "prove", "first")
    await store.put_log(request, "prove", "proved\n\u2713")
    await store.put_log(request, "validate", "looked")

    assert await store.logs(request) == {"prove": "proved\n\u2713", "validate": "looked"}
    assert await store.logs(keccak(b"another")) == {}
    await store.forget_blobs(int(time.time() * 1000) + 60_000)
    assert await store.logs(request) == {}
