"""The keyring adapter against keyrings that hang, fail, forget, repeat secrets, or are none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend
from keyring.backends.fail import Keyring as FailKeyring
from keyring.backends.null import Keyring as NullKeyring
from keyring.errors import KeyringLocked

from gpn_desktop.adapters.keyring import KeyringSecrets, new_key
from gpn_desktop.adapters.keyring.system import system_backend
from gpn_desktop.core.errors import KeyringUnavailable, KeyUnusable
from tests.contract.secrets.conftest import FakeKeyring

KEY = new_key()


class Plaintext(FakeKeyring):
    """Such as keyrings.alt brings."""


class Locked(FakeKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("locked")

    set_password = get_password  # type: ignore[assignment]


class Talkative(FakeKeyring):
    def set_password(self, service: str, username: str, password: str) -> None:
        raise OSError(f"cannot write {password}")


class Forgetful(FakeKeyring):
    def set_password(self, service: str, username: str, password: str) -> None:
        return None


class Hanging(FakeKeyring):
    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.go_on.wait(30)
        return KEY.secret.hex()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    backend = Hanging()
    yield backend
    backend.go_on.set()


@pytest.mark.parametrize("kind", [FailKeyring, NullKeyring, Plaintext])
def test_only_keyrings_that_encrypt_are_taken(
    kind: Callable[[], KeyringBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "get_keyring", kind)
    with pytest.raises(KeyringUnavailable, match="encrypts"):
        system_backend()


def test_of_a_chain_the_one_that_encrypts(monkeypatch: pytest.MonkeyPatch) -> None:
    good = Plaintext()
    monkeypatch.setattr(Plaintext, "__module__", "keyring.backends.SecretService")
    monkeypatch.setattr(ChainerBackend, "backends", [Locked(), good])
    monkeypatch.setattr(keyring, "get_keyring", ChainerBackend)
    assert system_backend() is good


async def test_a_locked_keyring() -> None:
    with pytest.raises(KeyringUnavailable, match="KeyringLocked"):
        await KeyringSecrets(backend=Locked()).load()


async def test_an_error_that_repeats_the_key_is_not_passed_on() -> None:
    with pytest.raises(KeyringUnavailable, match="OSError") as caught:
        await KeyringSecrets(backend=Talkative()).save(KEY)
    assert KEY.secret.hex() not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_a_keyring_that_forgets_is_found_out_at_once() -> None:
    secrets = KeyringSecrets(backend=Forgetful())
    with pytest.raises(KeyringUnavailable, match="did not give back"):
        await secrets.save(KEY)
    with pytest.raises(KeyringUnavailable, match="did not give back"):
        await secrets.probe()


async def test_a_dialog_that_nobody_answers(hanging: Hanging) -> None:
    secrets = KeyringSecrets(backend=hanging, within=0.05)
    with pytest.raises(KeyringUnavailable, match=r"within 0\.05 s"):
        await secrets.load()
    with pytest.raises(KeyringUnavailable, match="earlier call"):
        await secrets.load()


async def test_calls_at_once_take_turns(hanging: Hanging) -> None:
    secrets = KeyringSecrets(backend=hanging, within=5)
    calls = [asyncio.create_task(secrets.load()) for _ in range(3)]
    await asyncio.sleep(0)
    hanging.go_on.set()
    assert await asyncio.gather(*calls) == [KEY, KEY, KEY]


async def test_the_loop_goes_on_while_a_person_unlocks(hanging: Hanging) -> None:
    task = asyncio.create_task(KeyringSecrets(backend=hanging).load())
    await asyncio.sleep(0)
    assert not task.done()
    hanging.go_on.set()
    assert await task == KEY


async def test_what_is_no_key_in_the_keyring(fake_keyring: FakeKeyring) -> None:
    fake_keyring.set_password("gpn-desktop", "node", "not a key")
    with pytest.raises(KeyUnusable):
        await KeyringSecrets(backend=fake_keyring).load()


async def test_accounts_do_not_mix_and_the_probe_leaves_nothing(fake_keyring: FakeKeyring) -> None:
    await KeyringSecrets("node", backend=fake_keyring).save(KEY)
    other = new_key()
    testing = KeyringSecrets("testing", backend=fake_keyring)
    await testing.save(other)
    assert await testing.probe() == fake_keyring.name
    assert await KeyringSecrets("node", backend=fake_keyring).load() == KEY
    assert set(fake_keyring.kept) == {("gpn-desktop", "node"), ("gpn-desktop", "testing")}


@pytest.fixture
def fake_keyring() -> FakeKeyring:
    return FakeKeyring()
