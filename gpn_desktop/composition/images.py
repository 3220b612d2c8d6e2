"""``gpn-desktop image``: pulling, removing, trying and checking prover images, without a node."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gpn_desktop import config as settings
from gpn_desktop import config_values as values
from gpn_desktop.adapters.docker import DockerRuntime
from gpn_desktop.adapters.docker.builder import build_image
from gpn_desktop.adapters.gpu import GpuSensors
from gpn_desktop.adapters.system.clock import SystemClock
from gpn_desktop.adapters.system.images import FileImageBook
from gpn_desktop.composition.asking import say
from gpn_desktop.composition.demo_args import PROVERS, TEMPLATE
from gpn_desktop.composition.provers import docker_options
from gpn_desktop.composition.sites import option
from gpn_desktop.composition.terms import standard_shares
from gpn_desktop.config import NodeConfig
from gpn_desktop.core.errors import BadOption, ConfigError
from gpn_desktop.core.manifest import MIB
from gpn_desktop.core.trial import Measured, Offer, Times, Verdict, judge
from gpn_desktop.core.types import Gwei
from gpn_desktop.ports.runtime import ImageRef, PullProgress
from gpn_desktop.services.conformance import Check, Conformance
from gpn_desktop.services.images import Images
from gpn_desktop.services.trial import MAX_RUNS, Trial

MAX_INPUT = 32 * MIB


async def run_image(args: argparse.Namespace) -> int:
    """The exit code: 0 where all is well, 1 for a no-go or a failed check."""
    if args.action == "new":
        return _new(Path(args.image), args.json)
    config = settings.load({}, file=args.config)
    sensors = GpuSensors()
    runtime = DockerRuntime(f"image-{os.getpid()}", docker_options(config), sensors)
    try:
        await runtime.start()
        images = Images(runtime, runtime.shelf, FileImageBook(config.data_dir))
        return await _ACTIONS[args.action](args, _Tools(config, runtime, sensors, images))
    finally:
        await runtime.aclose()


class _Tools:
    def __init__(
        self, config: NodeConfig, runtime: DockerRuntime, sensors: GpuSensors, images: Images
    ) -> None:
        self.config, self.runtime, self.sensors, self.images = config, runtime, sensors, images


def _new(folder: Path, as_json: bool) -> int:
    try:
        shutil.copytree(PROVERS / TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(PROVERS / "common" / "server.py", folder)
    except FileExistsError:
        raise BadOption(f"{folder} exists already; name a new folder.") from None
    except OSError as error:
        raise BadOption(f"{folder} can't be made: {error.strerror}.") from error
    files = sorted(path.name for path in folder.iterdir())
    print(json.dumps({"folder": str(folder), "files": files}) if as_json else "\n".join(files), flush=True)
    say(f"Now: gpn-desktop image check {folder}")
    return 0


async def _pull(args: argparse.Namespace, tools: _Tools) -> int:
    image = await tools.images.resolve(args.image)
    say(f"{args.image} is {image}")
    await tools.runtime.pull(image, _meter())
    await tools.images.pull(image)
    print(json.dumps({"image": str(image)}) if args.json else image, flush=True)
    return 0


async def _list(args: argparse.Namespace, tools: _Tools) -> int:
    views = await tools.images.views()
    if args.json:
        rows = [{"image": str(v.image), "state": v.state.value, "size": v.size} for v in views]
        print(json.dumps({"images": rows}), flush=True)
        return 0
    for view in views:
        size = "not here" if view.size is None else f"{view.size / MIB:,.0f} MiB"
        print(f"{view.state.value:<12} {size:>12}  {view.image}", flush=True)
    if not views:
        say("This node has pulled no image yet.")
    return 0


async def _remove(args: argparse.Namespace, tools: _Tools) -> int:
    freed = await tools.images.remove(await tools.images.resolve(args.image))
    print(json.dumps({"freed": freed}) if args.json else f"{freed / MIB:,.0f} MiB freed", flush=True)
    return 0


async def _prune(args: argparse.Namespace, tools: _Tools) -> int:
    freed = await tools.images.prune()
    print(json.dumps({"freed": freed}) if args.json else f"{freed / MIB:,.0f} MiB freed", flush=True)
    return 0


async def _try(args: argparse.Namespace, tools: _Tools) -> int:
    if not 1 <= args.runs <= MAX_RUNS:
        raise BadOption(f"--runs is {args.runs}; 1 to {MAX_RUNS:,} are possible.")
    offer = _offer(args)
    image = await tools.images.resolve(args.image)
    say(f"Trying {image}")
    caps = docker_options(tools.config).caps
    trial = Trial(tools.runtime, SystemClock(), caps, tools.sensors, say)
    found = await trial.run(image, args.runs, _input(args.data), _meter())
    verdict = judge(found, offer)
    if args.json:
        print(json.dumps(_report(image, found, verdict)), flush=True)
    else:
        _print_trial(found, verdict)
    return 0 if verdict.go else 1


def _offer(args: argparse.Namespace) -> Offer:
    if args.timeout <= 0:
        raise BadOption("--timeout has to be above 0.")
    if not 2 <= args.committee <= 32 or not 1 <= args.batch <= 64:
        raise BadOption("--committee takes 2 to 32, --batch 1 to 64.")
    price = option("gas-gwei", values.gwei, args.gas_gwei)
    reward = None if args.reward is None else Gwei(args.reward)
    return Offer(args.timeout, reward, price, args.committee, args.batch, standard_shares())


def _report(image: ImageRef, found: Measured, verdict: Verdict) -> dict[str, Any]:
    return {
        "image": str(image),
        "go": verdict.go,
        "findings": [asdict(finding) for finding in verdict.findings],
        "net_wei": None if verdict.net is None else str(verdict.net),
        **asdict(found),
    }


def _print_trial(found: Measured, verdict: Verdict) -> None:
    def row(name: str, value: str) -> None:
        print(f"{name:<22} {value}", flush=True)

    row("cold start", f"{found.cold_start:.2f} s")
    row("prove", _times(found.prove))
    row("verify", _times(found.verify))
    row("proof", f"{found.proof_bytes:,} bytes")
    row("peak memory", "unknown" if found.peak_memory is None else f"{found.peak_memory / MIB:,.0f} MiB")
    if found.peak_vram is not None:
        row("peak GPU memory", f"{found.peak_vram / MIB:,.0f} MiB")
    row("processes", f"{found.processes}")
    row("sandbox violations", f"{len(found.violations)}" if found.violations else "none")
    print(flush=True)
    for finding in verdict.findings:
        print(f"  {'ok' if finding.good else 'NO'}  {finding.text}", flush=True)
    print(f"\n{'GO' if verdict.go else 'NO GO'}", flush=True)


def _times(times: Times | None) -> str:
    return "never" if times is None else f"{times.median:.3f} s median, {times.worst:.3f} s worst"


async def _check(args: argparse.Namespace, tools: _Tools) -> int:
    folder = Path(args.image)
    if await asyncio.to_thread(folder.is_dir):
        image = await build_image(folder, _arguments(args.build_arg), say)
    else:
        image = await tools.images.resolve(args.image)
        await tools.runtime.pull(image, _meter())
    checks = []
    async for check in Conformance(tools.runtime, image, _input(args.data)).run():
        checks.append(check)
        if not args.json:
            mark = "ok" if check.good else "FAILS" if check.must else "weak"
            print(f"{mark:<6} {check.name}{': ' + check.detail if check.detail else ''}", flush=True)
    fit = all(check.good or not check.must for check in checks)
    _tell_check(image, checks, fit, args.json)
    return 0 if fit else 1


def _tell_check(image: ImageRef, checks: list[Check], fit: bool, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps({"image": str(image), "fit": fit, "checks": [asdict(c) for c in checks]}), flush=True
        )
        return
    wrong = sum(not check.good for check in checks)
    held = f"{len(checks) - wrong} of {len(checks)} checks hold"
    print(f"\n{image}\n{held}: {'fit to be published' if fit else 'not fit to be published'}", flush=True)


def _arguments(given: list[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, is_there, value = text.partition("=")
        if not is_there or not name:
            raise BadOption("--build-arg takes NAME=VALUE.")
        found[name] = value
    return found


def _input(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            data = file.read(MAX_INPUT + 1)
    except OSError as error:
        raise ConfigError(f"--data: {path} can't be read: {error.strerror}.") from error
    if len(data) > MAX_INPUT:
        raise ConfigError(f"--data: {path} is larger than {MAX_INPUT // MIB} MiB.")
    return data


def _meter() -> Callable[[PullProgress], None]:
    """Tells how far a pull is, at each tenth."""
    told = -1

    def heard(progress: PullProgress) -> None:
        nonlocal told
        if progress.total:
            tenth = progress.done * 10 // progress.total
            if tenth != told:
                told = tenth
                say(f"pulled {progress.done / MIB:,.1f} of {progress.total / MIB:,.1f} MiB")

    return heard


_ACTIONS = {
    "pull": _pull,
    "list": _list,
    "remove": _remove,
    "prune": _prune,
    "try": _try,
    "check": _check,
}
