"""The system's keyring: Secret Service, KWallet, macOS Keychain, Windows Credential Locker.

Only backends that encrypt are taken. ``keyring`` falls back to plain files or to nothing where others are
installed or configured, and a key must not get there unnoticed.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from gpn_desktop.adapters.keyring.bounded import bounded
from gpn_desktop.adapters.keyring.keys import key_from_hex
from gpn_desktop.core.errors import GpnError, KeyMissing, KeyringUnavailable
from gpn_desktop.ports.secrets import NodeKey

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")

SERVICE: Final = "gpn-desktop"
ENCRYPTING: Final = tuple(
    f"keyring.backends.{name}" for name in ("SecretService", "libsecret", "kwallet", "macOS", "Windows")
)


class KeyringSecrets:
    """``ports.secrets.Secrets`` in the keyring, under ``account``; testing mode and demo have their own.

    ``within`` bounds each call in seconds: long enough for a person to unlock the keyring. ``backend`` is the
    system's unless given.
    """

    def __init__(
        self, account: str = "node", within: float = 60.0, backend: KeyringBackend | None = None
    ) -> None:
        self._account = account
        self._within = within
        self._given = backend
        self._busy = threading.Lock()

    async def load(self) -> NodeKey:
        text = await self._call(lambda backend: backend.get_password(SERVICE, self._account))
        if text is None:
            raise KeyMissing("The keyring holds no node key.")
        return key_from_hex(text)

    async def save(self, key: NodeKey) -> None:
        def write(backend: KeyringBackend) -> bool:
            backend.set_password(SERVICE, self._account, key.secret.hex())
            return backend.get_password(SERVICE, self._account) == key.secret.hex()

        if not await self._call(write):
            raise KeyringUnavailable("The keyring did not give back the key that was stored in it.")

    async def probe(self) -> str:
        """Write, read and remove something harmless; the keyring's name, or KeyringUnavailable."""
        account, value = f"{self._account}-probe-{secrets.token_hex(4)}", secrets.token_hex(8)

        def check(backend: KeyringBackend) -> str | None:
            backend.set_password(SERVICE, account, value)
            if backend.get_password(SERVICE, account) != value:
                return None
            backend.delete_password(SERVICE, account)
            return str(backend.name)

        name = await self._call(check)
        if name is None:
            raise KeyringUnavailable("The keyring did not give back what was stored in it.")
        return name

    async def forget(self) -> None:
        """Remove the key; nothing happens when there is none."""

        def remove(backend: KeyringBackend) -> None:
            if backend.get_password(SERVICE, self._account) is not None:
                backend.delete_password(SERVICE, self._account)

        await self._call(remove)

    async def _call(self, work: Callable[[KeyringBackend], T]) -> T:
        def guarded() -> T:
            # One at a time, since two would open two dialogs; a call that hangs is left behind.
            if not self._busy.acquire(timeout=self._within):
                raise KeyringUnavailable("The keyring has not answered an earlier call.")
            try:
                return work(self._given or system_backend())
            finally:
                self._busy.release()

        waits = self._busy.locked()
        try:
            return await bounded(guarded, self._within * (2 if waits else 1))
        except TimeoutError:
            raise KeyringUnavailable(f"The keyring did not answer within {self._within:g} s.") from None
        except GpnError:
            raise
        except Exception as error:  # noqa: BLE001 - each backend has errors of its own, D-Bus's among them
            # Neither text nor cause: a backend may repeat what it was given.
            raise KeyringUnavailable(f"The keyring failed ({type(error).__name__}).") from None


def system_backend() -> KeyringBackend:
    """The system's keyring; KeyringUnavailable unless it is one that encrypts. Blocks for up to a second."""
    import keyring
    from keyring.backends.chainer import ChainerBackend

    chosen = keyring.get_keyring()
    candidates = chosen.backends if isinstance(chosen, ChainerBackend) else [chosen]
    for backend in candidates:
        if type(backend).__module__ in ENCRYPTING:
            return backend
    raise KeyringUnavailable(f"No keyring that encrypts is there, only {type(chosen).__module__}.")
