"""What waits for the services: a bounded queue from any thread to one asyncio reader.

When it is full the oldest gossip goes, and is counted: what peers come and go is few and must not be lost,
while a lost statement comes again by sync.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator

from gpn_desktop.adapters.p2p.tally import Drop, Tally
from gpn_desktop.ports.network import NetworkEvent, Received


class Inbox:
    """``tally`` counts what is dropped here, and what others drop before it gets here."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.tally = Tally()
        self._gossip: deque[tuple[int, NetworkEvent]] = deque()
        self._peers: deque[tuple[int, NetworkEvent]] = deque()
        self._lock = threading.Lock()
        self._number = 0
        self._closed = False
        self._armed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None

    def put(self, event: NetworkEvent) -> None:
        """From any thread; never blocks."""
        with self._lock:
            self._number += 1
            if isinstance(event, Received):
                if len(self._gossip) >= self._limit:
                    self._gossip.popleft()
                    self.tally.add(Drop.FULL)
                self._gossip.append((self._number, event))
            else:
                self._peers.append((self._number, event))
            self._notify()

    def close(self) -> None:
        """The reader gets what is left, then ends."""
        with self._lock:
            self._closed = True
            self._notify()

    async def events(self) -> AsyncIterator[NetworkEvent]:
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        while True:
            batch, closed = self._take()
            for event in batch:
                yield event
            if closed:
                return
            if not batch:
                await self._wake.wait()
                self._wake.clear()

    def _take(self) -> tuple[list[NetworkEvent], bool]:
        with self._lock:
            self._armed = False
            waiting = sorted((*self._gossip, *self._peers), key=lambda pair: pair[0])
            self._gossip.clear()
            self._peers.clear()
            return [event for _, event in waiting], self._closed and not waiting

    def _notify(self) -> None:
        """One wake-up for any number of events: the reader takes all at once."""
        if self._armed or self._loop is None or self._wake is None:
            return
        self._armed = True
        try:
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:  # the loop is closed, so nobody reads any more
            self._closed = True
