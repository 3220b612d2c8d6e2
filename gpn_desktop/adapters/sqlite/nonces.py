"""``ports.nonces.NonceBook`` in a small SQLite file that all processes of one user share.

No process keeps it open: each step takes SQLite's write lock, looks, signs, writes, and is on the disk before
it returns. A signature that was lost with its process is in the book too, and its nonce is not used again.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from gpn_desktop.adapters.sqlite.codec import CodecError, decode_any, encode, seal, unseal
from gpn_desktop.adapters.sqlite.schema import create_private, translate
from gpn_desktop.core.errors import NonceUsed, StoreCorrupt
from gpn_desktop.core.messages import Signed
from gpn_desktop.core.types import Address, Domain, Request
from gpn_desktop.ports.nonces import IsSame, SignAt

LOCK_SECONDS: Final = 30.0  # a step takes milliseconds; this is for a slow disk
DAMAGED_REMEDY: Final = (
    "Restore it from a backup. If there is none, move it away, retire all open nonces with `gpn-desktop "
    "consumer retire-nonces`, and sign nothing until that is done."
)
VERSION: Final = 1
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS signed (domain TEXT NOT NULL, consumer BLOB NOT NULL, nonce BLOB NOT NULL, "
    "body BLOB NOT NULL, PRIMARY KEY (domain, consumer, nonce)) WITHOUT ROWID"
)

T = TypeVar("T")


class SqliteNonceBook:
    def __init__(self, path: Path) -> None:
        self._path = path

    async def sign_once(
        self, domain: Domain, consumer: Address, base: int, free: Sequence[int], sign: SignAt, same: IsSame
    ) -> Signed[Request]:
        whose = _whose(domain, consumer)

        def step(db: sqlite3.Connection) -> Signed[Request]:
            db.execute(
                "DELETE FROM signed WHERE domain = ? AND consumer = ? AND nonce < ?", (*whose, _key(base))
            )
            taken = _rows(db, whose)
            for earlier in taken:
                if same(earlier.message):
                    return earlier
            used = {earlier.message.nonce for earlier in taken}
            nonce = next((nonce for nonce in free if nonce not in used), None)
            if nonce is None:
                raise NonceUsed("All nonces of the window are in use; wait for settlements.")
            signed = sign(nonce)
            body = seal(encode(signed, Signed[Request]), *_context(whose), _key(nonce))
            db.execute("INSERT INTO signed VALUES (?, ?, ?, ?)", (*whose, _key(nonce), body))
            return signed

        return await self._do(step)

    async def signed(self, domain: Domain, consumer: Address) -> list[Signed[Request]]:
        return await self._do(lambda db: _rows(db, _whose(domain, consumer)))

    async def discard(self, domain: Domain, signed: Signed[Request]) -> None:
        key = (*_whose(domain, signed.signer), _key(signed.message.nonce))

        def step(db: sqlite3.Connection) -> None:
            if signed in _rows(db, key[:2]):
                db.execute("DELETE FROM signed WHERE domain = ? AND consumer = ? AND nonce = ?", key)

        await self._do(step)

    async def _do(self, step: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.to_thread(self._transact, step)

    def _prepare(self, db: sqlite3.Connection) -> None:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise StoreCorrupt(
                f"The book of signed nonces {self._path} was written by a later version of this program.",
                remedy="Install that version again: signing without the book may cost a part of the deposit.",
            )
        db.execute(_TABLE)
        if version < VERSION:
            db.execute(f"PRAGMA user_version={VERSION}")

    def _transact(self, step: Callable[[sqlite3.Connection], T]) -> T:
        try:
            create_private(self._path)
            with closing(sqlite3.connect(self._path, isolation_level=None, timeout=LOCK_SECONDS)) as db:
                db.execute("PRAGMA synchronous=FULL")
                db.execute("PRAGMA fullfsync=1")  # macOS alone: a plain fsync leaves it in the drive's cache
                db.execute("BEGIN IMMEDIATE")
                try:
                    self._prepare(db)
                    result = step(db)
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
                return result
        except (sqlite3.Error, CodecError, OSError) as error:
            found = translate(error, self._path)
            if isinstance(found, StoreCorrupt):
                found.remedy = DAMAGED_REMEDY
            raise found from error


def _whose(domain: Domain, consumer: Address) -> tuple[str, bytes]:
    """The key of a consumer's rows: written out, since a form that moves with the code would lose them."""
    name = f"{domain.name}/{domain.version}/{domain.chain_id}/{domain.contract.hex()}"
    return name, consumer


def _context(whose: tuple[str, bytes]) -> tuple[bytes, bytes]:
    return whose[0].encode(), whose[1]


def _key(nonce: int) -> bytes:
    """Nonces have 64 bits without a sign; as bytes they sort like numbers."""
    return nonce.to_bytes(8, "big")


def _rows(db: sqlite3.Connection, whose: tuple[str, bytes]) -> list[Signed[Request]]:
    found = db.execute(
        "SELECT nonce, body FROM signed WHERE domain = ? AND consumer = ? ORDER BY nonce", whose
    )
    return [decode_any(unseal(body, *_context(whose), nonce), Signed[Request]) for nonce, body in found]
