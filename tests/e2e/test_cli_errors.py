"""What goes wrong at a node's start is one line with a code and a remedy, and an exit code."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from gpn_desktop.adapters.chain.localnet import AnvilLocalnet
from gpn_desktop.composition.demo import ARTIFACT, NODE_MODULES
from gpn_desktop.core.types import Address, hex0x
from gpn_desktop.services.demo.stage import new_key

pytestmark = pytest.mark.timeout(120)


@dataclass
class Site:
    """A chain with our contract on it, and a folder for a node."""

    ws_url: str
    contract: Address
    folder: Path

    def env(self, **changes: str) -> dict[str, str]:
        key = self.folder / "key"
        if not key.exists():
            key.write_text(new_key().secret.hex())
            key.chmod(0o600)
        settings = {
            "ETHEREUM_API": self.ws_url,
            "CONTRACT_ADDRESS": hex0x(self.contract),
            "GPN_CHAIN_ID": "31337",
            "PRIVATE_KEY_PATH": str(key),
            "GPN_DATA_DIR": str(self.folder / "data"),
            "GPN_RUNTIME": "builtin",
            "GPN_P2P_HOST": "127.0.0.1",
            "PORT": "0",
            "GPN_GRPC_PORT": "0",
        }
        return {**settings, **changes}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    localnet = AnvilLocalnet(ARTIFACT, NODE_MODULES)
    local = await localnet.start()
    contract = await localnet.deploy(local.funded[0], 3600)
    yield Site(local.ws_url, contract, tmp_path)
    await localnet.aclose()


async def refused(env: Mapping[str, str], code: str) -> str:
    """The one line that a start with these settings ends with."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gpn_desktop", "node",
        env={**os.environ, "GPN_LOG": "error", **env},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = err.decode()
    assert process.returncode == 1, said
    assert out == b""
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line]
    assert len(lines) == 1, said
    assert f"[{code}]" in lines[0]
    return lines[0]


async def test_a_wrong_chain_id(site: Site) -> None:
    line = await refused(site.env(GPN_CHAIN_ID="1"), "GPN-1302")
    assert "31337" in line


async def test_no_contract_at_the_address(site: Site) -> None:
    await refused(site.env(CONTRACT_ADDRESS="0x" + "11" * 20), "GPN-1303")


async def test_no_contract_set_and_none_known(site: Site) -> None:
    line = await refused(site.env(CONTRACT_ADDRESS=""), "GPN-1109")
    assert "31337" in line


async def test_an_endpoint_that_does_not_answer(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    await refused(site.env(ETHEREUM_API=f"ws://127.0.0.1:{port}"), "GPN-1301")


@pytest.mark.parametrize("setting", ["PORT", "GPN_GRPC_PORT"])
async def test_a_port_in_use(site: Site, setting: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        await refused(site.env(**{setting: str(taken.getsockname()[1])}), "GPN-1105")


async def test_a_corrupt_database(site: Site) -> None:
    folder = site.folder / "data" / f"31337-{site.contract.hex()}"
    folder.mkdir(parents=True)
    (folder / "node.db").write_bytes(b"this is no database, and it is long enough to be looked at" * 100)
    await refused(site.env(), "GPN-1201")


async def test_a_missing_key(site: Site) -> None:
    await refused(site.env(PRIVATE_KEY_PATH=str(site.folder / "nothing")), "GPN-1102")


def open_to_others(path: Path) -> None:
    path.chmod(0o644)


async def test_a_key_that_others_can_read(site: Site) -> None:
    env = site.env()
    open_to_others(Path(env["PRIVATE_KEY_PATH"]))
    await refused(env, "GPN-1103")


async def test_a_setting_that_is_nonsense(site: Site) -> None:
    line = await refused(site.env(GPN_CAPACITY="many"), "GPN-1101")
    assert "GPN_CAPACITY" in line


async def test_cheating_is_for_local_chains(site: Site) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gpn_desktop", "node", "--cheat",
        env={**os.environ, **site.env(GPN_CHAIN_ID="1")}, stderr=subprocess.PIPE,
    )  # fmt: skip
    _, err = await process.communicate()
    assert process.returncode == 1
    assert "local chain" in err.decode()
