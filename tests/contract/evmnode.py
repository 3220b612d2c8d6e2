"""A real EVM node on loopback that signs for any sender, and a contract on it: for tests and benchmarks."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpn_desktop.adapters.chain import bindings as gpn
from gpn_desktop.adapters.chain.localnet import find_anvil
from gpn_desktop.core.eip712 import address_of_secret
from gpn_desktop.core.types import Address, Domain, Signature, hex0x, parse_address

ROOT = Path(__file__).parents[2]
ARTIFACT = ROOT / "contracts" / "artifacts" / "GpnSettlement.json"
NODE_MODULES = ROOT / "contracts" / "node_modules"
CHAIN_ID = 31337


class Refused(Exception):
    """The chain's own words for a call it would not take; ``data`` is what the contract reverted with."""

    def __init__(self, message: str, data: bytes) -> None:
        super().__init__(message)
        self.data = data


@dataclass
class Evm:
    """A JSON-RPC node on loopback that signs for any sender."""

    url: str

    def ask(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        query = urllib.request.Request(
            self.url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(query, timeout=10) as answer:
            reply = json.load(answer)
        if "error" in reply:
            data = reply["error"].get("data") or "0x"
            raise Refused(reply["error"]["message"], bytes.fromhex(data[2:]))
        return reply["result"]

    def send(self, sender: bytes, to: bytes | None, data: bytes, value: int = 0) -> dict[str, Any]:
        """The receipt of a mined transaction; Refused, with the contract's words, where it would revert."""
        tx = {"from": hex0x(sender), "data": hex0x(data), "value": hex(value), "gasPrice": "0x0"}
        if to is not None:
            tx["to"] = hex0x(to)
        self.ask("eth_call", tx, "latest")
        sent = self.ask("eth_sendTransaction", tx)
        self.ask("evm_mine")
        receipt: dict[str, Any] = self.ask("eth_getTransactionReceipt", sent)
        return receipt

    def balance(self, account: bytes) -> int:
        return int(self.ask("eth_getBalance", hex0x(account), "latest"), 16)

    def advance(self, seconds: int) -> None:
        self.ask("evm_increaseTime", seconds)
        self.ask("evm_mine")

    def now(self) -> int:
        return int(self.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)


@dataclass
class Deployment:
    evm: Evm
    address: Address
    domain: Domain

    def call(self, data: bytes) -> bytes:
        result = self.evm.ask("eth_call", {"to": hex0x(self.address), "data": hex0x(data)}, "latest")
        return bytes.fromhex(result[2:])

    def send(self, secret: bytes, data: bytes, value: int = 0) -> list[gpn.Event]:
        """The events of a transaction of the key's account."""
        receipt = self.evm.send(address_of_secret(secret), self.address, data, value)
        assert receipt["status"] == "0x1"
        return [event for log in receipt["logs"] if (event := decoded(log)) is not None]


def decoded(log: dict[str, Any]) -> gpn.Event | None:
    topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
    return gpn.decode_log(topics, bytes.fromhex(log["data"][2:]))


def wait_until_open(child: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and child.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise RuntimeError("anvil did not open its port")


@contextmanager
def evm_node() -> Iterator[Evm]:
    """Started and ended; blocks are made when asked for, and gas costs nothing."""
    program = find_anvil(NODE_MODULES)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(program), "--host", "127.0.0.1", "--port", str(port), "--silent"]
    command += ["--auto-impersonate", "--no-mining", "--gas-price", "0", "--base-fee", "0"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_open(child, port)
        yield Evm(f"http://127.0.0.1:{port}")
    finally:
        child.kill()
        child.wait()


def deploy(evm: Evm, params: gpn.Params) -> Deployment:
    """A fresh contract."""
    deployer = parse_address(evm.ask("eth_accounts")[0])
    code = gpn.creation_code(ARTIFACT) + gpn.constructor_args(params)
    address = parse_address(evm.send(deployer, None, code)["contractAddress"])
    return Deployment(evm, address, Domain(CHAIN_ID, address))


def compact(signature: Signature) -> tuple[bytes, bytes]:
    vs = int.from_bytes(signature[32:64], "big") | (signature[64] - 27) << 255
    return signature[:32], vs.to_bytes(32, "big")
