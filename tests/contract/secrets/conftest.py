"""A keyring that works, in memory; and the system's own, where one answers."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend

from gpn_desktop.adapters.keyring import KeyringSecrets
from gpn_desktop.core.errors import KeyringUnavailable


class FakeKeyring(KeyringBackend):
    """Keeps passwords in a dict."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def fake_keyring() -> FakeKeyring:
    return FakeKeyring()


@pytest.fixture
def real_keyring(tmp_path: Path) -> KeyringSecrets:
    """The system's keyring, with an account of this test; skipped where none answers."""
    secrets = KeyringSecrets(account=f"test-{tmp_path.name}-{os.getpid()}", within=20)
    if sys.platform == "linux" and "DBUS_SESSION_BUS_ADDRESS" not in os.environ:
        problem = "there is no D-Bus session (DBUS_SESSION_BUS_ADDRESS)"
    else:
        try:
            asyncio.run(secrets.probe())
        except KeyringUnavailable as error:
            problem = str(error)
        else:
            return secrets
    if os.environ.get("GPN_REQUIRE_ENGINES") == "1":
        pytest.fail(f"The system's keyring is required: {problem}")
    pytest.skip(f"no keyring of the system: {problem}")
