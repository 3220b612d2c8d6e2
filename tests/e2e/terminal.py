"""The command line as a user meets it: in this process where that will do, else as a process to be killed."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpn_desktop.adapters.chain.localnet import AnvilLocalnet
from gpn_desktop.adapters.chain.rpc import Rpc
from gpn_desktop.cli import main
from gpn_desktop.composition.demo import ARTIFACT, NODE_MODULES
from gpn_desktop.core.types import Address, Wei, hex0x
from gpn_desktop.ports.localnet import LocalChain
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services.demo.stage import new_key
from tests.contract.chain.harness import need_anvil

ETHER = 10**18


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.out.splitlines()[-1])
        assert isinstance(found, dict)
        return found

    def refused(self, code: str) -> str:
        """The one line that it ended with."""
        assert (self.code, self.out) == (1, ""), self
        lines = [line for line in self.err.splitlines() if line.startswith("gpn-desktop: ")]
        assert len(lines) == 1, self
        assert f"[{code}]" in lines[0], self
        assert "Traceback" not in self.err
        return lines[0]


@dataclass
class Terminal:
    """A user at a machine with a chain: a folder, an account with money, and the commands."""

    localnet: AnvilLocalnet
    local: LocalChain
    folder: Path
    key: NodeKey
    rpc: Rpc
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def key_file(self, key: NodeKey | None = None, name: str = "key") -> Path:
        path = self.folder / name
        path.write_text((key or self.key).secret.hex())
        path.chmod(0o600)
        return path

    def line(self, *words: str, key: Path | None = None, spends: bool = True) -> list[str]:
        """The words of a command with the options that all of them need."""
        line = [*words, "--ethereum-api", self.local.http_url, "--data-dir", str(self.data)]
        return [*line, "--key-file", str(key or self.key_file())] if spends else line

    async def run(self, *argv: str) -> Said:
        """In this process; its standard input is no terminal."""
        async with self.lock:
            return await asyncio.to_thread(_run, argv)

    async def does(self, *words: str, key: Path | None = None) -> Said:
        """A command that spends money, unasked."""
        return await self.run(*self.line(*words, key=key), "--yes", "--json")

    async def looks(self, *words: str, spends: bool = False) -> Said:
        return await self.run(*self.line(*words, spends=spends), "--json")

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        """A command that spends money, as a process of its own."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gpn_desktop", *self.line(*words), "--yes", "--json",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    async def nonce(self) -> int:
        """How many transactions of the account are mined."""
        return await self.rpc.nonce(self.key.address, mined_only=True)

    async def waiting(self) -> int:
        """How many transactions of the account the chain node has, mined or not."""
        return await self.rpc.nonce(self.key.address)

    async def fund(self, account: Address, amount: int) -> None:
        await self.localnet.fund(account, Wei(amount))

    async def sends(self, process: asyncio.subprocess.Process, before: int) -> None:
        """Until a process has sent a transaction; no event tells of it, since it is another's."""
        deadline = time.monotonic() + 60
        while await self.waiting() == before:
            assert process.returncode is None, "it ended without sending"
            assert time.monotonic() < deadline, "it never sent anything"
            await asyncio.sleep(0.05)

    async def ask(self, method: str, *params: object) -> object:
        return await self.rpc.ask(method, *params)

    async def deployed(self, *terms: str) -> str:
        """The address of a new contract."""
        said = await self.does("contracts", "deploy", *terms)
        assert said.code == 0, said
        return str(said.json["contract"])


def _run(argv: tuple[str, ...]) -> Said:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(argv)
        except SystemExit as error:  # argparse's
            code = int(str(error.code))
    return Said(code, out.getvalue(), err.getvalue())


@asynccontextmanager
async def terminal(folder: Path) -> AsyncIterator[Terminal]:
    need_anvil()
    localnet = AnvilLocalnet(ARTIFACT, NODE_MODULES)
    local = await localnet.start()
    rpc = await Rpc.open(local.ws_url, request_timeout=10)
    key = new_key()
    made = Terminal(localnet, local, folder, key, rpc)
    await made.fund(key.address, 100 * ETHER)
    try:
        yield made
    finally:
        await rpc.aclose()
        await localnet.aclose()


def away() -> str:
    """An endpoint where nobody answers: nothing listens on port 1, and nothing may without being root."""
    return "ws://127.0.0.1:1"


def image(fill: str = "11") -> str:
    return f"example/prover@sha256:{fill * 32}"


def address(value: Address) -> str:
    return hex0x(value)


def forget_settings(monkeypatch: Any) -> None:
    """No setting of whoever runs the tests gets in."""
    for name in list(os.environ):
        if name.startswith("GPN_") and name not in ("GPN_ANVIL", "GPN_REQUIRE_ENGINES"):
            monkeypatch.delenv(name)
    for name in ("ETHEREUM_API", "CONTRACT_ADDRESS", "PRIVATE_KEY_PATH", "CONSUMERS", "MODE"):
        monkeypatch.delenv(name, raising=False)
