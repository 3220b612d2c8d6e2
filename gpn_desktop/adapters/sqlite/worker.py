"""A thread that owns one SQLite connection, and asyncio's way to it.

Calls that come in while a commit is on its way to the disk wait together and share the next one: under load a
hundred votes cost one fsync, and without load nobody waits for company.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from gpn_desktop.core.errors import StoreClosed

MAX_BATCH: Final = 256

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]


@dataclass(slots=True)
class _Call:
    operation: Operation[Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Worker:
    """Runs operations one after the other; with ``writes``, in transactions that are on disk on return.

    An operation that fails undoes itself alone.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], name: str, writes: bool) -> None:
        self._connect = connect
        self._writes = writes
        self._queue: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._open = False
        self._opened: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Connect; what ``connect`` raises is raised here."""
        self._opened = asyncio.get_running_loop().create_future()
        self._open = True
        self._thread.start()
        try:
            await self._opened
        except BaseException:
            self._open = False
            raise

    async def call(self, operation: Operation[T]) -> T:
        """The operation's result. It is carried out even if the caller is cancelled meanwhile."""
        if not self._open:
            raise StoreClosed("The store is not open.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put(_Call(operation, future))
        return await future

    async def aclose(self) -> None:
        """Carry out what was called for, then close the connection and end the thread."""
        if self._open:
            self._open = False
            self._queue.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        opened = self._opened
        assert opened is not None
        try:
            connection = self._connect()
        except BaseException as error:  # noqa: BLE001 - raised again by start()
            _post(opened.get_loop(), partial(_settle, opened, None, error))
            return
        _post(opened.get_loop(), partial(_settle, opened, None, None))
        try:
            self._serve(connection)
        finally:
            connection.close()

    def _serve(self, connection: sqlite3.Connection) -> None:
        while (call := self._queue.get()) is not None:
            batch = [call]
            last = self._gather(batch)
            self._carry_out(connection, batch)
            _answer(batch)
            if last:
                return

    def _gather(self, batch: list[_Call]) -> bool:
        while len(batch) < MAX_BATCH:
            try:
                call = self._queue.get_nowait()
            except Empty:
                return False
            if call is None:
                return True
            batch.append(call)
        return False

    def _carry_out(self, connection: sqlite3.Connection, batch: list[_Call]) -> None:
        """Do the batch in one transaction, or, if that fails, each call in one of its own.

        A full disk can undo more than the call that filled it; the others may still find room.
        """
        try:
            if self._writes:
                connection.execute("BEGIN IMMEDIATE")
            for call in batch:
                self._one(connection, call)
            if self._writes:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):  # SQLite has rolled back by itself
                connection.execute("ROLLBACK")
            for call in batch:
                call.result, call.error = None, error
                if len(batch) > 1:
                    self._carry_out(connection, [call])

    def _one(self, connection: sqlite3.Connection, call: _Call) -> None:
        if self._writes:
            connection.execute("SAVEPOINT one")
        call.error = None
        try:
            call.result = call.operation(connection)
        except BaseException as error:
            if self._writes and not connection.in_transaction:
                raise  # SQLite has undone the whole transaction: the batch fails with this
            call.error = error
            if self._writes:
                connection.execute("ROLLBACK TO one")
        if self._writes:
            connection.execute("RELEASE one")


def _answer(batch: list[_Call]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[_Call]] = {}
    for call in batch:
        loops.setdefault(call.future.get_loop(), []).append(call)
    for loop, calls in loops.items():
        _post(loop, partial(_settle_all, calls))


def _settle_all(calls: list[_Call]) -> None:
    for call in calls:
        _settle(call.future, call.result, call.error)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # its caller was cancelled
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _post(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback)
