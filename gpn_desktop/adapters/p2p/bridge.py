"""One trio thread beside the asyncio loop, since libp2p needs trio and everything else asyncio.

Calls cross both ways with their results, exceptions and cancellation; nothing else is shared. The thread is
a daemon and closing has a deadline, so that a hung socket never keeps the program from ending.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MAX_CALLS: Final = 2048


class BridgeClosed(RuntimeError):
    """The other side does not run (yet, or any more), or has more calls open than it can take."""


class TrioThread:
    """Runs ``main(ready)`` under trio. Everything is for the asyncio side, except ``ask``."""

    def __init__(self, main: Callable[[Callable[[], None]], Awaitable[None]], name: str) -> None:
        self._main = main
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ready: asyncio.Future[None] | None = None
        self._done: asyncio.Future[None] | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery | None = None
        self._scope = trio.CancelScope()
        self._calls: set[asyncio.Future[Any]] = set()
        self._closing = False

    async def start(self, timeout: float) -> None:  # noqa: ASYNC109
        """Returns when ``main`` calls ready; raises what ``main`` raises before that, or TimeoutError."""
        self._loop = asyncio.get_running_loop()
        self._ready, self._done = self._loop.create_future(), self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()
        waits: set[asyncio.Future[None]] = {self._ready, self._done}
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if self._done.done():
            self._done.result()
            raise BridgeClosed("ended before it was ready")
        if not self._ready.done():
            await self.aclose(1.0)
            raise TimeoutError(f"{self._name} did not get ready in {timeout} s")

    async def ended(self) -> BaseException | None:
        """Wait until the thread ends, for whatever reason; what ended it, if anything did."""
        assert self._done is not None
        await asyncio.wait({self._done})
        return self._done.exception()

    async def aclose(self, timeout: float) -> bool:  # noqa: ASYNC109
        """Cancel everything; True if the thread ended in time. Never raises, never hangs; idempotent."""
        self._closing = True
        if self._done is None:
            return True
        self._in_trio(self._scope.cancel)
        await asyncio.wait({self._done}, timeout=timeout)
        self._fail_calls()
        if self._done.done() and self._thread is not None:
            await asyncio.to_thread(self._thread.join, 1.0)
        return self._done.done()

    async def call(self, fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Await a trio function. Cancelling the caller cancels it; its exceptions come back as they are."""
        if self._closing or self._loop is None or len(self._calls) >= MAX_CALLS:
            raise BridgeClosed("not running, or too many calls")
        future: asyncio.Future[T] = self._loop.create_future()
        scope = trio.CancelScope()
        self._calls.add(future)
        try:
            if not self._in_trio(self._spawn, lambda: fn(*args), future, scope):
                raise BridgeClosed("not running")
            return await future
        except asyncio.CancelledError:
            self._in_trio(scope.cancel)
            raise
        finally:
            self._calls.discard(future)

    def post(self, fn: Callable[[*Ts], object], *args: *Ts) -> None:
        """Run a short synchronous function on the trio side, some time; nothing if it does not run."""
        self._in_trio(fn, *args)

    async def ask(self, fn: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        """From trio: await an asyncio function on the other side."""
        if self._loop is None or self._loop.is_closed():
            raise BridgeClosed("no loop to ask")
        token = trio.lowlevel.current_trio_token()
        done = trio.Event()

        def wake(_: object) -> None:
            try:
                token.run_sync_soon(done.set)
            except trio.RunFinishedError:
                return  # nobody waits any more

        future = asyncio.run_coroutine_threadsafe(fn(*args), self._loop)
        future.add_done_callback(wake)
        try:
            await done.wait()
        except trio.Cancelled:
            future.cancel()
            raise
        return future.result()

    # the inside -------------------------------------------------------------------------------------------

    def _in_trio(self, fn: Callable[[*Ts], object], *args: *Ts) -> bool:
        if self._token is None:
            return False
        try:
            self._token.run_sync_soon(fn, *args)
        except trio.RunFinishedError:
            return False
        return True

    def _in_asyncio(self, fn: Callable[[*Ts], object], *args: *Ts) -> None:
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(fn, *args)
        except RuntimeError:
            return  # the loop is closed: there is nobody to tell

    def _spawn(
        self, work: Callable[[], Awaitable[T]], future: asyncio.Future[T], scope: trio.CancelScope
    ) -> None:
        if self._nursery is None:
            self._in_asyncio(_fail, future, BridgeClosed("stopped"))
        else:
            self._nursery.start_soon(self._one, work, future, scope)

    async def _one(
        self, work: Callable[[], Awaitable[T]], future: asyncio.Future[T], scope: trio.CancelScope
    ) -> None:
        try:
            with scope:
                self._in_asyncio(_succeed, future, await work())
                return
            self._in_asyncio(_fail, future, BridgeClosed("cancelled"))
        except trio.Cancelled:
            self._in_asyncio(_fail, future, BridgeClosed("stopped"))
            raise
        except Exception as error:  # noqa: BLE001 - it is handed to the caller, whatever it is
            self._in_asyncio(_fail, future, error)

    async def _go(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        failure: Exception | None = None
        with self._scope:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                try:
                    await self._main(self._tell_ready)
                except Exception as error:  # noqa: BLE001 - raised below, as itself and not in a group
                    failure = error
                finally:
                    self._nursery = None
                    nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def _tell_ready(self) -> None:
        if self._ready is not None:
            self._in_asyncio(_succeed, self._ready, None)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            trio.run(self._go)
        except BaseException as caught:  # noqa: BLE001 - it ends the thread, and start() or the log tells
            error = caught
        self._in_asyncio(self._finish, error)

    def _finish(self, error: BaseException | None) -> None:
        if self._done is not None and not self._done.done():
            if error is None:
                self._done.set_result(None)
            else:
                self._done.set_exception(error)
                self._done.exception()  # seen, so that asyncio does not warn of an unretrieved one
        self._fail_calls()

    def _fail_calls(self) -> None:
        for future in list(self._calls):
            _fail(future, BridgeClosed("stopped"))


def _succeed(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[T], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
