"""Clients of the prototype, generated from its .proto alone, against nodes in MODE=testing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gpn_desktop.core.types import hex0x
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services.demo.stage import new_key

PROTO = Path(__file__).parents[2] / "proto"
CLIENT = Path(__file__).parent / "old_client.py"
IMAGE = "generic/mock-prover"


class Running:
    def __init__(self, process: asyncio.subprocess.Process, ready: dict[str, Any]) -> None:
        self.process = process
        self.grpc = str(ready["grpc"])
        self.listen = [str(a) for a in ready["listen"]]


async def _start(key: NodeKey, members: list[NodeKey], folder: Path, bootstrap: list[str]) -> Running:
    env = {
        **os.environ,
        "MODE": "testing",
        "CONSUMERS": IMAGE,
        "PORT": "0",
        "GPN_P2P_HOST": "127.0.0.1",
        "GPN_GRPC_PORT": "0",
        "GPN_DATA_DIR": str(folder),
        "GPN_RUNTIME": "builtin",
        "GPN_MEMBERS": ",".join(hex0x(m.address) for m in members),
        "GPN_BOOTSTRAP": ",".join(bootstrap),
    }
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gpn_desktop", "node", "--events", "--key-stdin",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=env,
        )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(key.secret.hex().encode() + b"\n")
    async with asyncio.timeout(60):
        async for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "ready":
                return Running(process, event)
    raise AssertionError((folder / "log").read_text())


@asynccontextmanager
async def network(tmp_path: Path, size: int) -> AsyncIterator[list[Running]]:
    keys = [new_key() for _ in range(size)]
    nodes: list[Running] = []
    try:
        for number, key in enumerate(keys):
            bootstrap = nodes[0].listen if nodes else []
            (tmp_path / f"node-{number}").mkdir()
            nodes.append(await _start(key, keys, tmp_path / f"node-{number}", bootstrap))
        yield nodes
    finally:
        for node in nodes:
            assert node.process.stdin is not None
            node.process.stdin.close()
        for node in nodes:
            async with asyncio.timeout(20):
                assert await node.process.wait() == 0


@pytest.mark.timeout(180)
async def test_an_old_client_gets_its_proofs(tmp_path: Path) -> None:
    out = tmp_path / "generated"
    out.mkdir()
    async with network(tmp_path, 3) as nodes:
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-I", str(CLIENT), str(PROTO), str(out), nodes[0].grpc, IMAGE, "3",
            stdout=subprocess.PIPE,
        )  # fmt: skip
        said, _ = await client.communicate()
    assert client.returncode == 0
    answer = json.loads(said)
    assert answer["unknown"] == "NOT_FOUND"
    for number, (proof_id, proof, timestamp) in enumerate(answer["proofs"]):
        assert proof == hashlib.sha256(b"job-%dinput %d" % (number, number)).hexdigest()
        assert proof_id
        assert timestamp > 1_700_000_000
