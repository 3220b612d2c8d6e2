"""A node as a child process ends when it is told to, wherever it stands."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from gpn_desktop.adapters.system.processes import ChildNode
from gpn_desktop.core.types import Address, Wei
from gpn_desktop.ports.localnet import LocalChain
from gpn_desktop.ports.processes import NodeEvent, NodeSpec
from gpn_desktop.ports.secrets import NodeKey

STARTING = 'import time; print(\'{"event": "here"}\', flush=True); time.sleep(60)'
SERVING = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: None)
print('{"event": "here"}', flush=True)
sys.stdin.read()
print('{"event": "closed in order"}', flush=True)
"""


async def child(program: str) -> tuple[ChildNode, asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdin=PIPE, stdout=PIPE)
    key = NodeKey(Address(bytes(20)), bytes(32))
    local = LocalChain("http://127.0.0.1:1", "ws://127.0.0.1:1", 1, ())
    spec = NodeSpec(
        "node-1", key, key.address, Path(), local, Address(bytes(20)), (), (), Wei(0), runtime="builtin"
    )
    return ChildNode(spec, process), process


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals between processes")
async def test_one_that_is_still_starting_ends_at_once() -> None:
    node, process = await child(STARTING)
    events = node.events()
    assert await anext(events) == {"event": "here"}
    async with asyncio.timeout(5):  # half of what it has before it is killed
        await node.stop()
    assert process.returncode == -signal.SIGTERM


async def test_one_that_serves_ends_in_order() -> None:
    node, process = await child(SERVING)
    events: list[NodeEvent] = []
    async for event in node.events():
        events.append(event)
        if len(events) == 1:
            await node.stop()
    assert events == [{"event": "here"}, {"event": "closed in order"}]
    assert process.returncode == 0
