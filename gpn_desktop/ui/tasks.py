"""Coroutines started from the window: held strongly, their errors shown.

qasync's own slots keep weak references only, so that the collector may end a task half way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine

from gpn_desktop.core.errors import GpnError

log = logging.getLogger("gpn.ui")

ShowError = Callable[[BaseException], None]


class Tasks:
    """All tasks of one window. ``show`` gets the error of every task that has no handler of its own."""

    def __init__(self, show: ShowError) -> None:
        self._show = show
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Task[None]] = set()
        self._closing = False

    def start(
        self, work: Coroutine[object, object, None], failed: ShowError | None = None
    ) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._running.add(task)
        task.add_done_callback(lambda done: self._ended(done, failed or self._show))
        if self._closing:
            task.cancel()
        return task

    def _ended(self, task: asyncio.Task[None], show: ShowError) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        if not isinstance(error, GpnError):
            log.error("a task of the window failed", exc_info=error)
        show(error)

    async def aclose(self) -> None:
        """Cancel what runs and wait for it; later starts are cancelled at once."""
        self._closing = True
        await self.cancel()

    async def cancel(self) -> None:
        """Cancel what runs and wait for it; not from one of these tasks."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
