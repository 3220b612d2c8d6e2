"""Which of a node's own slots the next settlement goes into.

A batch's key is keccak(sender, slot), and a slot that was paid out costs a settlement 17,000 gas less than a
fresh one. Slots are numbered from zero, and the lowest free one is taken.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Set
from contextlib import asynccontextmanager
from itertools import count

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.types import Address, Hash32
from gpn_desktop.ports.chain import ChainEvent, Finalized, Reorged, Settled


class Slots:
    """The slots of one sender. What the chain says of a slot is remembered until an event changes it."""

    def __init__(self, owner: Address | None) -> None:
        self._owner = owner
        self._open: set[Hash32] = set()
        self._reserved: set[Hash32] = set()

    def saw(self, event: ChainEvent) -> None:
        """Take note of an event of the chain."""
        match event:
            case Settled(key=key, submitter=submitter) if submitter == self._owner:
                self._open.add(key)
            case Finalized(key=key):
                self._open.discard(key)
            case Reorged():
                self._open.clear()

    @asynccontextmanager
    async def take(
        self, under_way: Set[bytes], is_open: Callable[[Hash32], Awaitable[bool]]
    ) -> AsyncIterator[Hash32]:
        """A free slot that is not ``under_way``, kept from others until the settlement is mined."""
        slot = key = Hash32(bytes(32))
        for number in count():
            slot = Hash32(number.to_bytes(32, "big"))
            key = keccak(bytes(12), self._owner or b"", slot)
            if slot in under_way or key in self._open or key in self._reserved:
                continue
            self._reserved.add(key)
            if not await is_open(key):
                break
            self._open.add(key)
            self._reserved.discard(key)
        try:
            yield slot
        finally:
            self._reserved.discard(key)
