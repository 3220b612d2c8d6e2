"""The wallet: every way in, what is refused, and that no secret is ever said."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend

from gpn_desktop.adapters.keyring import KeyringSecrets, SystemKeyForms
from gpn_desktop.adapters.system.clock import SystemClock
from gpn_desktop.adapters.system.preferences import FileDocument
from gpn_desktop.core.errors import (
    GpnError,
    KeyExists,
    KeyLocked,
    KeyMissing,
    KeyringUnavailable,
    KeyUnusable,
    MnemonicWrong,
    PassphraseWrong,
)
from gpn_desktop.core.types import hex0x
from gpn_desktop.services.wallet import Place, Wallet

# The first account of the words that every development chain knows.
WORDS = "test test test test test test test test test test test junk"
ADDRESS = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
SECRET = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
OTHER = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
PASSPHRASE = "correct horse battery"
FAST = 2**10


class Backend(KeyringBackend):
    name = "Secret Service"  # type: ignore[assignment]
    priority = 1.0  # type: ignore[assignment]

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], str] = {}
        self.answers = threading.Event()
        self.answers.set()
        self.locked = False

    def _ask(self) -> None:
        self.answers.wait()
        if self.locked:
            raise RuntimeError(f"locked, but holds {SECRET}")

    def get_password(self, service: str, username: str) -> str | None:
        self._ask()
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._ask()
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._ask()
        del self.held[service, username]


@pytest.fixture
def backend() -> Backend:
    return Backend()


def wallet_in(folder: Path, backend: Backend, within: float = 5.0) -> Wallet:
    return Wallet(
        KeyringSecrets("node", within, backend),
        SystemKeyForms(FAST),
        folder / "key.json",
        FileDocument(folder / "wallet.json"),
        SystemClock(),
    )


@pytest.fixture
def wallet(tmp_path: Path, backend: Backend) -> Wallet:
    return wallet_in(tmp_path, backend)


async def test_a_new_key_is_twelve_words_that_restore_it(
    wallet: Wallet, tmp_path: Path, backend: Backend
) -> None:
    assert (await wallet.look()).place is Place.NONE
    words = await wallet.new_words()
    assert len(words.split()) == 12
    address = await wallet.import_words(words)
    state = await wallet.look()
    assert (state.place, state.address, state.backed_up) == (Place.KEYRING, address, False)

    await wallet.test_words(words)
    assert wallet.state.backed_up
    again = wallet_in(tmp_path, backend)
    assert (await again.look()).backed_up, "it is remembered"
    assert (await again.load()).address == address


async def test_each_way_in_gives_the_same_key(wallet: Wallet, tmp_path: Path) -> None:
    assert hex0x(await wallet.import_words(f"  {WORDS.upper()} ")) == ADDRESS
    assert hex0x(await wallet.import_hex(f"0x{SECRET}")) == ADDRESS
    await wallet.export_keystore(tmp_path / "out.json", PASSPHRASE)
    text = (tmp_path / "out.json").read_text()
    assert SECRET not in text
    assert hex0x(await wallet.import_keystore(text, PASSPHRASE)) == ADDRESS
    assert wallet.state.backed_up, "it was just decrypted"


async def test_a_backup_counts_only_when_a_restore_passed(wallet: Wallet, tmp_path: Path) -> None:
    await wallet.import_hex(SECRET)
    path = tmp_path / "backup.json"
    await wallet.export_keystore(path, PASSPHRASE)
    assert not wallet.state.backed_up
    with pytest.raises(PassphraseWrong):
        await wallet.test_restore(path, "wrong horse battery")
    with pytest.raises(KeyMissing):
        await wallet.test_restore(tmp_path / "elsewhere.json", PASSPHRASE)
    damaged = json.loads(path.read_text())
    damaged["crypto"]["ciphertext"] = damaged["crypto"]["ciphertext"][:-8]
    (tmp_path / "damaged.json").write_text(json.dumps(damaged))
    with pytest.raises(KeyUnusable):
        await wallet.test_restore(tmp_path / "damaged.json", PASSPHRASE)
    assert not wallet.state.backed_up
    await wallet.test_restore(path, PASSPHRASE)
    assert wallet.state.backed_up

    another = wallet_in(tmp_path / "b", Backend())
    await another.import_hex(OTHER)
    with pytest.raises(KeyUnusable, match="in use is that of"):
        await another.test_restore(path, PASSPHRASE)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("test " * 11 + "jnuk", "Word 12, “jnuk”"),
        ("test " * 12, "not all of them together"),
        ("test " * 5, "5 words"),
        ("", "0 words"),
        ("test " * 11 + "<script>" + "x" * 500, "Word 12, “<script>xxxxxxxx”"),
    ],
)
async def test_a_mistake_in_the_words_is_named(wallet: Wallet, words: str, said: str) -> None:
    with pytest.raises(MnemonicWrong, match="".join(said)) as caught:
        await wallet.import_words(words)
    assert caught.value.code == "GPN-1122"
    assert len(str(caught.value)) < 250


async def test_a_keystore_that_would_take_all_day_is_refused(wallet: Wallet, tmp_path: Path) -> None:
    await wallet.import_hex(SECRET)
    await wallet.export_keystore(tmp_path / "out.json", PASSPHRASE)
    heavy = json.loads((tmp_path / "out.json").read_text())
    heavy["crypto"]["kdfparams"]["n"] = 2**40
    with pytest.raises(KeyUnusable, match="more work"):
        await wallet.import_keystore(json.dumps(heavy), PASSPHRASE)
    for text in ("", "[]", "{}", '{"version": 3}', "\x00", "null"):
        with pytest.raises(KeyUnusable):
            await wallet.import_keystore(text, PASSPHRASE)


async def test_a_key_without_a_tested_backup_is_not_replaced(wallet: Wallet, tmp_path: Path) -> None:
    await wallet.import_hex(SECRET)
    with pytest.raises(KeyExists):
        await wallet.import_hex(OTHER)
    with pytest.raises(KeyExists, match="no tested backup"):
        await wallet.import_hex(OTHER, replacing=ADDRESS)
    await wallet.test_words(WORDS)
    with pytest.raises(KeyExists):
        await wallet.import_hex(OTHER, replacing="0x" + "11" * 20)
    assert hex0x(await wallet.import_hex(OTHER, replacing=ADDRESS)) != ADDRESS
    assert not wallet.state.backed_up


async def test_without_a_keyring_a_passphrase_is_needed_and_locks(tmp_path: Path, backend: Backend) -> None:
    backend.locked = True
    wallet = wallet_in(tmp_path, backend)
    state = await wallet.look()
    assert state.keyring == ""
    assert KeyringUnavailable.code in state.why
    with pytest.raises(KeyringUnavailable):
        await wallet.import_hex(SECRET)
    with pytest.raises(KeyUnusable, match="8 are the least"):
        await wallet.import_hex(SECRET, passphrase="short")
    await wallet.import_hex(SECRET, passphrase=PASSPHRASE)
    assert wallet.state.place is Place.KEYSTORE
    assert (tmp_path / "key.json").stat().st_mode & 0o077 == 0

    again = wallet_in(tmp_path, backend)
    assert (await again.look()).locked
    assert hex0x(again.state.address or b"") == ADDRESS
    with pytest.raises(KeyLocked):
        await again.load()
    with pytest.raises(PassphraseWrong):
        await again.unlock("wrong horse battery")
    await again.unlock(PASSPHRASE)
    assert hex0x((await again.load()).address) == ADDRESS
    again.lock()
    assert again.state.locked
    with pytest.raises(KeyLocked):
        await again.load()


async def test_a_keyring_that_never_answers_holds_nothing_up(tmp_path: Path, backend: Backend) -> None:
    backend.answers.clear()
    wallet = wallet_in(tmp_path, backend, within=0.1)
    async with asyncio.timeout(5):
        state = await wallet.look()
    assert "did not answer" in state.why
    backend.answers.set()


async def test_damaged_notes_cost_the_memory_of_backups_and_no_key(wallet: Wallet, tmp_path: Path) -> None:
    await wallet.import_hex(SECRET)
    await wallet.test_words(WORDS)
    for text in ("{", '{"tested": 3}', '{"place": "moon"}', '{"address": "0x12"}'):
        (tmp_path / "wallet.json").write_text(text)
        again = wallet_in(tmp_path, wallet.keyring._given)  # type: ignore[attr-defined]
        state = await again.look()
        assert hex0x(state.address or b"") == ADDRESS
        assert not state.backed_up


async def test_no_secret_is_said(
    wallet: Wallet, tmp_path: Path, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    await wallet.import_words(WORDS)
    await wallet.export_keystore(tmp_path / "out.json", PASSPHRASE)
    bad = SECRET[:-1] + "g"
    for attempt in (
        wallet.import_hex(bad),
        wallet.import_words(WORDS.replace("junk", "jnuk")),
        wallet.test_restore(tmp_path / "out.json", PASSPHRASE + "x"),
        wallet.import_hex(OTHER),
    ):
        with pytest.raises(GpnError) as caught:
            await attempt
        said.append(str(caught.value) + repr(caught.value.__cause__))
    backend.locked = True
    said += [str(await wallet.look()), repr(wallet), (tmp_path / "wallet.json").read_text(), caplog.text]
    for words in said:
        for secret in (SECRET, SECRET[:-1], PASSPHRASE, "test test", OTHER):
            assert secret not in words


async def test_who_watches_is_told(wallet: Wallet) -> None:
    seen = []
    undo = wallet.subscribe(lambda: seen.append(wallet.state.place))
    await wallet.import_hex(SECRET)
    assert seen[-1] is Place.KEYRING
    undo()
    await wallet.test_words(WORDS)
    assert wallet.state.backed_up
    assert seen[-1] is Place.KEYRING
    assert len(seen) <= 2
