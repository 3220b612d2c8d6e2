"""Places for instances: one instance each, replaced when it is lost; and the pool that hands them out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from gpn_desktop.adapters.docker.image_api import Call
from gpn_desktop.adapters.docker.instance import Instance, InstanceLost
from gpn_desktop.adapters.docker.stream import Reply
from gpn_desktop.core.errors import ProverLost
from gpn_desktop.ports.runtime import JobLog

Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]
_TRIES = 2
_ON_ITS_WAY = 0.3  # seconds
_EARLIER = 0.001  # seconds: the engine's clock has finer steps than ours


class Slot:
    """Holds at most one instance, and serves one call at a time.

    Args:
        open_instance: makes one.
        spawn: starts a task that its owner waits for when it closes. Opening and removing run in such tasks,
            so that a caller that is cancelled leaves no container behind.
        changed: called after each change of ``ready`` and ``starting``.
    """

    def __init__(
        self,
        open_instance: Callable[[], Coroutine[Any, Any, Instance]],
        spawn: Spawn,
        changed: Callable[[], None],
    ) -> None:
        self._open = open_instance
        self._spawn = spawn
        self._changed = changed
        self._opening: asyncio.Task[Instance] | None = None
        self._closed = False

    @property
    def instance(self) -> Instance | None:
        """The one that is ready, if any."""
        task = self._opening
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()

    @property
    def ready(self) -> bool:
        return self.instance is not None

    @property
    def starting(self) -> bool:
        return self._opening is not None and not self._opening.done()

    @property
    def untouched(self) -> bool:
        return self._opening is None

    @property
    def error(self) -> BaseException | None:
        """Why the last instance did not open."""
        task = self._opening
        return task.exception() if task is not None and task.done() and not task.cancelled() else None

    async def get(self) -> Instance:
        """The instance, opened if there is none."""
        if self._closed:
            raise ProverLost("The image was released.")
        if self._opening is None or (self._opening.done() and not self.ready):
            self._begin()
        assert self._opening is not None
        return await asyncio.shield(self._opening)

    async def run(self, call: Call, limit: float, log: JobLog | None) -> Reply:
        """One call of at most ``limit`` seconds. Whatever goes wrong removes the instance.

        Raises:
            TimeoutError
            ProverLost: two instances were lost over this call.
            ProverFault, ProverOutputTooLarge, and what opening an instance raises.
        """
        reason = ""
        for _ in range(_TRIES):
            instance = await self.get()
            began = time.time() - _EARLIER
            try:
                async with asyncio.timeout(limit):
                    reply = await instance.call(call)
            except InstanceLost as lost:
                reason = str(lost)
                await self._replace(instance, began, log)
            except BaseException:
                await self._replace(instance, began, log)
                raise
            else:
                if log is not None:
                    self._spawn(_tell_later(instance, began, log))
                return reply
        raise ProverLost(f"The prover was lost twice: {reason}")

    async def close(self) -> None:
        """Removes the instance, also one that is being opened."""
        self._closed = True
        if self._opening is not None:
            await asyncio.shield(self._spawn(_remove(self._opening)))

    def _begin(self) -> None:
        self._opening = self._spawn(self._open())
        self._opening.add_done_callback(lambda _: self._changed())
        self._changed()

    async def _replace(self, instance: Instance, began: float, log: JobLog | None) -> None:
        """Removes the instance and starts another one, so that the next call finds it ready."""
        self._opening = None
        instance.abort()
        removal = self._spawn(_bury(instance, began, log))
        if not self._closed:
            self._begin()
        await asyncio.shield(removal)


async def _bury(instance: Instance, began: float, log: JobLog | None) -> None:
    """Its log first: it is gone with the container."""
    try:
        if log is not None:
            await instance.tell(log, began)
    finally:
        await instance.remove()


async def _tell_later(instance: Instance, began: float, log: JobLog) -> None:
    """What it wrote before its answer may still be on its way to the engine; nothing tells when it came."""
    await asyncio.sleep(_ON_ITS_WAY)
    await instance.tell(log, began)


async def _remove(opening: asyncio.Task[Instance]) -> None:
    opening.cancel()
    await asyncio.wait([opening])
    if not opening.cancelled() and opening.exception() is None:
        await opening.result().remove()


class Pool:
    """Slots of one role. Calls beyond their number wait in order; the slot used last is used next."""

    def __init__(self, slots: list[Slot]) -> None:
        self._slots = slots
        self._free = slots[::-1]
        self._room = asyncio.Semaphore(len(slots))

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    @property
    def first(self) -> Slot:
        """The one that is kept ready; others are opened when they are needed."""
        return self._slots[0]

    @property
    def ready(self) -> bool:
        return any(slot.ready for slot in self._slots)

    @property
    def untouched(self) -> bool:
        """Whether nothing was ever asked of it."""
        return all(slot.untouched for slot in self._slots)

    @property
    def starting(self) -> bool:
        return any(slot.starting for slot in self._slots)

    async def run(self, call: Call, limit: float, log: JobLog | None) -> Reply:
        """As ``Slot.run``, on a slot that is free; waiting for one does not count."""
        async with self._room:
            slot = self._free.pop()
            try:
                return await slot.run(call, limit, log)
            finally:
                self._free.append(slot)

    async def close(self) -> None:
        await asyncio.gather(*(slot.close() for slot in self._slots))
