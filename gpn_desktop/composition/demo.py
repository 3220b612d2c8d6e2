"""The demo's parts: which prover, which processes, and the whole of it from the first block to the audit."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gpn_desktop import config as settings
from gpn_desktop.adapters.chain.evm import EvmChain
from gpn_desktop.adapters.chain.localnet import AnvilLocalnet
from gpn_desktop.adapters.docker import docker_available
from gpn_desktop.adapters.grpc.client import ProvingClient
from gpn_desktop.adapters.sqlite import MemoryStore
from gpn_desktop.adapters.system.processes import ProcessLauncher
from gpn_desktop.composition.demo_args import PROVERS, DemoArgs
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import EngineFault, GpnError
from gpn_desktop.core.types import Address, Hash32
from gpn_desktop.ports.localnet import LocalChain
from gpn_desktop.ports.processes import Launcher
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.resources import CONTRACTS
from gpn_desktop.services.consumer import Gateway
from gpn_desktop.services.demo.crew import Crew
from gpn_desktop.services.demo.encore import Encore
from gpn_desktop.services.demo.model import DemoImage, DemoOptions, Outcome, Report
from gpn_desktop.services.demo.play import DemoFailed, Play
from gpn_desktop.services.demo.stage import Say, Stage

ARTIFACT = CONTRACTS / "artifacts" / "GpnSettlement.json"
NODE_MODULES = CONTRACTS / "node_modules"
BUILD_SECONDS = 900.0
PROVE_SECONDS = 1.2  # long enough to kill a prover in the middle
SAMPLE = b'{"note": "a payload of the demo"}'
DEFAULT_PROVER = "groth16"
BUILTIN = DemoImage("builtin/test", keccak(b"builtin:test"), "builtin:test", "builtin", SAMPLE, PROVE_SECONDS)


def say(text: str) -> None:
    print(text, flush=True)


async def choose_images(args: DemoArgs, say: Say = say) -> list[DemoImage]:
    """Each consumer's; a failed build is an error, never a silent fall-back."""
    names = args.consumers or (DEFAULT_PROVER,)
    if args.builtin:
        return [BUILTIN] * len(names)
    if not (PROVERS / "build.py").is_file():
        say("This application comes without the provers' sources, so the built-in TEST prover is used: "
            "it proves nothing.")  # fmt: skip
        return [BUILTIN] * len(names)
    if await asyncio.to_thread(docker_available):
        built = {name: await _build(name, say) for name in dict.fromkeys(names)}
        return [built[name] for name in names]
    instead = f" instead of {' and '.join(names)}" if args.consumers else ""
    say(f"No Docker engine answers here, so the built-in TEST prover is used{instead}: it proves nothing.")
    return [BUILTIN] * len(names)


async def _build(name: str, say: Say) -> DemoImage:
    say(f"Building the {name} prover's image (the first time takes a minute)")
    out = await _run_build(PROVERS / "build.py", name)
    built = json.loads(out.splitlines()[-1])
    digest = Hash32(bytes.fromhex(built["digest"].removeprefix("sha256:")))
    sample = await asyncio.to_thread((PROVERS / name / "sample.json").read_bytes)
    return DemoImage(built["name"], digest, f"{built['name']}@{built['digest']}", "docker", sample)


async def _run_build(script: Path, name: str) -> str:
    """What it printed. EngineFault when it fails; it does not outlive the wait for it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), name, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(BUILD_SECONDS):
            out, err = await process.communicate()
    except TimeoutError as error:
        raise EngineFault("Building the prover's image took too long.") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise EngineFault(f"Building the prover's image failed: {err.decode(errors='replace')[-2000:]}")
    return out.decode()


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


@dataclass
class Live:
    """A window's hold on a demo that lives on until it is cancelled.

    ``built`` is done when the network stands, or has the error for which it does not; ``failed`` is told
    what the script found wrong, ``encore`` what can be asked for once it is over.
    """

    say: Say
    failed: Say
    built: asyncio.Future[None]
    encore: Callable[[Encore], None]


async def play(args: DemoArgs, launcher: Launcher, live: Live | None = None) -> Report:
    """The whole demo; with ``live`` the network lives on until this is cancelled."""
    args.check()
    images = await choose_images(args, live.say if live is not None else say)
    report, _ = await _play(args, launcher, images, live)
    return report


async def measure(args: DemoArgs, prove_seconds: float) -> list[Outcome]:
    """The same for the benchmarks: each counted request's times. DemoFailed when the demo had errors."""
    args.check()
    images = [replace(BUILTIN, delay=prove_seconds)]
    report, outcomes = await _play(args, process_launcher(), images)
    if report.errors:
        raise DemoFailed(report.errors[0])
    return outcomes


def make_stage(
    args: DemoArgs, launcher: Launcher, images: Sequence[DemoImage], folder: Path, say: Say = say
) -> Stage:
    """A stage on which nothing stands yet."""
    options = DemoOptions(args.nodes, args.requests, args.cheat, args.crash, folder, args.batch, args.absent)
    localnet = AnvilLocalnet(ARTIFACT, NODE_MODULES, block_time=1)
    return Stage(options, images, localnet, Crew(launcher), _chain, _gateway, say)


async def _play(
    args: DemoArgs, launcher: Launcher, images: Sequence[DemoImage], live: Live | None = None
) -> tuple[Report, list[Outcome]]:
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="gpn-demo-"))
    stage = make_stage(args, launcher, images, folder, live.say if live is not None else say)
    report = Report(args.nodes, args.requests, prover=", ".join(i.label for i in images))
    plot = Play(stage, report)
    try:
        await stage.build()
        assert stage.local is not None
        report.chain_id, report.contract = stage.local.chain_id, "0x" + stage.contract.hex()
        if live is not None:
            live.built.set_result(None)
        await plot.run()
        if live is not None:
            await _live_on(live, report, Encore(stage, plot))
    except GpnError as error:
        report.errors.append(str(error))
        if live is not None and not live.built.done():
            live.built.set_exception(error)
    finally:
        await stage.aclose()
        begun = await asyncio.to_thread(lambda: any(folder.iterdir()))
        if begun and (args.keep or report.errors):
            stage.say(f"The nodes' folders are kept in {folder}")
        else:
            await asyncio.to_thread(shutil.rmtree, folder, True)
    return report, plot.outcomes


async def _live_on(live: Live, report: Report, encore: Encore) -> None:
    for error in report.errors:
        live.failed(f"The demo failed: {error}")
    if not report.errors:
        live.say(f"{report.paid} of {report.requests} requests proved, verified and paid; "
                 "the network goes on until the window is closed")  # fmt: skip
        live.encore(encore)
    await asyncio.Event().wait()


async def run_headless(args: DemoArgs) -> Report:
    """Ended by SIGINT or SIGTERM like by itself: nodes, containers and chain are taken down in order."""
    task = asyncio.ensure_future(play(args, process_launcher()))
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


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
