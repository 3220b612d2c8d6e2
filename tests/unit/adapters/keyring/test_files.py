"""Key files as they lie on the disks of people: other programs' keystores, too open modes, damage, traps."""

# ruff: noqa: ASYNC240 - nothing else runs on the loop while a test looks at its files
from __future__ import annotations

import copy
import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from gpn_desktop.adapters.keyring import KeyFileSecrets, KeystoreSecrets, key_from_hex, new_key
from gpn_desktop.adapters.keyring.keys import ORDER
from gpn_desktop.core.errors import KeyMissing, KeyUnusable
from gpn_desktop.core.types import parse_address

# The two keystores of the Web3 Secret Storage definition, by other programs, with its published key.
SPEC_SECRET = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
SPEC_PASSPHRASE = "testpassword"
SPEC_PBKDF2: dict[str, Any] = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
SPEC_SCRYPT: dict[str, Any] = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 262144,
            "p": 8,
            "r": 1,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}


async def right() -> str:
    return SPEC_PASSPHRASE


async def wrong() -> str:
    return "hunter2-wrong"


async def empty() -> str:
    return ""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.key"


def write(path: Path, content: str | bytes | dict[str, Any], mode: int = 0o600) -> Path:
    data = json.dumps(content) if isinstance(content, dict) else content
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("keystore", [SPEC_PBKDF2, SPEC_SCRYPT], ids=["pbkdf2", "scrypt"])
async def test_keystores_of_other_programs(path: Path, keystore: dict[str, Any]) -> None:
    write(path, keystore, 0o644)
    key = await KeystoreSecrets(path, right).load()
    assert key.secret.hex() == SPEC_SECRET
    assert key.address == parse_address("008aeeda4d805471df9b2a5b0f38a0c3bcba786b")
    assert await KeyFileSecrets(path, right).load() == key


async def test_the_wrong_passphrase_is_called_so(path: Path) -> None:
    write(path, SPEC_PBKDF2)
    with pytest.raises(KeyUnusable, match=r"passphrase .* is wrong") as caught:
        await KeystoreSecrets(path, wrong).load()
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_a_keystore_without_anybody_to_ask(path: Path) -> None:
    write(path, SPEC_PBKDF2)
    with pytest.raises(KeyUnusable, match="needs a passphrase"):
        await KeyFileSecrets(path).load()
    with pytest.raises(KeyUnusable, match="needs a passphrase"):
        await KeyFileSecrets(path).save(new_key())


def changed(where: str, value: Any) -> dict[str, Any]:
    keystore = copy.deepcopy(SPEC_SCRYPT)
    target: Any = keystore
    *parents, last = where.split(".")
    for name in parents:
        target = target[name]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return keystore


DAMAGED = [
    ("{", "damaged"),
    ("{" * 60_000, "damaged"),
    ('{"a":' * 10_000, "damaged"),
    ({}, "damaged"),
    ([1], "no keystore"),
    ({"version": 3, "crypto": []}, "damaged"),
    (changed("version", 4), "not of version 3"),
    (changed("version", "3"), "not of version 3"),
    (changed("crypto.mac", None), "damaged"),
    (changed("crypto.mac", "zz"), "damaged"),
    (changed("crypto.mac", 5), "damaged"),
    (changed("crypto.ciphertext", "00" * 32), "wrong"),
    (changed("crypto.kdf", "md5"), "damaged"),
    (changed("crypto.kdfparams.n", 2**31), "more work"),
    (changed("crypto.kdfparams.p", 2**20), "more work"),
    (changed("crypto.kdfparams.r", 2**20), "more work"),
    (changed("crypto.kdfparams.dklen", 2**31), "more work"),
    (changed("crypto.kdfparams.n", float("inf")), "damaged"),
    (changed("crypto.kdfparams.n", 1000), "damaged"),
    (changed("crypto.kdfparams.n", -(2**18)), "damaged"),
    (changed("address", "11" * 20), "another address"),
]


@pytest.mark.parametrize(("content", "why"), DAMAGED)
async def test_damaged_and_hostile_keystores(path: Path, content: Any, why: str) -> None:
    write(path, json.dumps(content) if isinstance(content, list) else content)
    with pytest.raises(KeyUnusable, match=why):
        await KeystoreSecrets(path, right).load()


async def test_a_written_keystore_is_private_and_standard(path: Path) -> None:
    key = new_key()
    await KeystoreSecrets(path, right, n=2**10).save(key)
    keystore = json.loads(path.read_text())
    assert (keystore["version"], keystore["crypto"]["kdf"]) == (3, "scrypt")
    assert key.secret.hex() not in path.read_text()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600


async def test_an_empty_passphrase_is_refused_and_the_old_key_stays(path: Path) -> None:
    write(path, SPEC_SCRYPT)
    with pytest.raises(KeyUnusable, match="empty passphrase"):
        await KeystoreSecrets(path, empty).save(new_key())
    assert json.loads(path.read_text()) == SPEC_SCRYPT


async def test_a_folder_that_cannot_be_written(path: Path) -> None:
    path.write_text("a file where a folder should be")
    with pytest.raises(KeyUnusable, match="cannot be written"):
        await KeystoreSecrets(path / "key.json", right, n=2**10).save(new_key())


@pytest.mark.parametrize("form", ["{}", "0x{}", "0x{}\n", " {} \r\n"])
async def test_a_raw_key_is_taken_with_a_warning(
    path: Path, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(path, form.format(SPEC_SECRET))
    key = await KeyFileSecrets(path).load()
    assert key.secret.hex() == SPEC_SECRET
    assert "unencrypted" in caplog.text
    assert SPEC_SECRET not in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
async def test_a_raw_key_that_others_may_read_is_refused(path: Path, mode: int) -> None:
    write(path, SPEC_SECRET, mode)
    with pytest.raises(KeyUnusable, match="chmod 600") as caught:
        await KeyFileSecrets(path).load()
    assert SPEC_SECRET not in str(caught.value)


NO_KEYS: list[str | bytes] = [
    "",
    "\n",
    SPEC_SECRET[:-1],
    SPEC_SECRET + "0",
    SPEC_SECRET + " " + SPEC_SECRET,
    "g" * 64,
    "0" * 64,
    f"{ORDER:064x}",
    "f" * 64,
    b"\xff" * 32,
    "a" * 70_000,
]


@pytest.mark.parametrize("content", NO_KEYS)
async def test_files_without_a_key(path: Path, content: str | bytes) -> None:
    write(path, content)
    with pytest.raises(KeyUnusable) as caught:
        await KeyFileSecrets(path).load()
    assert SPEC_SECRET[:16] not in str(caught.value)


async def test_no_file_and_no_file_at_all(path: Path) -> None:
    with pytest.raises(KeyMissing):
        await KeyFileSecrets(path).load()
    with pytest.raises(KeyUnusable, match="cannot be read"):
        await KeyFileSecrets(path.parent).load()


def test_the_keys_at_both_ends_of_the_order() -> None:
    assert key_from_hex(f"{1:064x}").address == parse_address("7e5f4552091a69125d5dfcb7b8c2659029395bdf")
    assert key_from_hex(f"{ORDER - 1:064x}").secret == (ORDER - 1).to_bytes(32, "big")
    assert len({new_key().secret for _ in range(8)}) == 8
