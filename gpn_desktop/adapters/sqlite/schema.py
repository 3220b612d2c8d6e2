"""The database's tables, how a connection to them is opened, and what SQLite's errors mean for people.

Blobs have a file of their own: the check at start-up reads the journal's file in full, and must not have to
read gigabytes of proofs to find out that the journal is whole. A blob is checked when it is read.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import Final

from gpn_desktop.adapters.sqlite.codec import CodecError, decode, unseal
from gpn_desktop.core.errors import GpnError, StoreCorrupt, StoreForbidden, StoreFull, StoreLocked
from gpn_desktop.core.history import took_ms
from gpn_desktop.ports.store import JobRow

VERSION: Final = 4

_LEDGER: Final = """
CREATE TABLE ledger (
    request_id BLOB PRIMARY KEY,
    key BLOB NOT NULL,
    finalize_at INTEGER NOT NULL,
    place INTEGER NOT NULL,
    of INTEGER NOT NULL,
    settled_ms INTEGER NOT NULL,
    settled_block INTEGER NOT NULL,
    consumer BLOB NOT NULL,
    reward INTEGER NOT NULL,
    proved INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    paid_block INTEGER NOT NULL,
    tx BLOB,
    tx_block INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX ledger_by_time ON ledger (settled_ms, request_id, consumer, proved, verified);
CREATE INDEX ledger_by_share ON ledger (proved + verified, request_id);
CREATE INDEX ledger_by_consumer ON ledger (consumer, settled_ms, request_id);
CREATE INDEX ledger_of_settlements ON ledger (key, finalize_at);
CREATE INDEX ledger_open ON ledger (settled_ms, request_id, paid_block) WHERE tx IS NULL;
"""

_ORDERS: Final = """
CREATE INDEX jobs_by_reward ON jobs (reward, received_ms, number);
CREATE INDEX jobs_by_earned ON jobs (earned, received_ms, number);
CREATE INDEX jobs_by_took ON jobs (took, received_ms, number);
"""

TABLES: Final = (
    """
CREATE TABLE statements (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id BLOB NOT NULL,
    consumer BLOB NOT NULL,
    is_request INTEGER NOT NULL,
    own INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    identity BLOB NOT NULL,
    UNIQUE (request_id, identity)
);
CREATE INDEX statements_by_consumer ON statements (consumer, cursor);
CREATE INDEX statements_of_requests ON statements (request_id, cursor) WHERE is_request;
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id BLOB NOT NULL UNIQUE,
    consumer BLOB NOT NULL,
    ref TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    open INTEGER NOT NULL,
    search TEXT NOT NULL,
    body BLOB NOT NULL,
    reward INTEGER NOT NULL DEFAULT 0,
    earned INTEGER NOT NULL DEFAULT 0,
    took INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX jobs_by_ref ON jobs (ref, consumer);
CREATE INDEX jobs_by_time ON jobs (received_ms, number);
"""
    + _ORDERS
    + """
CREATE TABLE settlements (
    key BLOB PRIMARY KEY, finalize_at INTEGER NOT NULL, open INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE withdrawals (tx BLOB PRIMARY KEY, time_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE txs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    intent TEXT NOT NULL UNIQUE,
    nonce INTEGER NOT NULL,
    open INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX txs_open ON txs (nonce) WHERE open;
CREATE TABLE facts (name TEXT PRIMARY KEY, body BLOB NOT NULL);
"""
    + _LEDGER
)

# From the version before to this one. What version 1 knew as mined counts as settled: it asked no further.
_MIGRATIONS: Final = {
    2: """
DROP INDEX txs_pending;
ALTER TABLE txs RENAME TO txs_1;
CREATE TABLE txs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    intent TEXT NOT NULL UNIQUE,
    nonce INTEGER NOT NULL,
    open INTEGER NOT NULL,
    body BLOB NOT NULL
);
INSERT INTO txs (intent, nonce, open, body) SELECT intent, nonce, pending, body FROM txs_1 ORDER BY rowid;
DROP TABLE txs_1;
CREATE INDEX txs_open ON txs (nonce) WHERE open;
""",
    3: _LEDGER,
    # What they hold is in the body, which only Python reads: job_figure is made for this step.
    4: "".join(
        f"ALTER TABLE jobs ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0; "
        f"UPDATE jobs SET {name} = job_figure('{name}', request_id, body); "
        for name in ("reward", "earned", "took")
    )
    + _ORDERS,
}

_MOST: Final = 2**63 - 1  # an INTEGER of SQLite; a reward may be dearer, and is then the dearest
_FULL: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
_CORRUPT: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_LOCKED: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def blob_path(path: Path) -> Path:
    """Where the blobs of the store at ``path`` are."""
    return path.with_name(path.stem + "-blobs" + path.suffix)


def lock_path(path: Path) -> Path:
    """Whose holder may use the store at ``path``."""
    return path.with_suffix(".lock")


def translate(error: sqlite3.Error | CodecError | OSError, path: Path) -> GpnError:
    """What an error of SQLite, of a row's content or of the file system means."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if isinstance(error, CodecError) or code in _CORRUPT:
        return StoreCorrupt(f"The database {path} is damaged: {error}.")
    if code in _LOCKED:
        return StoreLocked(f"The database {path} is in use by another program.")
    if _is_forbidden(error, code, path):
        return StoreForbidden(f"The database {path} cannot be written: {error}.")
    if isinstance(error, OSError) or code in _FULL:
        return StoreFull(f"The database {path} cannot be written: {error}.")
    return StoreCorrupt(f"The database {path} refused an operation: {error}.")


def _is_forbidden(error: Exception, code: int, path: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    unwritable = path.exists() and not os.access(path, os.R_OK | os.W_OK)
    return code == sqlite3.SQLITE_READONLY or (code == sqlite3.SQLITE_CANTOPEN and unwritable)


def create_private(path: Path) -> None:
    """Make the file, readable by its owner alone; SQLite gives its companions the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def connect(path: Path) -> sqlite3.Connection:
    """A connection with both files, in WAL mode; every commit is on the disk when it returns."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=5, cached_statements=64)
    try:
        connection.execute("ATTACH ? AS blobs", (str(blob_path(path)),))
        for schema in ("main", "blobs"):
            connection.execute(f"PRAGMA {schema}.journal_mode=WAL")
            connection.execute(f"PRAGMA {schema}.synchronous=FULL")
            connection.execute(f"PRAGMA {schema}.journal_size_limit=67108864")
        # macOS alone: there a plain fsync leaves the data in the drive's cache.
        connection.execute("PRAGMA fullfsync=1")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_writer(path: Path, tip: int) -> sqlite3.Connection:
    """The writer's connection, to a checked database of this version.

    ``tip``: the number of the last own statement that is known to have been in it.

    Raises:
        sqlite3.Error, and StoreCorrupt for what ``quick_check`` finds, for a later version's file, and for a
        journal that ends before the tip.
    """
    connection = connect(path)
    try:
        _prepare(connection, path, tip)
    except BaseException:
        connection.close()
        raise
    return connection


def _job_figure(name: str, request_id: bytes, body: bytes) -> int:
    try:
        return order_figures(decode(unseal(body, request_id), JobRow))[name]
    except CodecError:
        # A damaged row is told of when it is read; it does not keep all others from being opened.
        return 0


def order_figures(row: JobRow) -> dict[str, int]:
    """What jobs are sorted by, in columns of these names."""
    figures = {"reward": int(row.reward), "earned": int(row.earned), "took": took_ms(row)}
    return {name: min(value, _MOST) for name, value in figures.items()}


def _check_end(connection: sqlite3.Connection, path: Path, version: int, tip: int) -> None:
    query = "SELECT seq FROM sqlite_sequence WHERE name = 'statements'"
    found = connection.execute(query).fetchone() if version else None
    last = found[0] if found is not None else 0
    if last < tip:
        raise StoreCorrupt(
            f"The database {path} ends at statement {last}, and this node has signed number {tip}: it is an "
            "older copy, or its end is lost."
        )


def _prepare(connection: sqlite3.Connection, path: Path, tip: int) -> None:
    (verdict,) = connection.execute("PRAGMA main.quick_check(1)").fetchone()
    if verdict != "ok":
        raise StoreCorrupt(f"The database {path} is damaged: {verdict}.")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise StoreCorrupt(
            f"The database {path} was written by a later version of the node.",
            remedy="Install that version again, or choose another data folder.",
        )
    _check_end(connection, path, version, tip)
    if version == 0:
        connection.executescript(f"BEGIN; {TABLES} PRAGMA user_version={VERSION}; COMMIT;")
    else:
        connection.create_function("job_figure", 3, _job_figure, deterministic=True)
        for step in range(version + 1, VERSION + 1):
            connection.executescript(f"BEGIN; {_MIGRATIONS[step]} PRAGMA user_version={step}; COMMIT;")
    columns = "hash BLOB PRIMARY KEY, time_ms INTEGER NOT NULL, data BLOB NOT NULL"
    connection.execute(f"CREATE TABLE IF NOT EXISTS blobs.blobs ({columns})")
    columns = "request_id BLOB NOT NULL, role TEXT NOT NULL, time_ms INTEGER NOT NULL, body BLOB NOT NULL"
    connection.execute(f"CREATE TABLE IF NOT EXISTS blobs.logs ({columns}, PRIMARY KEY (request_id, role))")
