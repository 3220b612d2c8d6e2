"""The thread behind the store: shared commits, failures that stay alone, and its end."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gpn_desktop.adapters.sqlite.worker import Worker
from gpn_desktop.core.errors import StoreClosed


class Watched(sqlite3.Connection):
    """Counts its commits, and fails those that it is told to."""

    commits = 0
    before_failing = 0
    fail = 0

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            self.before_failing -= 1
            if self.fail and self.before_failing < 0:
                self.fail -= 1
                raise sqlite3.OperationalError("database or disk is full")
            self.commits += 1
        return super().execute(sql, *args)


class Bench:
    """A worker on a table of numbers, whose thread the test can hold up."""

    def __init__(self, path: Path) -> None:
        self.connection: Watched
        self.path = path
        self.worker = Worker(self._connect, "test", writes=True)
        self.go_on = threading.Event()

    def _connect(self) -> sqlite3.Connection:
        self.connection = sqlite3.connect(self.path, isolation_level=None, factory=Watched)
        self.connection.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
        return self.connection

    async def insert(self, number: int) -> None:
        await self.worker.call(lambda db: db.execute("INSERT INTO numbers VALUES (?)", (number,)).close())

    async def numbers(self) -> list[int]:
        return await self.worker.call(lambda db: [n for (n,) in db.execute("SELECT number FROM numbers")])

    async def together(self, *numbers: int, fail: int = 0) -> list[BaseException | None]:
        """Insert at one moment: the thread is busy until all have called. Then ``fail`` commits fail."""
        started = threading.Event()

        def block(db: sqlite3.Connection) -> None:
            started.set()
            self.go_on.wait(10)

        blocker = asyncio.create_task(self.worker.call(block))
        await asyncio.to_thread(started.wait, 10)
        inserts = [asyncio.create_task(self.insert(number)) for number in numbers]
        await asyncio.sleep(0)
        self.connection.before_failing, self.connection.fail = 1, fail  # the blocker's own commit succeeds
        self.go_on.set()
        await blocker
        return await asyncio.gather(*inserts, return_exceptions=True)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path / "test.db")
    await bench.worker.start()
    yield bench
    await bench.worker.aclose()


async def test_calls_of_one_moment_share_a_commit(bench: Bench) -> None:
    assert await bench.together(*range(50)) == [None] * 50
    assert bench.connection.commits == 2  # one was of the call that held up the others
    assert await bench.numbers() == list(range(50))


async def test_a_failure_undoes_itself_alone(bench: Bench) -> None:
    first, second, third = await bench.together(1, 1, 2)
    assert (first, third) == (None, None)
    assert isinstance(second, sqlite3.IntegrityError)
    assert await bench.numbers() == [1, 2]


async def test_after_a_failed_commit_each_is_tried_alone(bench: Bench) -> None:
    results = await bench.together(0, 1, 2, fail=2)  # the shared commit, and that of the first alone
    assert [type(result) for result in results] == [sqlite3.OperationalError, type(None), type(None)]
    assert await bench.numbers() == [1, 2]


async def test_any_error_reaches_its_caller_and_the_thread_lives_on(bench: Bench) -> None:
    def fail(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO numbers VALUES (9)")
        raise KeyError("odd")

    with pytest.raises(KeyError, match="odd"):
        await bench.worker.call(fail)
    assert await bench.numbers() == []


async def test_closing_carries_out_what_was_called_for(bench: Bench) -> None:
    calls = [asyncio.create_task(bench.insert(number)) for number in range(20)]
    await asyncio.sleep(0)
    await bench.worker.aclose()
    await asyncio.gather(*calls)
    with sqlite3.connect(bench.path) as db:
        assert db.execute("SELECT count(*) FROM numbers").fetchone() == (20,)
    db.close()
    with pytest.raises(StoreClosed):
        await bench.insert(99)


async def test_a_connection_that_cannot_be_made(tmp_path: Path) -> None:
    worker = Worker(lambda: sqlite3.connect(tmp_path / "no" / "folder.db"), "test", writes=True)
    with pytest.raises(sqlite3.OperationalError):
        await worker.start()
    await worker.aclose()
    with pytest.raises(StoreClosed):
        await worker.call(lambda db: None)
