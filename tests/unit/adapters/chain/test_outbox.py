"""What is open of a node's transactions: the journal says the same as memory, at every step."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gpn_desktop.adapters.chain.outbox import Outbox, call_data, never_left
from gpn_desktop.adapters.chain.signing import Outgoing, read_signed, sign
from gpn_desktop.adapters.sqlite import MemoryStore
from gpn_desktop.core.eip712 import address_of_secret, keccak
from gpn_desktop.core.errors import FeesTooHigh
from gpn_desktop.core.types import ZERO_ADDRESS, Address
from gpn_desktop.ports.chain import TxRecord, TxState
from gpn_desktop.ports.secrets import NodeKey

SECRET = keccak(b"outbox")
KEY = NodeKey(address_of_secret(SECRET), SECRET)


def signed(intent: str, nonce: int, fee: int = 10) -> TxRecord:
    raw, tx_hash = sign(Outgoing(1, nonce, ZERO_ADDRESS, 0, intent.encode(), 21000, fee, 1), KEY)
    return TxRecord(intent, nonce, tx_hash, raw, TxState.SIGNED)


def mined(record: TxRecord, block: int = 5) -> TxRecord:
    return replace(record, state=TxState.MINED, block=block)


async def opened(store: MemoryStore | None = None) -> tuple[MemoryStore, Outbox]:
    journal = store or MemoryStore()
    await journal.open()
    outbox = Outbox(journal)
    await outbox.load()
    return journal, outbox


async def replaced(outbox: Outbox, fees: tuple[int, ...] = (10, 20, 30)) -> list[TxRecord]:
    """One intent's transactions, each replaced by the next."""
    records = [signed("pay", 7, fee) for fee in fees]
    await outbox.signed(records[0])
    for old, new in pairwise(records):
        await outbox.replaced(old, new)
    return records


def test_a_signed_transaction_is_read_as_it_was_written() -> None:
    for to in (None, Address(b"\x05" * 20)):
        outgoing = Outgoing(31337, 0, to, 10**30, b"\0data", 21000, 2**70, 0)
        assert read_signed(sign(outgoing, KEY)[0]) == outgoing


async def test_what_is_queued_was_never_signed() -> None:
    journal, outbox = await opened()
    await outbox.queue("pay", FeesTooHigh("dear"))
    record = await journal.tx_by_intent("pay")
    assert record is not None
    assert never_left(record)
    assert outbox.open() == []
    assert outbox.next_nonce() == 0
    await outbox.no_longer_queued("pay", "refused")
    record = await journal.tx_by_intent("pay")
    assert record is not None
    assert (record.state, record.error) == (TxState.REVERTED, "not sent: refused")
    assert never_left(record), "so that it may be asked for again"


async def test_only_what_is_queued_ceases_to_be() -> None:
    journal, outbox = await opened()
    await outbox.signed(signed("pay", 0))
    await outbox.no_longer_queued("pay", "refused")
    await outbox.no_longer_queued("never heard of", "refused")
    assert await journal.tx_by_intent("pay") == signed("pay", 0)
    assert await journal.tx_by_intent("never heard of") is None


@pytest.mark.parametrize("winner", [0, 1, 2])
async def test_any_of_a_nonces_transactions_may_be_the_one(winner: int) -> None:
    journal, outbox = await opened()
    records = await replaced(outbox)
    waiting = {record.hash: record for record in outbox.open()}
    assert waiting.keys() == {record.hash for record in records}
    chosen = waiting[records[winner].hash]

    closed = await outbox.mined_as(chosen, mined(chosen))

    assert closed is not None
    assert (closed.intent, closed.hash, closed.state) == ("pay", records[winner].hash, TxState.MINED)
    assert await journal.tx_by_intent("pay") == closed
    assert outbox.open() == await journal.pending_txs() == []
    losers = [tx for tx in await journal.unsettled_txs() if tx.state is TxState.REPLACED]
    assert {tx.raw for tx in losers} == {r.raw for r in records} - {records[winner].raw}, "none is lost"
    assert await outbox.mined_as(chosen, mined(chosen)) is None, "it is known"

    await outbox.confirmed(closed)

    assert await journal.unsettled_txs() == []
    everything = await journal.recent_txs(9)
    assert {tx.raw for tx in everything} == {r.raw for r in records}
    assert [tx.state for tx in everything if tx.intent == "pay"] == [TxState.CONFIRMED]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("winner", [0, 2])
async def test_after_a_reorganisation_all_of_them_wait_again(winner: int, restart: bool) -> None:
    journal, outbox = await opened()
    records = await replaced(outbox)
    chosen = next(r for r in outbox.open() if r.hash == records[winner].hash)
    await outbox.mined_as(chosen, mined(chosen))
    if restart:
        journal, outbox = await opened(journal)

    await outbox.reopen("pay")

    assert {r.raw for r in outbox.open()} == {r.raw for r in records}
    (newest,) = outbox.newest()
    assert (newest.intent, newest.hash) == ("pay", records[2].hash), "which offers most"
    assert await journal.pending_txs() == [newest]
    assert outbox.mined() == []
    assert newest.block == newest.fee == newest.gas_used == 0


