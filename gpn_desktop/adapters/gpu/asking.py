"""Questions to what blocks and may never answer: a driver in trouble hangs its callers for good.

So no question is put on the event loop's thread, none is waited for longer than its time, and there is never
more than one: a driver that hangs costs one thread, however often it is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Given(Generic[T]):
    value: T


class Asking:
    def __init__(self) -> None:
        self._asked: asyncio.Future[Any] | None = None

    async def ask(self, question: Callable[[], T], timeout: float) -> T:  # noqa: ASYNC109
        """The answer, or whatever ``question`` raises; TimeoutError if none came in ``timeout`` seconds.

        A question that its asker has stopped waiting for is finished first, within the same time.
        """
        async with asyncio.timeout(timeout):
            while self._asked is not None and not self._asked.done():
                await asyncio.wait({self._asked})
            answer = self._put(question)
            self._asked = answer
            given = await asyncio.shield(answer)
        if isinstance(given, _Given):
            value: T = given.value
            return value
        raise given

    @staticmethod
    def _put(question: Callable[[], T]) -> asyncio.Future[_Given[T] | BaseException]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_Given[T] | BaseException] = loop.create_future()

        def work() -> None:
            given: _Given[T] | BaseException
            try:
                given = _Given(question())
            except BaseException as error:  # noqa: BLE001 (it is raised where the answer is waited for)
                given = error
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile: nobody waits
                loop.call_soon_threadsafe(answer.set_result, given)

        threading.Thread(target=work, name="gpu", daemon=True).start()
        return answer
