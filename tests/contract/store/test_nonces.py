"""No nonce is signed twice: not by two programs at once, not after a crash, not on a second deployment."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gpn_desktop.adapters.sqlite import SqliteNonceBook
from gpn_desktop.core.eip712 import address_of_secret, keccak
from gpn_desktop.core.errors import NonceUsed, StoreCorrupt, StoreFull
from gpn_desktop.core.messages import Signed
from gpn_desktop.core.types import Address, Details, Domain, Gwei, Request
from gpn_desktop.ports.nonces import NonceBook, SignAt
from gpn_desktop.services.consumer import SignedHere

SECRET = keccak(b"a consumer")
CONSUMER = address_of_secret(SECRET)
DOMAIN = Domain(1, Address(b"\1" * 20))
WINDOW = range(128)


def at(domain: Domain = DOMAIN, ref: str = "ref") -> SignAt:
    def sign(nonce: int) -> Signed[Request]:
        details = Details(60, keccak(b"image"), 7, ref)
        request = Request(CONSUMER, nonce, Gwei(2000), 1_000, 2, 1, keccak(b"payload"), details)
        return Signed[Request].sign(request, SECRET, CONSUMER, domain)

    return sign


def new(request: Request) -> bool:
    return False


@pytest.fixture(params=["sqlite", "memory"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> NonceBook:
    return SqliteNonceBook(tmp_path / "nonces.db") if request.param == "sqlite" else SignedHere()


async def test_each_signature_has_a_nonce_of_its_own(book: NonceBook) -> None:
    signed = [await book.sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(), new) for _ in range(3)]
    assert [s.message.nonce for s in signed] == [0, 1, 2]
    assert await book.signed(DOMAIN, CONSUMER) == signed


async def test_the_same_order_is_the_same_request(book: NonceBook) -> None:
    first = await book.sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(ref="one"), new)
    again = await book.sign_once(
        DOMAIN, CONSUMER, 0, WINDOW, at(ref="x"), lambda request: request.details.ref == "one"
    )
    assert again == first
    assert len(await book.signed(DOMAIN, CONSUMER)) == 1


async def test_what_the_window_has_passed_is_forgotten(book: NonceBook) -> None:
    for _ in range(3):
        await book.sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(), new)
    later = await book.sign_once(DOMAIN, CONSUMER, 2, range(2, 130), at(), new)
    assert [s.message.nonce for s in await book.signed(DOMAIN, CONSUMER)] == [2, 3]
    assert later.message.nonce == 3


async def test_a_full_window_is_an_error(book: NonceBook) -> None:
    await book.sign_once(DOMAIN, CONSUMER, 0, [5], at(), new)
    with pytest.raises(NonceUsed):
        await book.sign_once(DOMAIN, CONSUMER, 0, [5], at(), new)


async def test_deployments_and_consumers_have_nonces_of_their_own(book: NonceBook) -> None:
    await book.sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(), new)
    elsewhere = replace(DOMAIN, chain_id=2)
    other = await book.sign_once(elsewhere, CONSUMER, 0, WINDOW, at(elsewhere), new)
    assert other.message.nonce == 0
    somebody = await book.sign_once(DOMAIN, Address(b"\2" * 20), 0, WINDOW, at(), new)
    assert somebody.message.nonce == 0


async def test_only_the_very_request_is_discarded(book: NonceBook) -> None:
    first = await book.sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(ref="one"), new)
    await book.discard(DOMAIN, first)
    second = await book.sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(ref="two"), new)
    assert second.message.nonce == 0


async def test_a_discarded_request_takes_no_later_one_with_it(tmp_path: Path) -> None:
    book = SqliteNonceBook(tmp_path / "nonces.db")
    first = await book.sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(ref="one"), new)
    await book.discard(DOMAIN, first)
    await book.sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(ref="two"), new)
    await book.discard(DOMAIN, first)
    assert [s.message.details.ref for s in await book.signed(DOMAIN, CONSUMER)] == ["two"]


async def test_many_at_once(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "nonces.db"
    signed = await asyncio.gather(
        *(SqliteNonceBook(path).sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(), new) for _ in range(40))
    )
    assert sorted(s.message.nonce for s in signed) == list(range(40))
    assert path.stat().st_mode & 0o077 == 0


_DYING = """
import asyncio, os, sys
from pathlib import Path
from gpn_desktop.adapters.sqlite import SqliteNonceBook
from tests.contract.store.test_nonces import DOMAIN, CONSUMER, WINDOW, at, new
async def main():
    book = SqliteNonceBook(Path(sys.argv[1]))
    for _ in range(100):
        signed = await book.sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(), new)
        print(signed.message.nonce, flush=True)
asyncio.run(main())
"""


async def test_what_left_a_killed_process_is_in_the_book(tmp_path: Path) -> None:
    path = tmp_path / "nonces.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _DYING, str(path), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    seen = [int(await process.stdout.readline()) for _ in range(5)]
    process.kill()
    seen += [int(line) for line in (await process.stdout.read()).split()]
    await process.wait()
    nonces = [s.message.nonce for s in await SqliteNonceBook(path).signed(DOMAIN, CONSUMER)]
    assert set(seen) <= set(nonces)
    fresh = await SqliteNonceBook(path).sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(), new)
    assert fresh.message.nonce not in seen


def damage_file(path: Path) -> None:
    path.write_bytes(b"no database at all, and long enough to be looked at" * 100)


def damage_row(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("UPDATE signed SET body = X'00'")


@pytest.mark.parametrize("damage", [damage_file, damage_row])
async def test_nothing_is_signed_beside_a_damaged_book(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "nonces.db"
    await SqliteNonceBook(path).sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(), new)
    damage(path)
    with pytest.raises(StoreCorrupt, match="retire-nonces"):
        await SqliteNonceBook(path).sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(), new)


async def test_nothing_is_signed_beside_a_later_version_s_book(tmp_path: Path) -> None:
    path = tmp_path / "nonces.db"
    await SqliteNonceBook(path).sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(), new)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(StoreCorrupt, match="later version"):
        await SqliteNonceBook(path).sign_once(DOMAIN, CONSUMER, 0, WINDOW, at(), new)


async def test_nothing_is_signed_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreFull):
        await SqliteNonceBook(tmp_path / "file" / "nonces.db").sign_once(
            DOMAIN, CONSUMER, 0, WINDOW, at(), new
        )
