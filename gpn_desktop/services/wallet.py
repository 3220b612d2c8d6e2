"""The node's key in the operator's hands: made, imported, exported, backed up, locked.

Works without a node, since a node needs a key first. A new key is made of twelve words: people can write
words down, and every other wallet can restore them. The words are kept nowhere; whoever does not write them
down has the keystore export. A backup counts only once a restore of it was tested.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final

from gpn_desktop.core import jsontext
from gpn_desktop.core.errors import (
    KeyExists,
    KeyLocked,
    KeyMissing,
    KeyringUnavailable,
    KeyUnusable,
    PassphraseWrong,
)
from gpn_desktop.core.types import Address, hex0x, parse_address
from gpn_desktop.ports.clock import Clock
from gpn_desktop.ports.preferences import Document
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.ports.vault import ACCOUNT_PATH, KeyForms, Keyring

log = logging.getLogger("gpn")

LEAST_PASSPHRASE: Final = 8


class Place(Enum):
    NONE = "none"
    KEYRING = "keyring"
    KEYSTORE = "keystore"


@dataclass(frozen=True, slots=True)
class WalletState:
    """Never holds a secret. ``tested_at`` is when a restore of this address last passed, in Unix seconds.

    ``keyring`` is the keyring's name, "" where it can't be used, and then ``why`` says why.
    """

    place: Place = Place.NONE
    address: Address | None = None
    locked: bool = False
    tested_at: int = 0
    keyring: str = ""
    why: str = ""

    @property
    def backed_up(self) -> bool:
        return self.tested_at > 0


@dataclass
class Wallet:
    """Args:
    keystore: the file of the fall-back, where no keyring can be used.
    book: remembers where the key is and which address was backed up; no secret.
    """

    keyring: Keyring
    forms: KeyForms
    keystore: Path
    book: Document
    clock: Clock
    state: WalletState = field(default_factory=WalletState)
    _key: NodeKey | None = field(default=None, repr=False)
    _tested: dict[str, int] = field(default_factory=dict)
    _watchers: set[Callable[[], None]] = field(default_factory=set)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        self._watchers.add(changed)
        return lambda: self._watchers.discard(changed)

    # looking ----------------------------------------------------------------------------------------------

    async def look(self) -> WalletState:
        """Where the key is; asks the keyring, which may ask a person. Raises nothing: ``why`` tells."""
        await self._read_book()
        kept = self.state
        if self._key is not None and kept.place is Place.KEYSTORE:
            return self._set(replace(kept, locked=False))
        if kept.place is Place.KEYSTORE:
            return self._set(replace(kept, locked=True))
        try:
            name = await self.keyring.probe()
        except KeyringUnavailable as error:
            return self._set(replace(kept, keyring="", why=str(error)))
        try:
            key = await self.keyring.load()
        except KeyMissing:
            return self._set(WalletState(keyring=name))
        except (KeyUnusable, KeyringUnavailable) as error:
            return self._set(replace(kept, keyring=name, why=str(error)))
        return self._set(self._of(key, Place.KEYRING, name))

    async def load(self) -> NodeKey:
        """The key, for the node (``ports.secrets.Secrets``).

        Raises:
            KeyMissing, KeyLocked, KeyUnusable, KeyringUnavailable
        """
        await self._read_book()
        if self.state.place is Place.KEYSTORE:
            if self._key is None:
                raise KeyLocked("The wallet is locked.")
            return self._key
        return await self.keyring.load()

    async def save(self, key: NodeKey) -> None:
        """``ports.secrets.Secrets``: into the keyring."""
        await self._store(key, "", "")

    # getting a key ----------------------------------------------------------------------------------------

    async def new_words(self) -> str:
        """Twelve words; nothing is kept of them until ``import_words``."""
        return await self.forms.words()

    async def import_words(
        self, words: str, passphrase: str = "", replacing: str = "", path: str = ACCOUNT_PATH
    ) -> Address:
        """``passphrase`` protects the keystore where there is no keyring. Raises what ``_store`` does."""
        return await self._store(await self.forms.from_words(words, path=path), passphrase, replacing)

    async def import_hex(self, text: str, passphrase: str = "", replacing: str = "") -> Address:
        return await self._store(await self.forms.from_hex(text), passphrase, replacing)

    async def import_keystore(
        self, text: str, secret: str, passphrase: str = "", replacing: str = ""
    ) -> Address:
        """``secret`` is the passphrase of the text. What was just decrypted counts as a tested backup."""
        key = await self.forms.from_keystore(text, secret)
        address = await self._store(key, passphrase, replacing)
        await self._passed(key)
        return address

    async def import_file(
        self, path: Path, secret: str, passphrase: str = "", replacing: str = ""
    ) -> Address:
        """A keystore on the disk; else as ``import_keystore``. KeyMissing where there is no such file."""
        key = await self.forms.read_keystore(path, secret)
        address = await self._store(key, passphrase, replacing)
        await self._passed(key)
        return address

    async def _store(self, key: NodeKey, passphrase: str, replacing: str) -> Address:
        """Into the keyring, or with a passphrase into the keystore.

        Raises:
            KeyExists: another key is here, which ``replacing`` does not name, or whose backup was not tested.
            KeyringUnavailable: there is no keyring and no passphrase was given.
            KeyUnusable: the passphrase is too short, or the file can't be written.
        """
        async with self._one:
            state = await self.look()
            if state.address is not None and state.address != key.address:
                self._may_replace(state, replacing)
            if passphrase:
                await self._into_keystore(key, passphrase)
            else:
                await self.keyring.save(key)
                await self._keep(self._of(key, Place.KEYRING, state.keyring))
        return key.address

    async def _into_keystore(self, key: NodeKey, passphrase: str) -> None:
        _check_passphrase(passphrase)
        await self.forms.write_keystore(self.keystore, key, passphrase)
        self._key = key
        await self._keep(self._of(key, Place.KEYSTORE, self.state.keyring))

    def _may_replace(self, state: WalletState, replacing: str) -> None:
        assert state.address is not None
        if replacing.lower() != hex0x(state.address):
            raise KeyExists(f"The key of {hex0x(state.address)} is here already.")
        if not state.backed_up:
            raise KeyExists(
                f"The key of {hex0x(state.address)} has no tested backup; replacing would lose it."
            )

    # backups ----------------------------------------------------------------------------------------------

    async def export_keystore(self, path: Path, passphrase: str) -> None:
        """An encrypted copy for the operator to keep elsewhere. It is no backup until it was tested."""
        _check_passphrase(passphrase)
        await self.forms.write_keystore(path, await self.load(), passphrase)

    async def test_restore(self, path: Path, passphrase: str) -> None:
        """Whether the file gives back the key in use. Raises what ``read_keystore`` does, KeyUnusable."""
        await self._compare(await self.forms.read_keystore(path, passphrase))

    async def test_words(self, words: str) -> None:
        """The same for words that were written down."""
        await self._compare(await self.forms.from_words(words))

    async def _compare(self, found: NodeKey) -> None:
        state = await self.look()
        if found.address != state.address:
            mine = hex0x(state.address) if state.address is not None else "nobody"
            raise KeyUnusable(
                f"This is a backup of {hex0x(found.address)}, and the key in use is that of {mine}.",
                remedy="Look for the right backup, or make a new one now.",
            )
        await self._passed(found)

    async def _passed(self, key: NodeKey) -> None:
        self._tested[hex0x(key.address)] = int(self.clock.unix())
        await self._keep(self._of(key, self.state.place, self.state.keyring))

    # locking ----------------------------------------------------------------------------------------------

    async def unlock(self, passphrase: str) -> None:
        """Hold the keystore's key in memory until ``lock``; PassphraseWrong, KeyUnusable, KeyMissing."""
        await self._read_book()
        key = await self.forms.read_keystore(self.keystore, passphrase)
        if self.state.address is not None and key.address != self.state.address:
            raise PassphraseWrong("The keystore holds another key than it did.")
        self._key = key
        self._set(self._of(key, Place.KEYSTORE, self.state.keyring))

    def lock(self) -> None:
        """The node that runs keeps its key until it stops; the next one asks."""
        if self.state.place is Place.KEYSTORE:
            self._key = None
            self._set(replace(self.state, locked=True))

    # the book ---------------------------------------------------------------------------------------------

    def _of(self, key: NodeKey, place: Place, keyring: str) -> WalletState:
        return WalletState(place, key.address, False, self._tested.get(hex0x(key.address), 0), keyring)

    def _set(self, state: WalletState) -> WalletState:
        if state != self.state:
            self.state = state
            for watcher in list(self._watchers):
                watcher()
        return state

    async def _read_book(self) -> None:
        """Damage costs the memory of tested backups, never a key."""
        text = await self.book.read()
        try:
            known: dict[str, Any] = jsontext.parse(text) if text else {}
            self._tested = {str(who): int(when) for who, when in known.get("tested", {}).items()}
            place = Place(known.get("place", "none"))
            address = parse_address(known["address"]) if known.get("address") else None
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            log.warning("the wallet's notes can't be read, so backups have to be tested again: %s", error)
            return
        if place is not self.state.place or address != self.state.address:
            tested = self._tested.get(hex0x(address), 0) if address is not None else 0
            self.state = replace(self.state, place=place, address=address, tested_at=tested)

    async def _keep(self, state: WalletState) -> None:
        address = hex0x(state.address) if state.address is not None else None
        notes = {"place": state.place.value, "address": address, "tested": self._tested}
        await self.book.write(json.dumps(notes, indent=1) + "\n")
        self._set(state)


def _check_passphrase(passphrase: str) -> None:
    if len(passphrase) < LEAST_PASSPHRASE:
        raise KeyUnusable(
            f"The passphrase has {len(passphrase)} characters; {LEAST_PASSPHRASE} are the least.",
            remedy="Choose a longer one; several words are easy to remember.",
        )
