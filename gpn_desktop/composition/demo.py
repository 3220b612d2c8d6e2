"""The demo's parts: which prover, which processes, with or without a window."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gpn_desktop import config as settings
from gpn_desktop.adapters.chain.evm import EvmChain
from gpn_desktop.adapters.chain.localnet import AnvilLocalnet
from gpn_desktop.adapters.docker import docker_available
from gpn_desktop.adapters.grpc.client import ProvingClient
from gpn_desktop.adapters.sqlite import MemoryStore
from gpn_desktop.adapters.system.processes import ProcessLauncher, write_config
from gpn_desktop.composition.parts import Extras, build_node, build_server
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import ConfigError, EngineFault, GpnError
from gpn_desktop.core.types import Address, Hash32
from gpn_desktop.ports.localnet import LocalChain
from gpn_desktop.ports.processes import Launcher, NodeEvent, NodeProcess, NodeSpec
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services.consumer import Gateway
from gpn_desktop.services.demo.crew import Crew
from gpn_desktop.services.demo.model import DemoImage, DemoOptions, Outcome, Report
from gpn_desktop.services.demo.play import DemoFailed, Play
from gpn_desktop.services.demo.stage import Stage
from gpn_desktop.services.facade import Facade

ROOT = Path(__file__).parents[2]
ARTIFACT = ROOT / "contracts" / "artifacts" / "GpnSettlement.json"
NODE_MODULES = ROOT / "contracts" / "node_modules"
BUILD_SECONDS = 900.0
PROVE_SECONDS = 1.2  # long enough to kill a prover in the middle
SAMPLE = b'{"note": "a payload of the demo"}'


@dataclass(frozen=True, slots=True)
class DemoArgs:
    nodes: int
    requests: int
    cheat: int
    crash: bool
    builtin: bool
    keep: bool

    def check(self) -> None:
        """ConfigError for what can't be played."""
        if not 2 <= self.nodes <= 16:
            raise ConfigError(f"--nodes is {self.nodes}; 2 to 16 are possible.")
        if not 1 <= self.requests <= 100:
            raise ConfigError(f"--requests is {self.requests}; 1 to 100 are possible.")
        quorum = (self.nodes - 1) // 2 + 1
        if not 0 <= self.cheat < quorum:
            raise ConfigError(f"--cheat is {self.cheat}; it has to stay below the quorum, {quorum}.")
        if self.crash and self.nodes < 4:
            raise ConfigError("--crash needs 4 nodes: with fewer, a killed one blocks the quorum.")


def say(text: str) -> None:
    print(text, flush=True)


async def choose_image(builtin: bool) -> DemoImage:
    """The Groth16 image where an engine is; a failed build is an error, never a silent fall-back."""
    if builtin or not await asyncio.to_thread(docker_available):
        if not builtin:
            say("No Docker engine answers here, so the built-in TEST prover is used: it proves nothing.")
        digest = keccak(b"builtin:test")
        return DemoImage("builtin/test", digest, "builtin:test", "builtin", SAMPLE, PROVE_SECONDS)
    say("Building the Groth16 prover's image (the first time takes a minute)")
    folder = ROOT / "resources" / "provers"
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(folder / "build.py"), "groth16",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(BUILD_SECONDS):
            out, err = await process.communicate()
    except TimeoutError as error:
        process.kill()
        raise EngineFault("Building the prover's image took too long.") from error
    if process.returncode:
        raise EngineFault(f"Building the prover's image failed: {err.decode(errors='replace')[-2000:]}")
    built = json.loads(out.decode().splitlines()[-1])
    digest = Hash32(bytes.fromhex(built["digest"].removeprefix("sha256:")))
    sample = await asyncio.to_thread((folder / "groth16" / "sample.json").read_bytes)
    return DemoImage(built["name"], digest, f"{built['name']}@{built['digest']}", "docker", sample)


def _chain(local: LocalChain, contract: Address, key: NodeKey) -> EvmChain:
    return EvmChain(local.ws_url, contract, local.chain_id, key, OpenStore())


class OpenStore(MemoryStore):
    """The consumer's journal lives as long as the demo's chain does."""

    def __init__(self) -> None:
        super().__init__()
        self._open = True


async def _gateway(target: str) -> Gateway:
    return ProvingClient(target)


def process_launcher() -> ProcessLauncher:
    """The nodes' settings come from their files alone."""
    ours = {setting.env for setting in settings.SETTINGS.values()} | {"GPN_CONFIG"}
    return ProcessLauncher({name: value for name, value in os.environ.items() if name not in ours})


async def play(args: DemoArgs, launcher: Launcher, stay: bool) -> Report:
    """The whole demo; with ``stay`` the network lives on until this is cancelled."""
    args.check()
    image = await choose_image(args.builtin)
    report, _ = await _play(args, launcher, image, stay)
    return report


