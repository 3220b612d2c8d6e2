"""What holds when the process dies, the disk fills, the file is damaged or somebody else has it."""

# ruff: noqa: ASYNC240 - nothing else runs on the loop while a test prepares its files
from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gpn_desktop.adapters.sqlite import SqliteStore, set_aside
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import StoreCorrupt, StoreFull, StoreLocked
from tests.contract.store import samples
from tests.contract.store.samples import CONSUMER, NOW

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


def run_writer(path: Path) -> subprocess.Popen[str]:
    """A process that keeps statement after statement and says of each when it is safe."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.contract.store.writer", str(path)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )


async def fill(path: Path, count: int) -> None:
    store = SqliteStore(path)
    await store.open()
    for number in range(count):
        order = samples.request(number)
        await store.keep(order.request_id, CONSUMER, order, True, NOW)
        await store.put_job(samples.job(number))
    await store.aclose()


def change_file(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)


@pytest.mark.parametrize("after", [1, 7, 40])
async def test_kill_9_loses_nothing_that_was_promised(path: Path, after: int) -> None:
    process = run_writer(path)
    assert process.stdout is not None
    promised = [process.stdout.readline().split() for _ in range(after)]
    process.kill()
    promised += [line.split() for line in process.stdout.read().splitlines()]
    process.wait()
    store = SqliteStore(path)
    await store.open()
    for number, cursor in promised:
        order = samples.request(int(number))
        (kept,) = await store.kept(order.request_id)
        assert (kept.cursor, kept.message) == (int(cursor), order)
        assert await store.blob(keccak(number.encode())) == number.encode()
    assert len(await store.open_jobs()) >= len(promised) >= after
    await store.aclose()


async def test_a_second_process_is_refused_until_the_first_dies(path: Path) -> None:
    process = run_writer(path)
    assert process.stdout is not None
    process.stdout.readline()
    store = SqliteStore(path)
    with pytest.raises(StoreLocked, match="in use"):
        await store.open()
    process.kill()
    process.wait()
    process.stdout.close()
    await store.open()
    assert await store.open_jobs()
    await store.aclose()


async def test_a_second_store_in_this_process_is_refused(path: Path) -> None:
    first = SqliteStore(path)
    await first.open()
    with pytest.raises(StoreLocked):
        await SqliteStore(path).open()
    await first.set("still", b"works")
    await first.aclose()


@pytest.mark.parametrize("at", [0, 5_000, 30_000])
async def test_a_damaged_file_is_found_at_the_start(path: Path, at: int) -> None:
    await fill(path, 60)
    data = bytearray(path.read_bytes())
    data[at : at + 4_096] = b"\xa5" * 4_096
    path.write_bytes(data)
    store = SqliteStore(path)
    with pytest.raises(StoreCorrupt, match=r"node\.db"):
        await store.open()
    set_aside(path)
    await store.open()  # the lock was let go, and a fresh start works
    await store.aclose()


async def test_no_database_at_all(path: Path) -> None:
    path.write_text("This is a letter to my grandmother, not a database. " * 50)
    with pytest.raises(StoreCorrupt):
        await SqliteStore(path).open()


async def test_a_later_version_is_left_alone(path: Path) -> None:
    await fill(path, 1)
    change_file(path, "PRAGMA user_version=99")
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match="later version"):
        await SqliteStore(path).open()
    assert path.read_bytes() == before


CHANGES = [
    "UPDATE statements SET body = body || x'00'",
    "UPDATE statements SET body = x''",
    "UPDATE statements SET time_ms = time_ms + 1",
    "UPDATE statements SET own = 0",
    "UPDATE statements SET consumer = zeroblob(20)",
]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_changed_row_is_not_believed(path: Path, change: str) -> None:
    await fill(path, 1)
    change_file(path, change)
    store = SqliteStore(path)
    await store.open()
    with pytest.raises(StoreCorrupt):
        await store.kept(samples.request_id(0))
    await store.aclose()


async def test_a_damaged_blob_is_not_handed_out(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.put_blob(keccak(b"proof"), b"proof")
    await store.aclose()
    change_file(path.with_name("node-blobs.db"), "UPDATE blobs SET data = substr(data, 1, 8) || 'prOof'")
    await store.open()
    with pytest.raises(StoreCorrupt):
        await store.blob(keccak(b"proof"))
    await store.aclose()


async def test_a_damaged_blob_file_is_called_so(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    for number in range(40):
        await store.put_blob(keccak(bytes([number])), bytes([number]) * 4_000)
    await store.aclose()
    blobs = path.with_name("node-blobs.db")
    data = bytearray(blobs.read_bytes())
    data[8_192:] = b"\xa5" * (len(data) - 8_192)
    blobs.write_bytes(data)
    await store.open()
    await store.set("the journal", b"is whole")
    with pytest.raises(StoreCorrupt):
        await asyncio.gather(*(store.blob(keccak(bytes([number]))) for number in range(40)))
    assert await store.get("the journal") == b"is whole"
    await store.aclose()
    blobs.write_bytes(b"no database " * 1_000)
    with pytest.raises(StoreCorrupt):
        await store.open()


async def test_a_full_disk_refuses_the_call_and_keeps_the_rest(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.set("before", b"kept")
    await store._write(lambda db: db.execute("PRAGMA blobs.max_page_count=40").fetchone())
    room, too_much = bytes(20_000), bytes(400_000)
    results = await asyncio.gather(
        store.put_blob(keccak(too_much), too_much), store.put_blob(keccak(room), room), return_exceptions=True
    )
    assert isinstance(results[0], StoreFull)
    assert results[1] is None  # who shared the transaction is served all the same
    with pytest.raises(StoreFull, match="full"):
        await store.put_blob(keccak(too_much), too_much)
    await store.set("after", b"kept")
    await store.aclose()
    await store.open()
    assert (await store.get("before"), await store.get("after")) == (b"kept", b"kept")
    assert await store.blob(keccak(too_much)) is None
    assert await store.blob(keccak(room)) == room
    await store.aclose()


async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreFull, match="cannot be written"):
        await SqliteStore(tmp_path / "file" / "node.db").open()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
async def test_nobody_else_can_read_the_files(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.put_blob(keccak(b"proof"), b"proof")
    modes = {file.name: file.stat().st_mode & 0o077 for file in path.parent.glob("node*")}
    await store.aclose()
    assert modes["node.db"] == modes["node-blobs.db"] == modes["node.db-wal"] == 0


async def test_a_cancelled_caller_does_not_undo_its_write(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    task = asyncio.create_task(store.set("a", b"b"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.aclose()
    await store.open()
    assert await store.get("a") == b"b"
    await store.aclose()
