"""Where the node key lives. A key leaves this port only as the object that signs with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from gpn_desktop.core.types import Address


@dataclass(frozen=True, slots=True)
class NodeKey:
    """One secp256k1 key: Ethereum account and libp2p identity. Its repr never shows the secret."""

    address: Address
    secret: bytes = field(repr=False)


class Secrets(Protocol):
    async def load(self) -> NodeKey:
        """The node key.

        Raises:
            KeyMissing: there is none yet.
            KeyUnusable: it is damaged, too open to others, or the passphrase is wrong.
            KeyringUnavailable: the keyring is locked, absent or did not answer in time.
        """
        ...

    async def save(self, key: NodeKey) -> None:
        """Keep the key; it is read back and compared before this returns."""
        ...
