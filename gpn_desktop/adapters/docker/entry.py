"""One image on this node: its life, and its containers while it has any."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from gpn_desktop.adapters.docker.instance import Role
from gpn_desktop.adapters.docker.slot import Pool
from gpn_desktop.core import images
from gpn_desktop.core.errors import GpnError, ImageQuarantined
from gpn_desktop.core.images import ImageEvent, ImageLife, ImageState
from gpn_desktop.core.manifest import Limits, Manifest
from gpn_desktop.ports.images import Installed
from gpn_desktop.ports.runtime import ImageStatus, PullProgress, Usage

_UP = (ImageState.SERVING, ImageState.BUSY)


class Entry:
    """Args:
    put_aside: called once the image is quarantined; its containers are not needed any more.
    """

    def __init__(self, put_aside: Callable[[Entry], None]) -> None:
        self.turn = asyncio.Lock()
        self.life = ImageLife()
        self.local: Installed | None = None
        self.pools: dict[Role, Pool] = {}
        self.progress: PullProgress | None = None
        self.manifest: Manifest | None = None
        self.limits: Limits | None = None
        self.released = False
        self._put_aside = put_aside

    @property
    def status(self) -> ImageStatus:
        slots = [slot for pool in self.pools.values() for slot in pool]
        proving = self.pools.get(Role.PROVE)
        return ImageStatus(
            life=images.pardoned(self.life, time.monotonic()),
            progress=self.progress,
            manifest=self.manifest,
            limits=self.limits,
            slots=len(list(proving)) if proving else 0,
            ready=sum(slot.ready for slot in slots),
        )

    def successor(self) -> Entry:
        """What is left of a released image: its record, without containers."""
        fresh = Entry(self._put_aside)
        fresh.life, fresh.local, fresh.manifest, fresh.limits = (
            self.life,
            self.local,
            self.manifest,
            self.limits,
        )
        return fresh

    def see(self, event: ImageEvent) -> None:
        self.life = images.step(self.life, event)

    def check(self) -> None:
        """ImageQuarantined while the image is put aside."""
        self.life = images.pardoned(self.life, time.monotonic())
        if self.life.state is ImageState.QUARANTINED:
            left = max(1, round(self.life.until - time.monotonic()))
            why = self.life.reason.message if self.life.reason else "it failed again and again"
            raise ImageQuarantined(f"The image is put aside for {left:,} s: {why}")

    def fail(self, error: GpnError) -> None:
        self.life = images.failed(self.life, error)

    def strike(self, error: GpnError) -> None:
        before = self.life.state
        self.life = images.struck(self.life, error, time.monotonic())
        if self.life.state is ImageState.QUARANTINED and before is not ImageState.QUARANTINED:
            self._put_aside(self)

    def proved(self) -> None:
        self.life = images.proved(self.life)

    def look(self) -> None:
        """A container began or ended."""
        if self.released or self.life.state not in (ImageState.STARTING, ImageState.FAILED, *_UP):
            return
        pools = [pool for pool in self.pools.values() if not pool.untouched]
        if pools and all(pool.ready for pool in pools):
            if self.life.state not in _UP:
                if self.life.state is ImageState.FAILED:
                    self.see(ImageEvent.START)
                self.see(ImageEvent.STARTED)
        elif any(pool.starting for pool in pools):
            if self.life.state is not ImageState.STARTING:
                self.see(ImageEvent.START)
        else:
            for pool in pools:
                if isinstance(pool.first.error, GpnError):
                    self.fail(pool.first.error)

    async def usage(self) -> Usage | None:
        """Of all containers that answer; the largest counts."""
        found = [slot.instance for pool in self.pools.values() for slot in pool]
        instances = [instance for instance in found if instance is not None]
        if not instances:
            return None
        loads = await asyncio.gather(*(instance.load() for instance in instances))
        reached = await asyncio.gather(*(instance.reached_out() for instance in instances))
        peaks = [load.peak for load in loads if load.peak is not None]
        return Usage(
            memory=max(load.memory for load in loads),
            peak_memory=max(peaks) if peaks else None,
            processes=max(load.processes for load in loads),
            reached_out=sum(reached),
        )
