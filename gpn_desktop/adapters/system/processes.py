"""Nodes as child processes: configuration by file, key by pipe, events by lines of JSON.

The child's standard input stays open as its lifeline: it ends when this process does, however that ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from gpn_desktop.core.types import hex0x
from gpn_desktop.ports.processes import NodeEvent, NodeProcess, NodeSpec
from gpn_desktop.resources import program

log = logging.getLogger("gpn.processes")

STOP_SECONDS: Final = 10.0
MAX_LINE: Final = 1024 * 1024


def settings(spec: NodeSpec) -> dict[str, dict[str, object]]:
    """The node's configuration file, by table."""
    return {
        "node": {
            "data_dir": str(spec.data_dir),
            "consumers": [hex0x(c) for c in spec.consumers],
            "payout": hex0x(spec.payout),
            "runtime": spec.runtime,
            "auto_claim": True,
        },
        "chain": {
            "api": [spec.chain.ws_url],
            "contract": hex0x(spec.contract),
            "id": spec.chain.chain_id,
            "confirmations": 0,
            "stake": _ether(spec.stake),
        },
        "p2p": {"host": "127.0.0.1", "port": 0, "bootstrap": list(spec.bootstrap)},
        "grpc": {"port": 0},
        "settle": {"max_batch": spec.settle_batch, "max_age": spec.settle_age},
    }


def _ether(amount: int) -> str:
    return f"{amount // 10**18}.{amount % 10**18:018d}"


def to_toml(tables: Mapping[str, Mapping[str, object]]) -> str:
    """Strings, integers, booleans and lists of strings; JSON's forms of these are TOML's."""
    lines: list[str] = []
    for table, values in tables.items():
        lines.append(f"[{table}]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


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
        """Closing its input asks it to end. One that is still reading its code hears nothing of that, and has
        nothing open either: the signal ends it where it stands. Windows has none that could be heard."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if os.name == "posix":
            with suppress(ProcessLookupError):
                self._process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()


PROGRAM: Final = program()


class ProcessLauncher:
    """See ``ports.processes.Launcher``. The nodes see ``env``; their logs lie with their data."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)

    def program(self, _spec: NodeSpec) -> Sequence[str]:
        """What is run as the node; a test can have it run in a way of its own."""
        return PROGRAM

    async def launch(self, spec: NodeSpec) -> NodeProcess:
        config = await asyncio.to_thread(write_config, spec)
        command = [*self.program(spec), "node", "--config", str(config)]
        command += ["--key-stdin", "--events"]
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
                env=self._env,
            )
        assert process.stdin is not None
        process.stdin.write(spec.key.secret.hex().encode() + b"\n")
        with suppress(ConnectionError):  # it ended already; its log and its events say why
            await process.stdin.drain()
        return ChildNode(spec, process)


def write_config(spec: NodeSpec) -> Path:
    """The node's configuration file, in its data folder."""
    spec.data_dir.mkdir(parents=True, exist_ok=True)
    path = spec.data_dir / "node.toml"
    path.write_text(to_toml(settings(spec)))
    return path
