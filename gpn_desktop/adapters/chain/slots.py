"""Which of a node's own slots the next settlement goes into.

A batch's key is keccak(sender, slot), and a slot that was paid out costs a settlement 17,000 gas less than a
fresh one. Slots are numbered from zero, and the lowest free one is taken. A settlement that pays an earlier
batch goes into that one's slot, unless somebody else has paid the batch or uses the slot already: it then
takes a free slot like any other, and pays nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Set
from contextlib import asynccontextmanager
from functools import lru_cache
from itertools import count
from typing import Final

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import TransactionFailed
from gpn_desktop.core.types import Address, Hash32
from gpn_desktop.ports.calls import Finalize
from gpn_desktop.ports.chain import ChainEvent, Finalized, Reorged, Settled

# Far more batches than a node has open at once; a key beyond them is somebody else's.
MOST_SLOTS: Final = 4096


@lru_cache(maxsize=2 * MOST_SLOTS)
def slot_key(owner: Address, number: int) -> Hash32:
    """The key of an owner's batch in its slot ``number``."""
    return keccak(bytes(12), owner, _slot(number))


def own_slot(owner: Address, key: Hash32) -> Hash32:
    """The slot behind a key of the owner's.

    Raises:
        TransactionFailed: the key is not the owner's, and nobody can use another's slot.
    """
    number = next((n for n in range(MOST_SLOTS) if slot_key(owner, n) == key), None)
    if number is None:
        raise TransactionFailed(
            "A settlement can pay its sender's own batches alone, and this is none of them."
        )
    return _slot(number)


def _slot(number: int) -> Hash32:
    return Hash32(number.to_bytes(32, "big"))


def _print(finalize_at: int, records: bytes) -> Hash32:
    return keccak(finalize_at.to_bytes(8, "big"), records)


class Slots:
    """The slots of one sender. What the chain says of a slot is remembered until an event changes it."""

    def __init__(self, owner: Address | None) -> None:
        self._owner = owner or Address(b"")
        # What an open slot keeps, as an event told; None where the chain said no more than that it is open.
        self._open: dict[Hash32, Hash32 | None] = {}
        self._reserved: set[Hash32] = set()

    def saw(self, event: ChainEvent) -> None:
        """Take note of an event of the chain."""
        match event:
            case Settled(key, submitter, finalize_at, _, raw) if submitter == self._owner:
                self._open[key] = _print(finalize_at, raw)
            case Finalized(key=key):
                self._open.pop(key, None)
            case Reorged():
                self._open.clear()

    @asynccontextmanager
    async def take(
        self,
        under_way: Set[bytes],
        is_open: Callable[[Hash32], Awaitable[bool]],
        pays: Finalize | None = None,
    ) -> AsyncIterator[tuple[Hash32, Finalize | None]]:
        """A slot that is not ``under_way``, kept from others until the settlement is mined, and what it pays.

        Raises:
            TransactionFailed: ``pays`` is none of the sender's own.
        """
        slot = None if pays is None else await self._slot_of(pays, under_way, is_open)
        if slot is None:
            pays = None
            slot = await self._free(under_way, is_open)
        key = keccak(bytes(12), self._owner, slot)
        try:
            yield slot, pays
        finally:
            self._reserved.discard(key)

    async def _slot_of(
        self, pays: Finalize, under_way: Set[bytes], is_open: Callable[[Hash32], Awaitable[bool]]
    ) -> Hash32 | None:
        """The reserved slot of a batch that can still be paid; None if it cannot."""
        slot = own_slot(self._owner, pays.key)
        held = self._open.get(pays.key)
        if slot in under_way or pays.key in self._reserved:
            return None
        if held not in (None, _print(pays.finalize_at, pays.records)):
            return None
        self._reserved.add(pays.key)
        if held is not None or await self._asked(pays.key, is_open):
            return slot
        self._reserved.discard(pays.key)
        return None

    async def _free(self, under_way: Set[bytes], is_open: Callable[[Hash32], Awaitable[bool]]) -> Hash32:
        """The lowest slot that is free, reserved."""
        for number in count():
            slot, key = _slot(number), slot_key(self._owner, number)
            if slot in under_way or key in self._open or key in self._reserved:
                continue
            self._reserved.add(key)
            if not await self._asked(key, is_open):
                return slot
            self._open.setdefault(key, None)
            self._reserved.discard(key)
        raise AssertionError("the numbers do not end")

    async def _asked(self, key: Hash32, is_open: Callable[[Hash32], Awaitable[bool]]) -> bool:
        """What the chain says of a reserved slot; it is let go if the chain says nothing."""
        try:
            return await is_open(key)
        except BaseException:
            self._reserved.discard(key)
            raise
