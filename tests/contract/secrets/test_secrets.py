"""What every place for the node key does: nothing lost, nothing shown."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from gpn_desktop.adapters.keyring import (
    KeyFileSecrets,
    KeyringSecrets,
    KeystoreSecrets,
    MemorySecrets,
    new_key,
)
from gpn_desktop.core.errors import KeyMissing
from gpn_desktop.ports.secrets import Secrets
from tests.contract.secrets.conftest import FakeKeyring

REAL = pytest.param("real keyring", marks=pytest.mark.engine("keyring"))
PLACES = ["memory", "keystore", "key file", "keyring", REAL]


async def passphrase() -> str:
    return "correct hörse ✓"


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, fake_keyring: FakeKeyring) -> Callable[[], Secrets]:
    """A place for keys; called again, the same one after a restart."""
    memory = MemorySecrets()
    places: dict[str, Callable[[], Secrets]] = {
        "memory": lambda: memory,
        "keystore": lambda: KeystoreSecrets(tmp_path / "new" / "key.json", passphrase, n=2**10),
        "key file": lambda: KeyFileSecrets(tmp_path / "key", passphrase, n=2**10),
        "keyring": lambda: KeyringSecrets(backend=fake_keyring),
    }
    if request.param != "real keyring":
        return places[request.param]
    real: KeyringSecrets = request.getfixturevalue("real_keyring")
    return lambda: real


async def test_a_key_is_kept_and_replaced(
    place: Callable[[], Secrets], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(KeyMissing):
        await place().load()
    first, second = new_key(), new_key()
    await place().save(first)
    assert await place().load() == first
    await place().save(second)
    assert await place().load() == second
    shown = caplog.text + "".join(capfd.readouterr()) + repr(place()) + repr(await place().load())
    assert first.secret.hex() not in shown
    assert second.secret.hex() not in shown
    secrets = place()
    if isinstance(secrets, KeyringSecrets):
        await secrets.forget()
        await secrets.forget()
        with pytest.raises(KeyMissing):
            await secrets.load()