async def measure(args: DemoArgs, prove_seconds: float) -> list[Outcome]:
    """The same for the benchmarks: each counted request's times. DemoFailed when the demo had errors."""
    args.check()
    image = replace(await choose_image(builtin=True), delay=prove_seconds)
    report, outcomes = await _play(args, process_launcher(), image, stay=False)
    if report.errors:
        raise DemoFailed(report.errors[0])
    return outcomes


def make_stage(args: DemoArgs, launcher: Launcher, image: DemoImage, folder: Path) -> Stage:
    """A stage on which nothing stands yet."""
    options = DemoOptions(args.nodes, args.requests, args.cheat, args.crash, folder)
    localnet = AnvilLocalnet(ARTIFACT, NODE_MODULES, block_time=1)
    return Stage(options, image, localnet, Crew(launcher), _chain, _gateway, say)


async def _play(
    args: DemoArgs, launcher: Launcher, image: DemoImage, stay: bool
) -> tuple[Report, list[Outcome]]:
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="gpn-demo-"))
    stage = make_stage(args, launcher, image, folder)
    report = Report(args.nodes, args.requests, prover=image.label)
    plot = Play(stage, report)
    try:
        await stage.build()
        assert stage.local is not None
        report.chain_id, report.contract = stage.local.chain_id, "0x" + stage.contract.hex()
        await plot.run()
        if stay:
            say("The network goes on until the window is closed.")
            await asyncio.Event().wait()
    except GpnError as error:
        report.errors.append(str(error))
    finally:
        await stage.aclose()
        if args.keep or report.errors:
            say(f"The nodes' folders are kept in {folder}")
        else:
            await asyncio.to_thread(shutil.rmtree, folder, True)
    return report, plot.outcomes


async def run_headless(args: DemoArgs) -> Report:
    """Ended by SIGINT or SIGTERM like by itself: nodes, containers and chain are taken down in order."""
    task = asyncio.ensure_future(play(args, process_launcher(), stay=False))
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


# With a window ----------------------------------------------------------------------------------------------


@dataclass
class WindowNode:
    """The first operator's node, in the window's own process; see ``ports.processes.NodeProcess``."""

    spec: NodeSpec
    queue: asyncio.Queue[NodeEvent | None] = field(default_factory=asyncio.Queue)
    close: list[Facade] = field(default_factory=list)

    def emit(self, name: str, fields: dict[str, object]) -> None:
        self.queue.put_nowait({"event": name, **fields})

    async def events(self) -> AsyncIterator[NodeEvent]:
        while (event := await self.queue.get()) is not None:
            yield event

    def kill(self) -> None:
        raise ConfigError("The window's own node can't be killed.")

    async def stop(self) -> None:
        for facade in self.close:
            await facade.aclose()
        self.queue.put_nowait(None)


@dataclass
class WindowLauncher:
    """Processes for all nodes but the first, whose facade the window gets."""

    others: Launcher
    facade: asyncio.Future[Facade]

    async def launch(self, spec: NodeSpec) -> NodeProcess:
        if self.facade.done():
            return await self.others.launch(spec)
        config = settings.load(file=await asyncio.to_thread(write_config, spec), env={})
        child = WindowNode(spec)
        extras = Extras(child.emit, spec.delay, spec.cheat, label="demo")
        node = await build_node(config, spec.key, extras)
        server = build_server(config, node)
        node.closing.append(server.aclose)
        child.close.append(node)
        await node.start()
        await server.start()
        view = node.view()
        child.emit(
            "ready", {"address": view.address.hex(), "grpc": server.target, "listen": list(view.listen)}
        )
        self.facade.set_result(node)
        return child


@dataclass
class WindowDemo:
    """The demo beside a window: ``facade`` starts it, ``background`` is what goes on."""

    args: DemoArgs
    task: asyncio.Task[Report] | None = None

    async def facade(self) -> Facade:
        launcher = WindowLauncher(process_launcher(), asyncio.get_running_loop().create_future())
        self.task = asyncio.create_task(play(self.args, launcher, stay=True))
        first: list[asyncio.Future[Any]] = [self.task, launcher.facade]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if launcher.facade.done():
            return launcher.facade.result()
        report = self.task.result()
        raise EngineFault(report.errors[0] if report.errors else "The demo ended by itself.")

    async def background(self, facade: Facade) -> None:
        assert self.task is not None
        try:
            await asyncio.shield(self.task)
        except asyncio.CancelledError:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            raise


def print_report(report: Report, as_json: bool) -> int:
    """The exit code: 0 when everything asked for was verified, settled and paid."""
    good = not report.errors and report.paid == report.requests
    if as_json:
        print(json.dumps(report.json()), flush=True)
    elif good:
        say(f"{report.paid} of {report.requests} requests proved, verified and paid.")
    else:
        print("\n".join(["The demo failed:", *report.errors]), file=sys.stderr)
    return 0 if good else 1
