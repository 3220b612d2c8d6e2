"""Blocking calls that may never return, with a limit.

A keyring may ask its user a question on the screen, and a pipe may stay empty. The threads of asyncio's
executor are joined when the interpreter ends, so one that hangs would keep the node from quitting; these are
not.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def bounded(work: Callable[[], T], within: float) -> T:
    """The result of ``work``, done in a thread of its own; TimeoutError after ``within`` seconds."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver, result, failure)

    threading.Thread(target=run, name="secrets", daemon=True).start()
    async with asyncio.timeout(within):
        return await future
