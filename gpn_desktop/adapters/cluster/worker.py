"""A worker: this machine's runtime, offered to a node on another one until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, field

from distributed import Worker

from gpn_desktop.adapters.cluster.certificates import Papers
from gpn_desktop.adapters.cluster.security import configure, security
from gpn_desktop.adapters.cluster.tasks import GPU, SLOT, Box

log = logging.getLogger("gpn.cluster")

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between two tries to reach the node
TOLD_SECONDS = 10.0  # in which a node that is there has noticed
DRAIN_SECONDS = 3600.0  # what is at work when a worker is told to stop may still be finished


@dataclass
class ClusterWorker:
    """Serves the node at ``address`` (``tls://host:port``); comes back when the node was away."""

    address: str
    papers: Papers
    box: Box
    drain_seconds: float = DRAIN_SECONDS
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Until ``stop``; then what is at work is finished first."""
        configure()
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            try:
                await self._serve()
                pause = FIRST_PAUSE
            except OSError as error:
                log.warning("the node at %s does not answer: %s", self.address, error)
            if not self._stop.is_set():
                await _first(self._stop.wait(), asyncio.sleep(pause))
                pause = min(2 * pause, LONGEST_PAUSE)

    def stop(self) -> None:
        """Take nothing more, finish, leave. A second time: leave at once."""
        if self._stop.is_set():
            self.box.told.set()
            for task in self.box.calls.values():
                task.cancel()
        self.box.draining = True
        self._stop.set()

    async def _serve(self) -> None:
        """One connection, from its beginning to its end."""
        box = self.box
        worker = Worker(
            self.address,
            security=security(self.papers),
            # Tasks are coroutines, and yet each of them takes one of these.
            nthreads=box.slots,
            resources={SLOT: box.slots, GPU: box.gpus},
            name=box.label,
            plugins=[box],
            dashboard=False,
            death_timeout=20,
        )
        try:
            await worker
            self.connected.set()
            log.info("connected to %s", self.address)
            await _first(worker.finished(), self._stop.wait())
            if self._stop.is_set():
                log.info("finishing what is at work")
                # What the node hands over until it looks again is finished as well.
                await _first(box.told.wait(), worker.finished(), asyncio.sleep(TOLD_SECONDS))
                await _first(box.idle.wait(), worker.finished(), asyncio.sleep(self.drain_seconds))
        finally:
            self.connected.clear()
            for task in list(box.calls.values()):
                task.cancel()  # nobody waits for them any more
            await worker.close(timeout=5, nanny=False)


async def _first(*works: Awaitable[object]) -> None:
    """Until one of them ends; the others are cancelled."""
    running = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
