"""Nodes as child processes: configuration by file, key by pipe, events by lines of JSON.

The child's standard input stays open as its lifeline: it ends when this process does, however that ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from gpn_desktop.core.types import hex0x
from gpn_desktop.ports.processes import NodeEvent, NodeProcess, NodeSpec

log = logging.getLogger("gpn.processes")

STOP_SECONDS: Final = 10.0
MAX_LINE: Final = 1024 * 1024


def settings(spec: NodeSpec) -> dict[str, object]:
    """The node's configuration file."""
    return {
        "data_dir": str(spec.data_dir),
        "ethereum_api": spec.chain.ws_url,
        "contract_address": hex0x(spec.contract),
        "chain_id": spec.chain.chain_id,
        "consumers": [hex0x(c) for c in spec.consumers],
        "payout": hex0x(spec.payout),
        "p2p_listen": "127.0.0.1:0",
        "bootstrap": list(spec.bootstrap),
        "grpc_listen": "127.0.0.1:0",
        "runtime": spec.runtime,
    }


def to_toml(values: Mapping[str, object]) -> str:
    """Strings, integers and lists of strings; JSON's forms of these are TOML's."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


class ChildNode:
    """See ``ports.processes.NodeProcess``."""

    def __init__(self, spec: NodeSpec, process: Process) -> None:
        self.spec = spec
        self._process = process

    async def events(self) -> AsyncIterator[NodeEvent]:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                log.warning("%s said something else than an event", self.spec.name)
                continue
            if isinstance(event, dict):
                yield event
        await self._process.wait()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        """Closing its input asks it to end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()


class ProcessLauncher:
    """See ``ports.processes.Launcher``. ``log_level`` is the nodes', whose logs lie in their data folders."""

    def __init__(self, log_level: str = "INFO") -> None:
        self._log_level = log_level

    async def launch(self, spec: NodeSpec) -> NodeProcess:
        config = spec.data_dir / "node.toml"
        await asyncio.to_thread(_write, config, to_toml(settings(spec)))
        command = [sys.executable, "-m", "gpn_desktop", "node", "--config", str(config)]
        command += ["--key-stdin", "--events", "--stake", str(spec.stake), "--claim"]
        command += ["--prove-seconds", str(spec.delay)] if spec.runtime == "builtin" else []
        command += ["--cheat"] if spec.cheat else []
        with (spec.data_dir / "node.log").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=output,
                limit=MAX_LINE,
                start_new_session=os.name == "posix",  # a Ctrl-C is ours to pass on, in order
                env={**os.environ, "GPN_LOG": self._log_level},
            )
        assert process.stdin is not None
        process.stdin.write(spec.key.secret.hex().encode() + b"\n")
        with suppress(ConnectionError):  # it ended already; its log and its events say why
            await process.stdin.drain()
        return ChildNode(spec, process)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
