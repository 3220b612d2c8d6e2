"""Key files: the encrypted keystore (version 3, as other Ethereum programs write it), and the raw one.

A raw key is read for servers that were set up with one, never written. All files are written whole or not at
all, readable by their owner alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from gpn_desktop.adapters.files import replace_file
from gpn_desktop.adapters.keyring.keys import key_from_hex, key_from_secret
from gpn_desktop.core import jsontext
from gpn_desktop.core.errors import KeyMissing, KeyUnusable, PassphraseWrong
from gpn_desktop.core.types import hex0x
from gpn_desktop.ports.secrets import NodeKey

log = logging.getLogger(__name__)

Passphrase = Callable[[], Awaitable[str]]
"""Asks for the passphrase, whenever one is needed."""

SCRYPT_N: Final = 2**18  # a second of work for whoever guesses
MAX_FILE: Final = 64 * 1024
MAX_SCRYPT_MEMORY: Final = 2**30  # bytes: 128 · n · r
MAX_SCRYPT_WORK: Final = 2**25  # n · r · p
MAX_PBKDF2: Final = 10_000_000
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
)
"""What reading a file of any content can end with; the library asserts and looks up unchecked."""


class KeystoreSecrets:
    """``ports.secrets.Secrets`` in a keystore file, encrypted with a passphrase; scrypt with ``n`` rounds."""

    def __init__(self, path: Path, passphrase: Passphrase, n: int = SCRYPT_N) -> None:
        self._path = path
        self._passphrase = passphrase
        self._n = n

    async def load(self) -> NodeKey:
        text = await asyncio.to_thread(_read, self._path, False)
        return await asyncio.to_thread(_decrypt, self._path, text, await self._passphrase())

    async def save(self, key: NodeKey) -> None:
        passphrase = await self._passphrase()
        if not passphrase:
            raise KeyUnusable("An empty passphrase protects nothing.", remedy="Choose a passphrase.")
        await asyncio.to_thread(self._write, key, passphrase)

    def _write(self, key: NodeKey, passphrase: str) -> None:
        from eth_account import Account

        keystore = Account.encrypt(key.secret, passphrase, kdf="scrypt", iterations=self._n)
        try:
            replace_file(self._path, json.dumps(keystore))
        except OSError as error:
            raise KeyUnusable(
                f"The key file {self._path} cannot be written: {error.strerror}.",
                remedy="Choose another folder, or free space.",
            ) from error
        if _decrypt(self._path, _read(self._path, False), passphrase) != key:
            raise KeyUnusable(f"The key file {self._path} does not hold the key that was written.")


class KeyFileSecrets:
    """``ports.secrets.Secrets`` in the file that PRIVATE_KEY_PATH names: a keystore, or a raw key in hex."""

    def __init__(self, path: Path, passphrase: Passphrase | None = None, n: int = SCRYPT_N) -> None:
        self._path = path
        self._passphrase = passphrase
        self._n = n

    async def load(self) -> NodeKey:
        text = await asyncio.to_thread(_read, self._path, True)
        if text.lstrip().startswith("{"):
            return await asyncio.to_thread(_decrypt, self._path, text, await self._ask())
        key = key_from_hex(text)
        log.warning("The node key lies unencrypted in %s; a keystore or the keyring is safer.", self._path)
        return key

    async def save(self, key: NodeKey) -> None:
        await KeystoreSecrets(self._path, self._ask, self._n).save(key)

    async def _ask(self) -> str:
        if self._passphrase is None:
            raise KeyUnusable(f"The key file {self._path} needs a passphrase.")
        return await self._passphrase()


def _read(path: Path, raw_allowed: bool) -> str:
    """The file's text; a raw key only from a file that nobody else can read."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        raise KeyMissing(f"There is no key file {path}.") from None
    except OSError as error:
        raise KeyUnusable(f"The key file {path} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_FILE:
        raise KeyUnusable(f"The file {path} is too large for a key file.")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise KeyUnusable(f"The file {path} is no key file.") from None
    if not text.lstrip().startswith("{"):
        if not raw_allowed:
            raise KeyUnusable(f"The file {path} is no keystore.")
        if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
            raise KeyUnusable(
                f"The key file {path} can be read by others.",
                remedy=f"Make it private: chmod 600 {path}. If others had access, use a new key.",
            )
    return text


def decrypt_text(name: str, text: str, passphrase: str) -> NodeKey:
    """The key of a keystore's text; ``name`` is the file's for people, "" where it came by itself."""
    return _decrypt(name or "that was given", text, passphrase)


def _decrypt(path: Path | str, text: str, passphrase: str) -> NodeKey:
    from eth_account import Account

    damaged = f"The keystore {path} is damaged"
    try:
        keystore = jsontext.parse(text)
        _check_cost(path, keystore)
        secret = bytes(Account.decrypt(keystore, passphrase))
        claimed = str(keystore.get("address", ""))
    except _UNREADABLE as error:
        # The library tells a wrong passphrase from a damaged file by this text alone.
        wrong = "MAC mismatch" in str(error)
        raise (PassphraseWrong(f"The passphrase of the keystore {path} is wrong.") if wrong
               else KeyUnusable(f"{damaged}.")) from None  # fmt: skip
    key = key_from_secret(secret)
    if claimed and claimed.lower().removeprefix("0x") != key.address.hex():
        raise KeyUnusable(f"{damaged}: it claims another address than {hex0x(key.address)}.")
    return key


def _check_cost(path: Path | str, keystore: dict[str, Any]) -> None:
    """Refuse parameters that would take all memory or all day: the file may have come from anywhere."""
    if keystore["version"] != 3:
        raise KeyUnusable(f"The keystore {path} is not of version 3.")
    crypto = keystore.get("crypto") or keystore["Crypto"]
    cost = crypto["kdfparams"]
    if crypto["kdf"] == "scrypt":
        n, r, p = int(cost["n"]), int(cost["r"]), int(cost["p"])
        bearable = 128 * n * r <= MAX_SCRYPT_MEMORY and n * r * p <= MAX_SCRYPT_WORK
    else:
        bearable = int(cost["c"]) <= MAX_PBKDF2
    if not bearable or not 32 <= int(cost["dklen"]) <= 64:
        raise KeyUnusable(f"The keystore {path} asks for more work than any honest one.")
