"""``gpn-desktop cluster`` and ``gpn-desktop worker``: several machines of one operator."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from gpn_desktop import __version__
from gpn_desktop import config as settings
from gpn_desktop.adapters.gpu import GpuSensors
from gpn_desktop.composition import logs
from gpn_desktop.composition.asking import say
from gpn_desktop.composition.provers import build_runtime
from gpn_desktop.config import NodeConfig
from gpn_desktop.core import jsontext
from gpn_desktop.core.errors import (
    BadOption,
    ClusterNotInstalled,
    ClusterNotSetUp,
    ConfigError,
    StoreCorrupt,
)

try:
    from gpn_desktop.adapters.cluster.certificates import Authority, Papers
    from gpn_desktop.adapters.cluster.joining import Invitations, JoinCode, join
    from gpn_desktop.adapters.cluster.tasks import Box
    from gpn_desktop.adapters.cluster.worker import ClusterWorker
    from gpn_desktop.adapters.files import replace_file
except ImportError as missing:
    raise ClusterNotInstalled(f"A part for several machines is missing: {missing.name}.") from missing

MAX_CODE = 1000
EVERYWHERE = ("0.0.0.0", "::")


def run_cluster(args: argparse.Namespace) -> int:
    config = settings.load({}, file=args.config)
    authority = Authority(config.cluster_path)
    if args.action == "init":
        existed = authority.exists
        authority.create()
        say(f"The cluster's certificates are in {config.cluster_path}. Keep authority-key.pem to yourself: "
            "whoever has it can run programs on all of your machines.")  # fmt: skip
        print(json.dumps({"folder": str(config.cluster_path), "created": not existed}), flush=True)
        return 0
    code = join_code(config, args.address)
    say("Good for one worker and 15 minutes, while the node runs. On the other machine:\n"
        "    gpn-desktop worker --join CODE        # or --join - to give it on stdin")  # fmt: skip
    print(code, flush=True)
    return 0


def join_code(config: NodeConfig, address: str | None = None) -> JoinCode:
    """A new code for one worker; ``address`` is where it reaches this machine, if not as configured.

    Raises:
        ClusterNotSetUp, ConfigError, BadOption
    """
    authority = Authority(config.cluster_path)
    if not authority.exists:
        raise ClusterNotSetUp("This machine has no cluster yet.")
    host, port = _address(config, address)
    token = Invitations(config.cluster_path).invite()
    return JoinCode(host, port, authority.fingerprint(), token)


def _address(config: NodeConfig, given: str | None) -> tuple[str, int]:
    if config.cluster_listen is None:
        raise ConfigError(
            "cluster.listen (GPN_CLUSTER_LISTEN) is not set: where the node takes workers.",
            remedy="Set it to HOST:PORT, such as 192.168.1.10:4420, and start the node.",
        )
    host, port = config.cluster_listen
    if given:
        return given, port
    if host in EVERYWHERE:
        raise BadOption(f"cluster.listen is {host}: say by --address how the other machine reaches this one.")
    return host, port


async def run_worker(args: argparse.Namespace) -> int:
    """Until SIGINT or SIGTERM: then what is at work is finished; a second one ends it at once."""
    config = settings.load(settings.arguments(args), file=args.config)
    logs.configure(config.log_level.value, config.log_format)
    folder = config.data_dir / "worker"
    papers = Papers.in_folder(folder)
    if args.join is not None:
        await _join(args.join, folder, papers)
    if not papers.complete:
        raise ClusterNotSetUp("This machine has not joined a cluster.",
                              remedy="Join one: gpn-desktop worker --join CODE.")  # fmt: skip
    address = await asyncio.to_thread(_node_of, folder)
    label = args.name or socket.gethostname()
    # The same at every start, so that what a crash left is found: several workers may share an engine.
    node_id = "worker-" + sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    runtime, _ = build_runtime(config, node_id, args.prove_seconds)
    await runtime.start()
    box = Box(runtime, label, __version__, config.capacity, await _gpus(config))
    worker = ClusterWorker(address, papers, box)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt
            loop.add_signal_handler(number, worker.stop)
    telling = loop.create_task(_tell(worker, args.events))
    try:
        await worker.run()
    finally:
        telling.cancel()
        await runtime.aclose()
    return 0


async def _gpus(config: NodeConfig) -> int:
    """How many GPUs proofs may use here."""
    if config.gpus != ("all",):
        return len(config.gpus)
    sensors = GpuSensors()
    try:
        return sum(bool(gpu.uuid) for gpu in await sensors.gpus())
    finally:
        await sensors.aclose()


async def _join(text: str, folder: Path, papers: Papers) -> None:
    if text == "-":
        text = await asyncio.to_thread(sys.stdin.readline, MAX_CODE)
    code = JoinCode.parse(text.strip())
    await join(code, papers, socket.gethostname(), __version__)
    node = json.dumps({"host": code.host, "port": code.port})
    await asyncio.to_thread(replace_file, folder / "node.json", node)
    say(f"Joined the cluster of {code.host}. From now on gpn-desktop worker is enough.")


def _node_of(folder: Path) -> str:
    path = folder / "node.json"
    try:
        known = jsontext.parse(path.read_bytes()[:10_000])
        return f"tls://{known['host']}:{int(known['port'])}"
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise StoreCorrupt(f"{path} can't be read ({error!r}).", remedy="Join the cluster again.") from error


async def _tell(worker: ClusterWorker, events: bool) -> None:
    await worker.connected.wait()
    say(f"Connected to {worker.address} with {worker.box.slots} slots.")
    if events:
        print(json.dumps({"event": "ready", "pid": os.getpid()}), flush=True)
