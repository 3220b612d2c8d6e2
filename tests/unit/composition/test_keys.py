"""``gpn-desktop key``: no key is ever printed or overwritten."""

from __future__ import annotations

import io
import sys

import pytest

from gpn_desktop.adapters.keyring import MemorySecrets, new_key
from gpn_desktop.composition.keys import run_key
from gpn_desktop.core.errors import KeyMissing, KeyUnusable
from gpn_desktop.core.types import hex0x


async def test_a_new_key_is_kept_and_only_its_address_printed(capsys: pytest.CaptureFixture[str]) -> None:
    secrets = MemorySecrets()
    assert await run_key("new", secrets) == 0
    key = await secrets.load()
    said = capsys.readouterr()
    assert said.out.strip() == hex0x(key.address)
    assert key.secret.hex() not in said.out + said.err
    assert await run_key("show", secrets) == 0
    assert capsys.readouterr().out.strip() == hex0x(key.address)


async def test_an_imported_key_is_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    key, secrets = new_key(), MemorySecrets()
    monkeypatch.setattr(sys, "stdin", io.StringIO(key.secret.hex() + "\n"))
    assert await run_key("import", secrets) == 0
    assert await secrets.load() == key


@pytest.mark.parametrize("action", ["new", "import"])
async def test_a_key_that_is_there_is_never_overwritten(action: str) -> None:
    key = new_key()
    secrets = MemorySecrets(key)
    with pytest.raises(KeyUnusable, match=hex0x(key.address)):
        await run_key(action, secrets)
    assert await secrets.load() == key


async def test_nonsense_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = MemorySecrets()
    monkeypatch.setattr(sys, "stdin", io.StringIO("not a key at all\n"))
    with pytest.raises(KeyUnusable) as caught:
        await run_key("import", secrets)
    assert "not a key" not in str(caught.value)
    with pytest.raises(KeyMissing):
        await run_key("show", secrets)
