"""One transaction for one command, whatever becomes of the process that carries it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from gpn_desktop.adapters.sqlite import MemoryStore
from gpn_desktop.core.errors import (
    ChainUnreachable,
    FeesTooHigh,
    GpnError,
    InsufficientFunds,
    StoreCorrupt,
    TransactionFailed,
)
from gpn_desktop.core.types import ZERO_HASH, Address, Wei
from gpn_desktop.ports.calls import Deposit, RegisterConsumer
from gpn_desktop.ports.chain import TxRecord, TxState
from gpn_desktop.ports.deployment import Quote
from gpn_desktop.services.consumer_account import call_of
from gpn_desktop.services.errand import NAME, Errand, Errands
from gpn_desktop.services.funds import check_funds

TERMS = {"wei": "5", "consumer": "0x" + "01" * 20}


@pytest.fixture
async def store() -> MemoryStore:
    made = MemoryStore()
    await made.open()
    return made


def fails(error: Exception) -> Callable[[Errand], Awaitable[None]]:
    async def act(errand: Errand) -> None:
        raise error

    return act


async def done(errand: Errand) -> str:
    return errand.intent


def record(errand: Errand, state: TxState) -> TxRecord:
    return TxRecord(errand.intent, 0, ZERO_HASH, b"raw", state)


async def test_each_run_is_an_intent_of_its_own(store: MemoryStore) -> None:
    errands = Errands(store)
    intents = {await errands.carry_out(await errands.begin("deposit", TERMS), done) for _ in range(5)}
    assert len(intents) == 5
    assert await errands.unfinished() is None


@pytest.mark.parametrize(
    ("error", "over"),
    [
        (TransactionFailed("reverted"), True),
        (InsufficientFunds("poor"), True),
        (FeesTooHigh("dear"), True),
        (ChainUnreachable("away"), False),
        (RuntimeError("a fault"), False),
    ],
)
async def test_what_may_still_happen_is_unfinished(store: MemoryStore, error: Exception, over: bool) -> None:
    errands = Errands(store)
    with pytest.raises(type(error)):
        await errands.carry_out(await errands.begin("deposit", TERMS), fails(error))
    assert (await errands.unfinished() is None) is over


@pytest.mark.parametrize("state", [TxState.SIGNED, TxState.SENT, TxState.MINED, TxState.CONFIRMED])
async def test_what_was_sent_is_ended_once(store: MemoryStore, state: TxState) -> None:
    errand = await Errands(store).begin("deposit", TERMS)
    await store.put_tx(record(errand, state))
    later = Errands(store)
    assert await later.finish(done) == (errand, errand.intent)
    assert await later.finish(done) is None


@pytest.mark.parametrize("state", [None, TxState.QUEUED, TxState.REVERTED])
async def test_what_was_never_sent_is_forgotten(store: MemoryStore, state: TxState | None) -> None:
    errand = await Errands(store).begin("deposit", TERMS)
    if state is not None:
        await store.put_tx(record(errand, state))
    assert await Errands(store).finish(fails(AssertionError("nothing is to be done"))) is None
    assert await Errands(store).unfinished() is None


async def test_an_end_that_is_not_reached_stays_open(store: MemoryStore) -> None:
    errand = await Errands(store).begin("deposit", TERMS)
    await store.put_tx(record(errand, TxState.SENT))
    with pytest.raises(GpnError):
        await Errands(store).finish(fails(ChainUnreachable("away")))
    assert await Errands(store).unfinished() == errand


async def test_a_note_that_can_t_be_read_is_an_error(store: MemoryStore) -> None:
    for raw in (b"{", b"[]", b'{"command": "deposit"}', b"null"):
        await store.set(NAME, raw)
        with pytest.raises(StoreCorrupt):
            await Errands(store).finish(done)


def test_a_call_follows_from_the_noted_terms() -> None:
    me = Address(b"\2" * 20)
    assert call_of("deposit", TERMS, me) == Deposit(Address(b"\1" * 20), Wei(5))
    terms = {"image": "a/b", "digest": "0x" + "11" * 32, "wei": "7"}
    assert call_of("register", terms, me) == RegisterConsumer("a/b", b"\x11" * 32, Wei(7))  # type: ignore[arg-type]
    with pytest.raises(StoreCorrupt):
        call_of("dance", {}, me)


@pytest.mark.parametrize(
    ("balance", "value", "most", "enough"),
    [(10, 4, 6, True), (10, 5, 6, False), (10, 11, 0, False), (0, 0, 1, False), (1, 0, 1, True)],
)
def test_funds(balance: int, value: int, most: int, enough: bool) -> None:
    quote = Quote(1 if most else 0, Wei(most), Wei(most), Wei(balance))
    if enough:
        check_funds(quote, Wei(value))
    else:
        with pytest.raises(InsufficientFunds):
            check_funds(quote, Wei(value))
