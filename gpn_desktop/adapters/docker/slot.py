"""One place for an instance: serves calls in turn and replaces the instance when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from gpn_desktop.adapters.docker.image_api import Call
from gpn_desktop.adapters.docker.instance import Instance, InstanceLost
from gpn_desktop.adapters.docker.stream import Reply
from gpn_desktop.core.errors import ProverLost

Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]
_TRIES = 2


class Slot:
    """Holds at most one instance.

    Args:
        open_instance: makes one.
        spawn: starts a task that its owner waits for when it closes. Opening and removing run in such tasks,
            so that a caller that is cancelled leaves no container behind.
    """

    def __init__(self, open_instance: Callable[[], Coroutine[Any, Any, Instance]], spawn: Spawn) -> None:
        self._open = open_instance
        self._spawn = spawn
        self._opening: asyncio.Task[Instance] | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    @property
    def ready(self) -> bool:
        task = self._opening
        return task is not None and task.done() and not task.cancelled() and task.exception() is None

    @property
    def starting(self) -> bool:
        return self._opening is not None and not self._opening.done()

    async def get(self) -> Instance:
        """The instance, opened if there is none."""
        if self._closed:
            raise ProverLost("The image was released.")
        if self._opening is None or (self._opening.done() and not self.ready):
            self._opening = self._spawn(self._open())
        return await asyncio.shield(self._opening)

    async def run(self, call: Call) -> Reply:
        """One call, when its turn comes. Whatever goes wrong removes the instance.

        Raises:
            ProverLost: two instances were lost over this call.
            ProverFault, ProverOutputTooLarge, and what opening an instance raises.
        """
        async with self._turn:
            reason = ""
            for _ in range(_TRIES):
                instance = await self.get()
                try:
                    return await instance.call(call)
                except InstanceLost as lost:
                    reason = str(lost)
                    await self._replace(instance)
                except BaseException:
                    await self._replace(instance)
                    raise
            raise ProverLost(f"The prover was lost twice: {reason}")

    async def close(self) -> None:
        """Removes the instance, also one that is being opened."""
        self._closed = True
        if self._opening is not None:
            await asyncio.shield(self._spawn(_remove(self._opening)))

    async def _replace(self, instance: Instance) -> None:
        """Removes the instance and starts another one, so that the next call finds it ready."""
        self._opening = None
        instance.abort()
        removal = self._spawn(instance.remove())
        if not self._closed:
            self._opening = self._spawn(self._open())
        await asyncio.shield(removal)


async def _remove(opening: asyncio.Task[Instance]) -> None:
    opening.cancel()
    await asyncio.wait([opening])
    if not opening.cancelled() and opening.exception() is None:
        await opening.result().remove()
