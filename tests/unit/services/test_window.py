"""A settlement at rest is in the journal alone, and is the same when it is needed again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gpn_desktop.adapters.chain.records import Records, pack
from gpn_desktop.adapters.sqlite import MemoryStore
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import StoreCorrupt
from gpn_desktop.core.ledger import LedgerRow
from gpn_desktop.core.messages import CastVote
from gpn_desktop.core.types import Address, Gwei, Hash32, Role, Seat, Snapshot
from gpn_desktop.ports.chain import Block, Settled, SettlementRecord
from gpn_desktop.services.batch import Batch, Challenger
from gpn_desktop.services.window import Window

ME, OTHER, CONSUMER = (Address(bytes([n]) * 20) for n in (1, 2, 3))
COMMITTEE = Snapshot(
    CONSUMER,
    1,
    keccak(b"image"),
    (Seat(ME, 1, Role.PROVE | Role.VERIFY, 1), Seat(OTHER, 2, Role.PROVE | Role.VERIFY, 1)),
)


def request_id(number: int, place: int = 0) -> Hash32:
    return keccak(bytes([number, place]))


def batch(number: int, records: int = 2) -> Batch:
    """Settled in block ``number`` and payable 1000 s later."""
    made = [
        SettlementRecord(
            request_id(number, place),
            keccak(b"vote"),
            CONSUMER,
            1,
            1,
            Gwei(1000),
            0b01,
            b"",
            tipped_seat=None,
        )
        for place in range(records)
    ]
    raw = b"".join(pack(record, 1) for record in made)
    block = Block(number, keccak(b"block", bytes([number])), 100 + number)
    settled = Settled(keccak(bytes([number])), OTHER, 1000 + number, Records(raw), raw, block)
    return Batch(settled, (COMMITTEE,), Gwei(7 * number))


def line(one: Batch, place: int) -> LedgerRow:
    settled = one.settled
    return LedgerRow(
        settled.records[place].request_id, settled.key, settled.finalize_at, place, len(one), 0,
        settled.block.number, CONSUMER, Gwei(1000), Gwei(0), Gwei(5),
    )  # fmt: skip


async def window_of(*batches: Batch) -> tuple[Window, MemoryStore]:
    """All at rest."""
    store = MemoryStore()
    await store.open()
    window = Window(store, Records)
    for one in batches:
        await store.put_settlement(one.row(finalized=False))
        await store.put_ledger([line(one, place) for place in range(len(one))])
        window.add(one)
        window.rest(one)
    return window, store


async def test_it_is_the_same_when_it_wakes() -> None:
    kept = batch(5)
    kept.extend(1, 0b10)
    window, _ = await window_of(batch(4), kept, batch(6))
    assert (len(window), window.awake) == (3, {})
    woken = await window.get(kept.settled.key)
    assert woken is not kept
    assert woken == kept
    assert [woken.counted(index) for index in range(2)] == [0b01, 0b11]
    assert window.awake == {kept.settled.key: woken}
    assert await window.get(kept.settled.key) is woken
    assert await window.get(keccak(b"unknown")) is None


async def test_two_that_wake_it_at_once_have_the_same() -> None:
    """Else what one of them notes would be lost."""
    window, store = await window_of(batch(4))
    read = store.settlement
    reading = asyncio.Event()

    async def slow(key: Hash32) -> object:
        row = await read(key)
        await reading.wait()
        return row

    store.settlement = slow  # type: ignore[method-assign, assignment]
    both = [asyncio.create_task(window.get(batch(4).settled.key)) for _ in range(2)]
    await asyncio.sleep(0)
    reading.set()
    one, other = await asyncio.gather(*both)
    assert one is not None
    assert one is other


async def test_one_that_went_while_it_was_read_does_not_come_back() -> None:
    window, store = await window_of(batch(4))
    key = batch(4).settled.key
    read = store.settlement

    async def overtaken(key: Hash32) -> object:
        window.remove(key)
        return await read(key)

    store.settlement = overtaken  # type: ignore[method-assign, assignment]
    assert await window.get(key) is None
    assert len(window) == 0


@pytest.mark.parametrize("awake", [False, True])
async def test_a_request_is_found_in_its_batch(awake: bool) -> None:
    window, _ = await window_of(batch(4), batch(5))
    if awake:
        await window.get(batch(5).settled.key)
    found = await window.holding(request_id(5, 1))
    assert found is not None
    assert found.settled.key == batch(5).settled.key
    assert await window.holding(request_id(9)) is None


async def test_a_line_of_a_batch_that_was_paid_tells_nothing() -> None:
    """A key is used again: the line is of the one before."""
    old, new = batch(4), batch(5)
    new.settled = replace(new.settled, key=old.settled.key)
    window, _ = await window_of(old)
    window.remove(old.settled.key)
    window.add(new)
    window.rest(new)
    assert await window.holding(request_id(4)) is None


async def test_what_is_over_wakes_and_what_a_reorganisation_takes_back() -> None:
    window, _ = await window_of(*(batch(number) for number in range(4, 9)))
    await window.wake_finished(1005)
    assert {one.settled.block.number for one in window.awake.values()} == {4, 5}
    await window.wake_since(8)
    assert {one.settled.block.number for one in window.awake.values()} == {4, 5, 8}
    assert window.oldest_block(100) == 4
    assert sorted(window.shares()) == [(7 * number, 1000 + number) for number in range(4, 9)]
    for number in range(4, 9):
        window.remove(batch(number).settled.key)
    assert (len(window), window.oldest_block(100), list(window.shares())) == (0, 100, [])


@pytest.mark.parametrize("lost", ["row", "other"])
async def test_records_that_the_journal_lost_are_said_to_be(lost: str) -> None:
    window, store = await window_of(batch(4))
    row = await store.settlement(batch(4).settled.key)
    assert row is not None
    if lost == "row":
        store._settlements.clear()
    else:
        await store.put_settlement(replace(row, finalize_at=1))
    with pytest.raises(StoreCorrupt):
        await window.get(row.key)
    assert len(window) == 1


def test_it_is_calm_unless_somebody_has_to_do_something() -> None:
    assert batch(4).is_calm
    cast: list[CastVote] = []
    for change in (
        {"asked": True},
        {"along": 1},
        {"contested": True},
        {"left_out": frozenset({0})},
        {"kept": {0: cast}},
        {"challengers": {0: Challenger(0, 1, keccak(b"other"))}},
        {"forfeited": {0: 1}},
    ):
        one = batch(4)
        for name, value in change.items():
            setattr(one, name, value)
        assert not one.is_calm, change
