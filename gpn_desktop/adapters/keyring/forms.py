"""``ports.vault.KeyForms``: keys as hex, as words (BIP-39), as encrypted keystores."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from gpn_desktop.adapters.keyring.files import SCRYPT_N, KeystoreSecrets, decrypt_text
from gpn_desktop.adapters.keyring.keys import key_from_hex, key_from_secret
from gpn_desktop.core.errors import KeyUnusable, MnemonicWrong
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.ports.vault import ACCOUNT_PATH

WORD_COUNTS = (12, 15, 18, 21, 24)


class SystemKeyForms:
    """Args:
    scrypt_n: the work of a new keystore's passphrase; less of it only in tests.
    """

    def __init__(self, scrypt_n: int = SCRYPT_N) -> None:
        self._n = scrypt_n

    async def words(self) -> str:
        return await asyncio.to_thread(_new_words)

    async def from_words(self, words: str, passphrase: str = "", path: str = ACCOUNT_PATH) -> NodeKey:
        return await asyncio.to_thread(_from_words, words, passphrase, path)

    async def from_hex(self, text: str) -> NodeKey:
        return key_from_hex(text)

    async def from_keystore(self, text: str, passphrase: str) -> NodeKey:
        return await asyncio.to_thread(decrypt_text, "", text, passphrase)

    async def read_keystore(self, path: Path, passphrase: str) -> NodeKey:
        return await KeystoreSecrets(path, _given(passphrase), self._n).load()

    async def write_keystore(self, path: Path, key: NodeKey, passphrase: str) -> None:
        await KeystoreSecrets(path, _given(passphrase), self._n).save(key)

    async def remove(self, path: Path) -> None:
        try:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        except OSError as error:
            raise KeyUnusable(f"The key file {path} can't be removed: {error.strerror}.") from error


class _given:  # noqa: N801 - a function with a memory
    """A passphrase that is known already, as ``Passphrase`` asks for it; its repr shows nothing."""

    def __init__(self, passphrase: str) -> None:
        self._passphrase = passphrase

    async def __call__(self) -> str:
        return self._passphrase


def _new_words() -> str:
    from eth_account.hdaccount.mnemonic import Mnemonic

    return str(Mnemonic().generate(12))


def _from_words(words: str, passphrase: str, path: str) -> NodeKey:
    from eth_account.hdaccount import key_from_seed, seed_from_mnemonic
    from eth_account.hdaccount.mnemonic import Mnemonic

    said = words.lower().split()
    if len(said) not in WORD_COUNTS:
        raise MnemonicWrong(f"These are {len(said)} words; a backup has 12, 15, 18, 21 or 24.")
    book = Mnemonic()
    known = set(book.wordlist)
    for number, word in enumerate(said, start=1):
        if word not in known:
            # A mistyped word gives nothing away; all of them together would.
            raise MnemonicWrong(f"Word {number}, “{word[:16]}”, is in no list of backup words.")
    if not book.is_mnemonic_valid(" ".join(said)):
        raise MnemonicWrong(
            "Each word is right, but not all of them together: one is another, or out of place."
        )
    try:
        secret = key_from_seed(seed_from_mnemonic(" ".join(said), passphrase), path)
    except (ValueError, TypeError, IndexError) as error:
        raise KeyUnusable(f"The derivation path is not one: {type(error).__name__}.") from None
    return key_from_secret(bytes(secret))


def is_keystore(text: str) -> bool:
    """Whether a text looks like a keystore, so that its passphrase is worth asking for."""
    try:
        return isinstance(found := json.loads(text), dict) and "version" in found
    except ValueError:
        return False
