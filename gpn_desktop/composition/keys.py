"""Where a command gets its key from."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from pathlib import Path

from gpn_desktop.adapters.keyring import (
    KeyFileSecrets,
    KeyringSecrets,
    PipeSecrets,
    key_from_hex,
    new_key,
)
from gpn_desktop.config import Mode, NodeConfig, load
from gpn_desktop.core.errors import KeyMissing, KeyUnusable
from gpn_desktop.core.types import hex0x
from gpn_desktop.ports.secrets import NodeKey, Secrets

STDIN = 0
KEY_LINE = 200  # more than any form of a key has characters


async def node_key(config: NodeConfig, from_stdin: bool) -> NodeKey:
    """The node's key: by pipe, from the file that the settings name, else from the system's keyring."""
    return await _secrets(config, from_stdin).load()


def _secrets(config: NodeConfig, from_stdin: bool) -> Secrets:
    if from_stdin:
        return PipeSecrets(STDIN)
    if config.key_path is not None:
        return KeyFileSecrets(config.key_path, ask_passphrase)
    return KeyringSecrets("testing" if config.mode is Mode.TESTING else config.key_name)


async def ask_passphrase() -> str:
    """From the terminal, else from the variable that servers set."""
    named = os.environ.get("GPN_KEY_PASSPHRASE_FILE", "")
    if named:
        return await asyncio.to_thread(_first_line, named)
    if not sys.stdin.isatty():
        raise KeyUnusable(
            "The key is encrypted and there is no terminal to ask for its passphrase.",
            remedy="Name a file with the passphrase in GPN_KEY_PASSPHRASE_FILE.",
        )
    return await asyncio.to_thread(getpass.getpass, "Passphrase of the key file: ")


def _first_line(path: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.readline().rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyUnusable("The passphrase file can't be read.") from error


async def run_key(action: str, secrets: Secrets | None = None) -> int:
    """``gpn-desktop key``: what it prints is the address, never the key."""
    secrets = secrets or KeyringSecrets(load().key_name)
    if action == "show":
        print(hex0x((await secrets.load()).address))
        return 0
    try:
        held = await secrets.load()
    except KeyMissing:
        pass
    else:
        raise KeyUnusable(
            f"The keyring holds the key of {hex0x(held.address)} already.",
            remedy="Back it up and remove it in the keyring's own program first.",
        )
    key = new_key() if action == "new" else key_from_hex(sys.stdin.readline(KEY_LINE).strip())
    await secrets.save(key)
    print(hex0x(key.address))
    return 0
