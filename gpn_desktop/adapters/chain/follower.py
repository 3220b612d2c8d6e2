"""Following the chain: every event once per branch, in order, whatever the chain node does in between.

Only heads are subscribed to, and the logs of a block are asked for by its hash, so a log can never belong to
another branch than its head. Chain nodes announce reorganisations badly (anvil sends no removed logs, a
restored node's head simply goes back), so a ring of the last headers is compared with every new one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from gpn_desktop.adapters.chain.rpc import Header, Log, Refused, Rpc
from gpn_desktop.core.errors import ChainUnreachable
from gpn_desktop.core.types import Address
from gpn_desktop.ports.chain import Block, ChainEvent, NewHead, Reorged

RING: Final = 128  # a deeper reorganisation tells everything again
CHUNK: Final = 2000  # blocks asked for at once when catching up; halved when the chain node objects
TRIES: Final = 4

Decode = Callable[[Log, Block], ChainEvent | None]
Emit = Callable[[ChainEvent], None]


class _Moved(Exception):
    """The chain changed its branch while it was read."""


class Follower:
    """The place reached on the chain; it outlives connections. Events of a block come before its NewHead."""

    def __init__(self, contract: Address, first: int, decode: Decode, emit: Emit) -> None:
        self._contract = contract
        self._first = first
        self._next = first
        self._decode = decode
        self._emit = emit
        self._ring: deque[Header] = deque(maxlen=RING)
        self._chunk = CHUNK

    async def advance(self, rpc: Rpc, pushed: Header | None = None) -> int | None:
        """Tell everything up to the head; the first block that a reorganisation made void, if any.

        Raises:
            ChainUnreachable
        """
        void: int | None = None
        head = pushed
        for _ in range(TRIES):
            # Only a head that follows our last block is taken at its word: a push may be older than what
            # was read since, and going back for it would void blocks that hold.
            if head is None or not self._follows(head):
                head = await rpc.header()
            if head is None:
                raise ChainUnreachable("The chain node has no head.")
            try:
                gone = await self._rewind(rpc, head)
                if gone is not None:
                    void = gone if void is None else min(void, gone)
                await self._deliver(rpc, head)
            except _Moved:
                head = None
            else:
                return void
        raise ChainUnreachable("The chain node contradicts itself about its last blocks.")

    def _follows(self, head: Header) -> bool:
        return bool(self._ring) and self._ring[-1].hash == head.parent

    async def _rewind(self, rpc: Rpc, head: Header) -> int | None:
        """Take back what is not on the head's branch."""
        void: int | None = None
        while self._ring and not await _holds(rpc, self._ring[-1], head):
            void = self._ring.pop().number
        if void is not None and not self._ring:
            void = self._first  # the branches may part below anything remembered
        if void is None and not self._ring and self._next > head.number + 1:
            void = head.number + 1  # an earlier run got further than this chain has
        if void is not None:
            self._next = void
            self._first = min(self._first, void)
            self._emit(Reorged(void))
        return void

    async def _deliver(self, rpc: Rpc, head: Header) -> None:
        while head.number - self._next >= RING:
            await self._deliver_far(rpc, head.number - RING)
        if self._next > head.number:
            return
        between = await asyncio.gather(*(rpc.header(n) for n in range(self._next, head.number)))
        headers = [*between, head]
        linked: list[Header] = []
        last = self._ring[-1] if self._ring else None
        for header in headers:
            if header is None or (last is not None and header.parent != last.hash):
                raise _Moved
            linked.append(header)
            last = header
        logs = await self._logs_of(rpc, linked)
        for header in linked:
            self._tell(logs.get(header.number, []), header.block)
            self._ring.append(header)
            self._next = header.number + 1
            self._emit(NewHead(header.block))

    async def _logs_of(self, rpc: Rpc, headers: list[Header]) -> dict[int, list[Log]]:
        hashes = {header.number: header.hash for header in headers}
        try:
            if len(headers) == 1:
                logs = await rpc.logs_of(self._contract, headers[0].hash)
            else:
                logs = await rpc.logs(self._contract, headers[0].number, headers[-1].number)
        except Refused as error:
            raise _Moved from error  # the block is gone already
        found: dict[int, list[Log]] = {}
        for log in logs:
            if hashes.get(log.block_number) != log.block_hash:
                raise _Moved
            found.setdefault(log.block_number, []).append(log)
        return found

    async def _deliver_far(self, rpc: Rpc, last: int) -> None:
        """A stretch so far behind the head that only its logs matter."""
        last = min(last, self._next + self._chunk - 1)
        try:
            logs = await rpc.logs(self._contract, self._next, last)
        except Refused as error:
            if self._chunk == 1:
                raise ChainUnreachable(f"The chain node gives no logs: {error.message}.") from error
            self._chunk //= 2
            return
        numbers = sorted({log.block_number for log in logs})
        headers = await asyncio.gather(*(rpc.header(number) for number in numbers))
        for header in headers:
            mine = [log for log in logs if header is not None and log.block_number == header.number]
            if header is None or any(log.block_hash != header.hash for log in mine):
                raise _Moved
            self._tell(mine, header.block)
        self._next = last + 1
        self._ring.clear()  # it has to end with the block before the next one

    def _tell(self, logs: list[Log], block: Block) -> None:
        for log in logs:
            event = self._decode(log, block)
            if event is not None:
                self._emit(event)


async def _holds(rpc: Rpc, known: Header, head: Header) -> bool:
    """Whether a block we told about is on the head's branch."""
    if known.number > head.number:
        return False
    if known.number == head.number:
        return known.hash == head.hash
    if known.number == head.number - 1:
        return known.hash == head.parent
    there = await rpc.header(known.number)
    return there is not None and there.hash == known.hash
