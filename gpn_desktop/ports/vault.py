"""Keys in the forms that people have them in, and the places that keep one. Texts in, ``NodeKey`` out.

No text of a key, and no passphrase, ever stands in an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from gpn_desktop.ports.secrets import NodeKey

ACCOUNT_PATH = "m/44'/60'/0'/0/0"


class Keyring(Protocol):
    """The system's keyring. Raises of all calls: KeyringUnavailable."""

    async def load(self) -> NodeKey:
        """KeyMissing where there is none."""
        ...

    async def save(self, key: NodeKey) -> None: ...

    async def forget(self) -> None: ...

    async def probe(self) -> str:
        """Write, read and remove something harmless; the keyring's name."""
        ...


class KeyForms(Protocol):
    """Raises of all calls: KeyUnusable. Slow ones (a second of work) run away from the loop."""

    async def words(self) -> str:
        """Twelve new words that a key can be made of again."""
        ...

    async def from_words(self, words: str, passphrase: str = "", path: str = ACCOUNT_PATH) -> NodeKey:
        """MnemonicWrong names the word that is in no list, or says that the words do not belong together."""
        ...

    async def from_hex(self, text: str) -> NodeKey: ...

    async def from_keystore(self, text: str, passphrase: str) -> NodeKey: ...

    async def read_keystore(self, path: Path, passphrase: str) -> NodeKey:
        """KeyMissing where there is no such file."""
        ...

    async def write_keystore(self, path: Path, key: NodeKey, passphrase: str) -> None:
        """Whole or not at all, for its owner's eyes, and read back before this returns."""
        ...

    async def remove(self, path: Path) -> None:
        """A file that may not be there."""
        ...
