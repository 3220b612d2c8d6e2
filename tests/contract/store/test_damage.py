"""A journal that is damaged, or has lost its end, is never taken for a whole one."""

# ruff: noqa: ASYNC240 - nothing else runs on the loop while a test prepares its files
from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gpn_desktop.adapters.sqlite import SqliteStore, set_aside
from gpn_desktop.core.errors import GpnError, StoreCorrupt, StoreForbidden, StoreLocked
from tests.contract.store import samples
from tests.contract.store.samples import CONSUMER, NOW
from tests.contract.store.test_crash import REPOSITORY, fill


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


def wal(path: Path) -> Path:
    return path.with_name("node.db-wal")


async def keep(path: Path, *numbers: int) -> None:
    store = SqliteStore(path)
    await store.open()
    for number in numbers:
        order = samples.request(number)
        await store.keep(order.request_id, CONSUMER, order, True, NOW)
    await store.aclose()


async def killed_with_a_log(path: Path) -> None:
    """As SIGKILL leaves it: the last statements are in the write-ahead log alone."""
    await keep(path, *range(5))
    copy = path.parent / "copy"
    store = SqliteStore(path)
    await store.open()
    for number in range(5, 40):
        order = samples.request(number)
        await store.keep(order.request_id, CONSUMER, order, True, NOW)
    copy.mkdir()
    for file in path.parent.glob("node*"):
        shutil.copy2(file, copy)
    await store.aclose()
    for file in copy.iterdir():
        shutil.copy2(file, path.parent)
    assert wal(path).stat().st_size > 100_000


async def kept(path: Path) -> int:
    store = SqliteStore(path)
    await store.open()
    count = len(await store.open_jobs())
    await store.aclose()
    return count


async def test_what_only_the_log_has_is_there_after_a_kill(path: Path) -> None:
    await killed_with_a_log(path)
    assert await kept(path) == 40


def checkpoint(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def flip_a_page(path: Path) -> None:
    checkpoint(path)
    data = bytearray(path.read_bytes())
    data[4_096 * 2 + 100 : 4_096 * 3] = os.urandom(3_996)
    path.write_bytes(data)


def truncate(path: Path) -> None:
    checkpoint(path)
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")
    wal(path).unlink(missing_ok=True)


def remove(path: Path) -> None:
    path.unlink()
    wal(path).unlink(missing_ok=True)


def garble_the_log(path: Path) -> None:
    wal(path).write_bytes(os.urandom(wal(path).stat().st_size))


def garble_the_end_of_the_log(path: Path) -> None:
    data = bytearray(wal(path).read_bytes())
    data[len(data) // 2 :] = os.urandom(len(data) - len(data) // 2)
    wal(path).write_bytes(data)


def lose_the_log(path: Path) -> None:
    wal(path).unlink()


DAMAGES: list[Callable[[Path], None]] = [
    flip_a_page, truncate, empty, remove, garble_the_log, garble_the_end_of_the_log, lose_the_log,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
async def test_it_says_so_and_leaves_the_files_alone(path: Path, damage: Callable[[Path], None]) -> None:
    await killed_with_a_log(path)
    damage(path)
    for _ in range(2):  # and does not take it for whole the second time either
        with pytest.raises(StoreCorrupt) as raised:
            await SqliteStore(path).open()
        assert str(path) in raised.value.message
        assert "journal new" in raised.value.remedy
    assert not list(path.parent.glob("*damaged*"))


async def test_an_older_copy_is_not_taken_for_the_journal(path: Path, tmp_path: Path) -> None:
    await keep(path, *range(5))
    copy = tmp_path / "backup"
    shutil.copy2(path, copy)
    await keep(path, 5)
    shutil.copy2(copy, path)
    with pytest.raises(StoreCorrupt, match="older copy"):
        await SqliteStore(path).open()


async def test_set_aside_it_is_kept_and_a_new_one_begins(path: Path) -> None:
    await killed_with_a_log(path)
    flip_a_page(path)
    damaged = path.read_bytes()
    aside = set_aside(path)
    assert damaged in [file.read_bytes() for file in aside]
    assert {file.name.split(".damaged-")[0] for file in aside} >= {"node.db", "node.tip", "node-blobs.db"}
    assert await kept(path) == 0
    await keep(path, 0, 1)
    again = set_aside(path)
    assert not set(aside) & set(again)
    assert all(file.exists() for file in (*aside, *again))


async def test_nothing_is_set_aside_under_a_running_node(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    with pytest.raises(StoreLocked):
        set_aside(path)
    await store.set("still", b"works")
    await store.aclose()


async def test_a_note_that_cannot_be_read_keeps_nothing_from_being_opened(path: Path) -> None:
    await keep(path, *range(5))
    path.with_suffix(".tip").write_bytes(b"\xa5" * 16)
    assert await kept(path) == 5


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user of the machine can look into; pytest's own are for one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX users")
@pytest.mark.parametrize("mode", [0o444, 0o000])
async def test_a_file_that_this_user_may_not_write_is_called_so(shared: Path, mode: int) -> None:
    path = shared / "node.db"
    await fill(path, 3)
    for file in shared.iterdir():
        file.chmod(mode)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OPEN_AS_NOBODY, str(path), cwd=REPOSITORY, stderr=subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 1, said
    assert StoreForbidden.code in said.decode()
    assert str(path) in said.decode()


OPEN_AS_NOBODY = """
import asyncio, os, sys
from pathlib import Path
from gpn_desktop.adapters.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
asyncio.run(asyncio.to_thread(int))  # whatever is imported late is imported now
if os.getuid() == 0:  # root may write to everything
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    asyncio.run(store.open())
except Exception as error:
    sys.exit(str(error))
"""


async def test_damage_while_it_is_open_is_told_and_stays_bounded(path: Path) -> None:
    """The file is overwritten under the node: calls fail with the error, and nothing hangs."""
    await fill(path, 200)
    store = SqliteStore(path)
    await store.open()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xa5" * (len(data) - 4_096))
    errors: list[GpnError] = []
    for number in range(200, 260):
        order = samples.request(number)
        try:
            await store.keep(order.request_id, CONSUMER, order, True, NOW)
        except GpnError as error:
            errors.append(error)
    assert errors
    assert all(isinstance(error, StoreCorrupt) for error in errors)
    await store.aclose()
    with pytest.raises(StoreCorrupt):
        await store.open()


async def test_checking_a_journal_of_many_requests_is_quick(path: Path) -> None:
    """30,000 rows here; 100 MB, which are 80,000 requests, took 0.15 s."""
    await fill(path, 20)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) "
            "INSERT INTO statements (request_id, consumer, is_request, own, time_ms, body, identity) "
            "SELECT randomblob(32), zeroblob(20), 0, 0, 0, randomblob(600), randomblob(16) FROM n"
        )
    store = SqliteStore(path)
    began = time.monotonic()
    await store.open()
    took = time.monotonic() - began
    await store.aclose()
    assert took < 2.0
