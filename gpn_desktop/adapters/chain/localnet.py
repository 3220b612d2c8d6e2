"""A throw-away chain on this machine: an anvil that is started, steered and ended with this process.

Blocks are mined as transactions come, so a transaction is final within milliseconds and an idle chain stands
still; ``advance`` moves its clock. The process ends with this one, however this one ends: a small shell
holds it and reads a pipe whose other end only we have.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from gpn_desktop.adapters.chain import bindings
from gpn_desktop.adapters.chain.audit import audit
from gpn_desktop.adapters.chain.rpc import Receipt, Refused, Rpc
from gpn_desktop.adapters.chain.signing import Outgoing, contract_address, sign
from gpn_desktop.core.eip712 import address_of_secret, keccak
from gpn_desktop.core.errors import ChainUnreachable, TransactionFailed
from gpn_desktop.core.types import Address, Hash32, Wei, hex0x, parse_hash
from gpn_desktop.ports.localnet import Audit, LocalChain
from gpn_desktop.ports.secrets import NodeKey

CHAIN_ID: Final = 31337
ACCOUNTS: Final = 10
RICH: Final = 10_000 * 10**18
READY_WITHIN: Final = 15.0
PORT_TRIES: Final = 3
MISSING_REMEDY: Final = "Run `make setup`, which installs anvil, or name an anvil program in GPN_ANVIL."

# The shell's stdin is our pipe: reading ends when we close it or die, and then so does anvil. The shell
# itself ends when anvil does, whatever the reason. Nothing of a throw-away chain is worth a polite end.
_GUARD: Final = (
    'exec 3<&0; "$@" </dev/null 3<&- & child=$!; { read -r _; kill -9 "$child"; } <&3 & '
    'wait "$child"; code=$?; kill $! 2>/dev/null; exit $code'
)


def find_anvil(node_modules: Path | None = None) -> Path:
    """The anvil program: ``GPN_ANVIL``, else on the path, else the one npm installed for this machine.

    Raises:
        ChainUnreachable: there is none.
    """
    named = os.environ.get("GPN_ANVIL", "")
    if named:
        if os.access(named, os.X_OK):
            return Path(named)
        raise ChainUnreachable(f"GPN_ANVIL names {named}, which is no program.", remedy=MISSING_REMEDY)
    on_path = shutil.which("anvil")
    if on_path:
        return Path(on_path)
    if node_modules is not None:
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine().lower())
        system = {"Windows": "win32"}.get(platform.system(), platform.system().lower())
        folder = node_modules / "@foundry-rs" / f"anvil-{system}-{machine}" / "bin"
        installed = folder / ("anvil.exe" if system == "win32" else "anvil")
        if os.access(installed, os.X_OK):
            return installed
    raise ChainUnreachable("anvil, the local chain's program, is not installed.", remedy=MISSING_REMEDY)


def demo_terms(window: int) -> bindings.Params:
    """A local contract's terms: short enough to watch, in the same proportions as on a real network."""
    hour = 3600
    return bindings.Params(
        window=window,
        settle_grace=hour,
        max_lifetime=hour,
        unbond=window + 3 * hour,
        settle_delay=60,
        min_stake=5 * 10**17,
        min_reward_gwei=1000,
        tip_gwei=600,
        prover_bps=6000,
        inclusion_bps=2000,
        verifier_bps=2000,
    )


def rich_accounts() -> tuple[NodeKey, ...]:
    """The accounts that every local chain starts with; anybody can compute their keys."""
    secrets = [keccak(b"GPN local account %d" % number) for number in range(ACCOUNTS)]
    return tuple(NodeKey(address_of_secret(secret), secret) for secret in secrets)


