"""Keeping connections: dials every known peer that is missing, with a back-off of its own and jitter."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from gpn_desktop.adapters.p2p import patches
from gpn_desktop.adapters.p2p.book import AddressBook
from gpn_desktop.adapters.p2p.frames import STREAM_ERRORS
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.adapters.p2p.stack import Stack

DIAL_SECONDS: Final = 6.0  # for one address
TOGETHER: Final = 8  # dials at a time
WANTED: Final = 40  # connections; a committee has at most 32 members
HASTE: Final = 5.0  # seconds after a dial in which nothing brings the next one forward


@dataclass(slots=True)
class _Plan:
    """Times are trio's."""

    delay: float
    due: float
    tried: float = -math.inf


class Dialer:
    def __init__(self, book: AddressBook, options: NetworkOptions, wanted: Callable[[ID], bool]) -> None:
        self._book, self._options, self._wanted = book, options, wanted
        self._plans: dict[ID, _Plan] = {}
        self._wake = trio.Event()
        self._dialing: dict[ID, trio.Event] = {}

    def poke(self) -> None:
        """Look now: an address was learnt or a peer lost."""
        self._wake.set()

    def lost(self, peer: ID) -> None:
        """A connection ended; both sides would dial at once, so wait a random moment."""
        self._plans[peer] = _Plan(self._options.reconnect_min, trio.current_time() + self._jitter(0.5))
        self.poke()

    def found(self) -> None:
        """A connection is there. Peers that were lost together come back together, so try the others soon."""
        now = trio.current_time()
        for plan in self._plans.values():
            if now - plan.tried > HASTE:
                plan.due = min(plan.due, now + self._jitter(0.5))
        self.poke()

    async def run(self, stack: Stack) -> None:
        """Dial until cancelled."""
        slots = trio.CapacityLimiter(TOGETHER)
        async with trio.open_nursery() as nursery:
            while True:
                self._wake = trio.Event()
                now = trio.current_time()
                due, later = self._look(stack, now)
                for peer in due:
                    nursery.start_soon(self._try, stack, peer, slots)
                with trio.move_on_at(min(later, now + 30)):
                    await self._wake.wait()

    def _look(self, stack: Stack, now: float) -> tuple[list[ID], float]:
        """Peers to dial now, and when to look again."""
        due: list[ID] = []
        later = now + 30
        if len(stack.swarm.connections) >= WANTED:
            return due, later
        for peer in list(self._book.entries):
            if stack.connected(peer) or peer in self._dialing or not self._wanted(peer):
                continue
            plan = self._plans.setdefault(peer, _Plan(self._options.reconnect_min, now))
            if plan.due <= now:
                due.append(peer)
            else:
                later = min(later, plan.due)
        return due, later

    async def _try(self, stack: Stack, peer: ID, slots: trio.CapacityLimiter) -> None:
        async with slots:
            if await self.dial(stack, peer) or peer not in self._book.entries:
                self._plans.pop(peer, None)
            else:
                plan = self._plans.setdefault(peer, _Plan(self._options.reconnect_min, 0))
                plan.tried = trio.current_time()
                plan.due = plan.tried + self._jitter(plan.delay)
                plan.delay = min(plan.delay * 2, self._options.reconnect_max)
        self.poke()

    async def dial(self, stack: Stack, peer: ID) -> bool:
        """Connect to a peer of the book now; whether it is connected."""
        if peer in self._dialing:
            await self._dialing[peer].wait()
            return stack.connected(peer)
        entry = self._book.entries.get(peer)
        if stack.connected(peer) or entry is None:
            return stack.connected(peer)
        self._dialing[peer] = trio.Event()
        try:
            for where in reversed(entry.addresses):
                if await self._dial_at(stack, peer, where):
                    self._book.worked(peer, where)
                    break
        finally:
            entry.failures = 0 if stack.connected(peer) else entry.failures + 1
            self._dialing.pop(peer).set()
        return stack.connected(peer)

    async def _dial_at(self, stack: Stack, peer: ID, where: str) -> bool:
        """One address at a time: of several the library tries one, and always the same."""
        patches.forget_failures(stack.host, peer)
        stack.host.get_peerstore().clear_addrs(peer)
        with trio.move_on_after(DIAL_SECONDS):
            try:
                await stack.host.connect(PeerInfo(peer, [Multiaddr(where)]))
            except STREAM_ERRORS:
                return stack.connected(peer)
        return stack.connected(peer)

    def _jitter(self, delay: float) -> float:
        return delay * random.uniform(0.75, 1.25)
