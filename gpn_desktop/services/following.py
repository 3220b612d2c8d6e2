"""What the chain tells, worked through in order: first what was missed, then as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from gpn_desktop.core import errors
from gpn_desktop.ports.chain import (
    Block,
    Chain,
    ChainDown,
    ChainEvent,
    ChainUp,
    ConsumerChanged,
    NewHead,
    Reorged,
    SnapshotTaken,
)
from gpn_desktop.services.authority import ChainAuthority
from gpn_desktop.services.catalogue import Catalogue
from gpn_desktop.services.context import Context, log
from gpn_desktop.services.earnings import Earnings
from gpn_desktop.services.intake import Intake
from gpn_desktop.services.jobs import Jobs

EVENT_PAUSE: Final = 0.5  # seconds between two tries to work through an event of the chain


class Following:
    """``up``: whether the chain answers."""

    def __init__(
        self,
        ctx: Context,
        chain: Chain,
        authority: ChainAuthority,
        jobs: Jobs,
        intake: Intake,
        earnings: Earnings,
        catalogue: Catalogue,
    ) -> None:
        self.up = True
        self._ctx = ctx
        self._authority = authority
        self._jobs, self._intake = jobs, intake
        self._earnings, self._catalogue = earnings, catalogue
        self._chain = chain
        self._events: AsyncIterator[ChainEvent] | None = None
        self._met: Block | None = None  # the head at which what was missed ended

    async def start(self) -> None:
        """Begin where an earlier run left off."""
        saved = await self._ctx.store.get("from_block")
        await self._chain.start(int.from_bytes(saved, "big") if saved else 0)
        self._events = self._chain.events()
        self._authority.saw(await self._chain.head())

    async def catch_up(self) -> None:
        """Work through what happened while this node was away, before it says or does anything.

        What follows from a head is done once, at the last one.

        Raises:
            ChainUnreachable
        """
        assert self._events is not None
        async for event in self._events:
            match event:
                case ChainUp(block):
                    self._met = block
                    return
                case ChainDown(reason):
                    raise errors.ChainUnreachable(reason)
                case NewHead():
                    pass
                case _:
                    await self._work_through(event)

    async def run(self) -> None:
        assert self._events is not None
        if self._met is not None:
            await self._work_through(ChainUp(self._met))
            await self._work_through(NewHead(self._met))
        async for event in self._events:
            await self._work_through(event)

    async def _work_through(self, event: ChainEvent) -> None:
        """Each event is told once: one that meets an absent chain or a full disk is tried until done."""
        while True:
            try:
                await self._on_chain(event)
            except (errors.ChainUnreachable, errors.StoreFull) as error:
                log.warning("chain event %s waits: %s", type(event).__name__, error)
                if isinstance(error, errors.StoreFull):
                    self._ctx.alert(str(error))
                await asyncio.sleep(EVENT_PAUSE)
            except errors.GpnError as error:
                log.error("chain event %s: %s", type(event).__name__, error)
                if isinstance(error, errors.StoreCorrupt):
                    self._ctx.alert(str(error))
                return
            else:
                return

    async def _on_chain(self, event: ChainEvent) -> None:
        if isinstance(event, NewHead | ChainUp):
            self._authority.saw(event.block)
            for entry in list(self._jobs.entries.values()):
                if (entry.job.order is None or entry.recheck_order) and not entry.phase.ended:
                    await self._jobs.learn_order(entry)
            self._jobs.tick()
            await self._intake.unpark()
        if isinstance(event, Reorged):
            self._authority.reorged()
            for entry in list(self._jobs.entries.values()):
                if not entry.job.announcements and not entry.phase.ended:
                    entry.recheck_order = True  # the beacon block may not be there again yet
                    if self._met is not None:
                        await self._jobs.learn_order(entry)
        if isinstance(event, ChainUp | ChainDown):
            self.up = isinstance(event, ChainUp)
            self._ctx.changed()
        if isinstance(event, SnapshotTaken | ConsumerChanged):
            self._catalogue.look_again()
        if isinstance(event, SnapshotTaken):
            await self._earnings.membership.on_snapshot(event)
            if event.consumer in self._ctx.serve:
                told = {"consumer": event.consumer.hex(), "snapshot": event.snapshot_id}
                self._ctx.emit("snapshot", told)
        await self._earnings.on_event(event)