class AnvilLocalnet:
    """See ``ports.localnet.Localnet``. ``port`` 0 takes a free one.

    With ``block_time`` (seconds) a block comes at least that often, transactions or none: a network whose
    turns begin with a block's time needs blocks that are not much older than now.
    """

    def __init__(
        self, artifact: Path, node_modules: Path | None = None, port: int = 0, block_time: int = 0
    ) -> None:
        self._artifact = artifact
        self._node_modules = node_modules
        self._port = port
        self._block_time = block_time
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._rpc: Rpc | None = None

    @property
    def port(self) -> int:
        """The port it answers on, once started."""
        return self._port

    async def start(self) -> LocalChain:
        program = find_anvil(self._node_modules)
        tries = 1 if self._port else PORT_TRIES
        port = 0
        for left in reversed(range(tries)):
            port = self._port or _free_port()
            try:
                self._rpc = await self._launch(program, port)
                break
            except ChainUnreachable:
                await self.aclose()
                if not left:
                    raise
        self._port = port
        await self._connected().subscribe_heads()
        accounts = rich_accounts()
        for account in accounts:
            await self._ask("anvil_setBalance", hex0x(account.address), hex(RICH))
        return LocalChain(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}", CHAIN_ID, accounts)

    async def deploy(self, deployer: NodeKey, window: int) -> Address:
        rpc = self._connected()
        code = await asyncio.to_thread(_creation_code, self._artifact, window)
        nonce = await rpc.nonce(deployer.address)
        head = await rpc.header()
        base_fee = head.base_fee if head else 0
        try:
            gas = await rpc.estimate(deployer.address, None, 0, code)
            tx = Outgoing(CHAIN_ID, nonce, None, 0, code, gas * 5 // 4, 2 * base_fee + 10**9, 10**9)
            raw, tx_hash = sign(tx, deployer)
            await rpc.send(raw)
        except Refused as error:
            raise TransactionFailed(f"The contract was not deployed: {error.message}.") from error
        receipt = await self._mined(tx_hash)
        if not receipt.succeeded:
            raise TransactionFailed("The contract's constructor refused its terms.")
        return contract_address(deployer.address, nonce)

    async def advance(self, seconds: int) -> None:
        await self._ask("evm_increaseTime", seconds)
        await self._ask("evm_mine")

    async def reorganise(self, depth: int) -> None:
        """Replace the last blocks by others, without the transactions that they had."""
        await self._ask("anvil_reorg", depth, [])

    async def fund(self, account: Address, amount: Wei) -> None:
        giver = await self._ask("eth_accounts")
        if not isinstance(giver, list) or not giver:
            raise ChainUnreachable("The local chain has no account to give from.")
        payment = {"from": giver[0], "to": hex0x(account), "value": hex(amount)}
        await self._mined(parse_hash(str(await self._ask("eth_sendTransaction", payment))))

    async def audit(self, since: int, accounts: Iterable[Address]) -> Audit:
        try:
            return await audit(self._connected(), since, accounts)
        except Refused as error:
            raise ChainUnreachable(f"The local chain's books can't be read: {error.message}.") from error

    async def aclose(self) -> None:
        """End the chain's process; what it held is gone. May be called twice."""
        rpc, self._rpc = self._rpc, None
        if rpc is not None:
            await rpc.aclose()
        process, self._process = self._process, None
        if process is not None:
            await asyncio.to_thread(_end, process)
        if self._output is not None:
            self._output.close()
            self._output = None

    async def _launch(self, program: Path, port: int) -> Rpc:
        args = [str(program), "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(CHAIN_ID)]
        if self._block_time:
            args += ["--block-time", str(self._block_time), "--mixed-mining"]
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        self._process = await asyncio.to_thread(_spawn, [*args, "--quiet"], self._output)
        deadline = time.monotonic() + READY_WITHIN
        while True:
            try:
                return await Rpc.open(f"ws://127.0.0.1:{port}", request_timeout=10)
            except ChainUnreachable as error:
                if time.monotonic() > deadline or self._ended():
                    said = self._said()
                    raise ChainUnreachable(
                        f"The local chain did not start on port {port}. {said}".strip(), remedy=MISSING_REMEDY
                    ) from error
            await asyncio.sleep(0.02)  # nothing tells when a foreign process listens

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _said(self) -> str:
        if self._output is None:
            return ""
        self._output.seek(0)
        return self._output.read(4096).decode(errors="replace").strip()

    def _connected(self) -> Rpc:
        if self._rpc is None:
            raise ChainUnreachable("The local chain is not started.")
        return self._rpc

    async def _ask(self, method: str, *params: object) -> Any:
        try:
            return await self._connected().ask(method, *params)
        except Refused as error:
            raise ChainUnreachable(f"The local chain refused {method}: {error.message}.") from error

    async def _mined(self, tx_hash: Hash32) -> Receipt:
        """The receipt of a transaction just sent; anvil answers the sending before it mines the block."""
        rpc = self._connected()
        async with asyncio.timeout(READY_WITHIN):
            while (receipt := await rpc.receipt(tx_hash)) is None:
                await rpc.next_head()
        return receipt


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _spawn(command: Sequence[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    if os.name == "posix":
        command = ["/bin/sh", "-c", _GUARD, "gpn-localnet", *command]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    if os.name != "posix":
        process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _creation_code(artifact: Path, window: int) -> bytes:
    """The artifact's bytecode with the terms of a demo."""
    try:
        code = bindings.creation_code(artifact)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ChainUnreachable(
            f"The contract's artifact {artifact.name} is missing or damaged.",
            remedy="Install the application anew, or run `make contracts` in a checkout.",
        ) from error
    return code + bindings.constructor_args(demo_terms(window))
