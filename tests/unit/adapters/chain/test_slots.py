"""Which slot a settlement takes, and when it may pay what was in it."""

from __future__ import annotations

import asyncio

import pytest

from gpn_desktop.adapters.chain.slots import MOST_SLOTS, Slots, own_slot, slot_key
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import ChainUnreachable, TransactionFailed
from gpn_desktop.core.types import Address, Hash32
from gpn_desktop.ports.calls import Finalize
from gpn_desktop.ports.chain import Block, Finalized, Reorged, Settled

OWNER, OTHER = Address(b"\x11" * 20), Address(b"\x22" * 20)
BLOCK = Block(7, keccak(b"block"), 1_700_000_000)


def number(slot: Hash32) -> int:
    return int.from_bytes(slot, "big")


class Chain:
    """What is open, as the chain says when it is asked."""

    def __init__(self, *open_slots: int) -> None:
        self.open = {slot_key(OWNER, slot) for slot in open_slots}
        self.asked = 0

    async def is_open(self, key: Hash32) -> bool:
        self.asked += 1
        return key in self.open


def kept(slot: int, raw: bytes = b"batch") -> Settled:
    return Settled(slot_key(OWNER, slot), OWNER, 1000, (), raw, BLOCK)


def pays(slot: int, raw: bytes = b"batch") -> Finalize:
    return Finalize(slot_key(OWNER, slot), 1000, raw)


async def taken(slots: Slots, chain: Chain, pay: Finalize | None = None) -> tuple[int, Finalize | None]:
    async with slots.take(set(), chain.is_open, pay) as (slot, paid):
        return number(slot), paid


async def test_the_lowest_free_slot_is_taken_and_given_back() -> None:
    slots, chain = Slots(OWNER), Chain(0, 1)
    assert await taken(slots, chain) == (2, None)
    assert await taken(slots, chain) == (2, None)
    assert chain.asked == 4, "what was found open is not asked for again"
    slots.saw(Finalized(slot_key(OWNER, 1), BLOCK))
    chain.open.clear()
    assert await taken(slots, chain) == (1, None)


async def test_two_at_once_never_share_a_slot() -> None:
    slots, chain = Slots(OWNER), Chain()
    async with (
        slots.take(set(), chain.is_open) as (first, _),
        slots.take(set(), chain.is_open) as (second, _),
    ):
        assert (number(first), number(second)) == (0, 1)
        async with slots.take({Hash32((2).to_bytes(32, "big"))}, chain.is_open) as (third, _):
            assert number(third) == 3, "2 is under way"


async def test_an_open_batch_is_paid_in_its_slot() -> None:
    slots, chain = Slots(OWNER), Chain(0, 1)
    slots.saw(kept(1))
    assert await taken(slots, chain, pays(1)) == (1, pays(1))
    assert chain.asked == 0, "an event told"
    assert await taken(slots, chain, pays(0)) == (0, pays(0)), "the chain says so after a restart"
    slots.saw(Reorged(7))
    assert await taken(slots, chain, pays(1)) == (1, pays(1))


@pytest.mark.parametrize("why", ["paid", "another batch", "under way", "reserved"])
async def test_what_cannot_be_paid_leaves_the_settlement_a_free_slot(why: str) -> None:
    slots, chain = Slots(OWNER), Chain(0, 1)
    if why == "paid":
        slots.saw(kept(1))
        slots.saw(Finalized(slot_key(OWNER, 1), BLOCK))
        chain.open = {slot_key(OWNER, 0)}
        assert await taken(slots, chain, pays(1)) == (1, None), "it is free now"
    elif why == "another batch":
        slots.saw(kept(1, b"a later one"))
        assert await taken(slots, chain, pays(1)) == (2, None)
    elif why == "under way":
        under_way: set[bytes] = {(1).to_bytes(32, "big")}
        async with slots.take(under_way, chain.is_open, pays(1)) as (slot, paid):
            assert (number(slot), paid) == (2, None)
    else:
        async with slots.take(set(), chain.is_open, pays(1)):
            assert await taken(slots, chain, pays(1)) == (2, None)
        assert await taken(slots, chain, pays(1)) == (1, pays(1))


async def test_a_chain_that_does_not_answer_keeps_no_slot() -> None:
    slots, chain = Slots(OWNER), Chain()

    async def down(_: Hash32) -> bool:
        await asyncio.sleep(0)
        raise ChainUnreachable("gone")

    for pay in (None, pays(0)):
        with pytest.raises(ChainUnreachable):
            async with slots.take(set(), down, pay):
                pytest.fail("no slot without an answer")
    assert await taken(slots, chain) == (0, None)


def test_a_key_of_nobodys_slot_is_refused() -> None:
    assert own_slot(OWNER, slot_key(OWNER, MOST_SLOTS - 1)) == Hash32((MOST_SLOTS - 1).to_bytes(32, "big"))
    for stranger in (slot_key(OTHER, 0), slot_key(OWNER, MOST_SLOTS)):
        with pytest.raises(TransactionFailed, match="none of them"):
            own_slot(OWNER, stranger)