@pytest.mark.parametrize("restart", [False, True])
async def test_a_confirmed_one_can_be_reopened_and_a_failed_one_is_forgotten(restart: bool) -> None:
    journal, outbox = await opened()
    for nonce, name in enumerate(("good", "bad")):
        record = signed(name, nonce)
        await outbox.signed(record)
        state = TxState.MINED if name == "good" else TxState.REVERTED
        closed = await outbox.mined_as(record, replace(mined(record), state=state))
        assert closed is not None
        await outbox.confirmed(closed)
    if restart:
        journal, outbox = await opened(journal)
    assert [record.intent for record in outbox.mined()] == ["good"]
    assert outbox.mined()[0].state is TxState.CONFIRMED
    bad = await journal.tx_by_intent("bad")
    assert bad is not None
    assert bad.state is TxState.REVERTED
    await outbox.reopen("good")
    assert [record.intent for record in await journal.pending_txs()] == ["good"]


async def test_a_nonce_that_went_elsewhere_ends_all_of_its_transactions() -> None:
    journal, outbox = await opened()
    await replaced(outbox)
    (lost,) = await outbox.nonce_lost(7)
    assert (lost.intent, lost.state) == ("pay", TxState.REVERTED)
    assert outbox.open() == await journal.pending_txs() == await journal.unsettled_txs() == []
    assert not never_left(lost)


async def test_the_form_of_an_earlier_version_is_read() -> None:
    journal = MemoryStore()
    await journal.open()
    newer, older = signed("pay", 7, 20), signed("pay", 7, 10)
    await journal.put_tx(replace(newer, state=TxState.SENT))
    await journal.put_tx(replace(older, intent=f"pay~{older.hash.hex()[:8]}", state=TxState.SENT))
    _, outbox = await opened(journal)
    assert [record.hash for record in outbox.newest()] == [newer.hash]
    assert {record.hash for record in outbox.open()} == {newer.hash, older.hash}
    assert call_data(outbox.open()) == [b"pay", b"pay"]


async def test_memory_is_bounded_by_what_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpn_desktop.adapters.chain.outbox.REMEMBERED", 3)
    _, outbox = await opened()
    for nonce in range(10):
        record = signed(f"pay {nonce}", nonce)
        await outbox.signed(record)
        closed = await outbox.mined_as(record, mined(record))
        assert closed is not None
        if nonce != 4:
            await outbox.confirmed(closed)
    kept = [record.nonce for record in outbox.mined()]
    assert 4 in kept, "what is not confirmed is never forgotten"
    assert len(kept) <= 5
    assert outbox.next_nonce() == 10


STEPS = ("sign", "sent", "replace", "mine", "confirm", "reopen", "restart", "refuse", "lose")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 100)), max_size=30))
@example([("sign", 0), ("replace", 0), ("mine", 1), ("reopen", 0)])
async def test_a_restart_at_any_moment_changes_nothing(steps: list[tuple[str, int]]) -> None:
    journal, outbox = await opened()
    raws: set[bytes] = set()
    for count, (step, pick) in enumerate(steps):
        if step == "restart":
            journal, outbox = await opened(journal)
        elif step == "sign":
            await outbox.signed(signed(f"pay {count}", outbox.next_nonce()))
        elif step in ("confirm", "reopen") and (done := outbox.mined()):
            record = done[pick % len(done)]
            if step == "confirm" and record.state is TxState.MINED:
                await outbox.confirmed(record)
            elif step == "reopen":
                await outbox.reopen(record.intent)
        elif step == "replace" and (newest := outbox.newest()):
            old = newest[pick % len(newest)]
            fee = read_signed(old.raw).max_fee * 2
            await outbox.replaced(old, signed(old.intent, old.nonce, fee))
        elif waiting := outbox.open():
            record = waiting[pick % len(waiting)]
            if step == "sent":
                await outbox.sent(record)
            elif step == "mine":
                await outbox.mined_as(record, mined(record))
            elif step == "lose":
                await outbox.nonce_lost(record.nonce)
            elif step == "refuse" and len([r for r in waiting if r.nonce == record.nonce]) == 1:
                await outbox.refused(record, "no")
        raws |= {record.raw for record in outbox.open()}
        _, fresh = await opened(journal)
        assert fresh.open() == outbox.open()
        lasting = [r for r in outbox.mined() if r.state is TxState.MINED]
        assert [r for r in fresh.mined() if r.state is TxState.MINED] == sorted(
            lasting, key=lambda r: (r.nonce, r.intent)
        )
    assert {tx.raw for tx in await journal.recent_txs(1000)} >= raws, "signed bytes are never lost"
