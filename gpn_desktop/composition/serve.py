"""Running a node without a window: start, say so, serve until told to end, end in order."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from gpn_desktop.adapters.metrics import MetricsServer
from gpn_desktop.composition.figures import start_metrics
from gpn_desktop.composition.parts import Extras, build_node, build_server
from gpn_desktop.config import NodeConfig
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services.node import Node

SWITCH_SECONDS = 0.0005  # between the loop and the network's thread: the default of 5 ms is added to each hop


def print_event(name: str, fields: dict[str, object]) -> None:
    """One line of JSON on stdout."""
    print(json.dumps({"event": name, **fields}), flush=True)


async def run_node(config: NodeConfig, key: NodeKey, extras: Extras, lifeline: bool) -> None:
    """Serve until SIGTERM, SIGINT, or, with ``lifeline``, the end of standard input."""
    sys.setswitchinterval(SWITCH_SECONDS)
    node = await build_node(config, key, extras)
    server = build_server(config, node)
    node.closing.append(server.aclose)
    ended = asyncio.Event()
    _on_signals(ended.set)
    if lifeline:
        _on_end_of_input(asyncio.get_running_loop(), ended.set)
    try:
        await node.start()
        await server.start()
        metrics = await start_metrics(config, node)
        gc.collect()
        gc.freeze()  # what start-up made stays; full collections over it cost up to 80 ms
        extras.emit("ready", _ready(node, server.target, metrics))
        await ended.wait()
    finally:
        await node.aclose()


def _ready(node: Node, target: str, metrics: MetricsServer | None) -> dict[str, object]:
    view = node.view()
    ready: dict[str, object] = {"address": view.address.hex(), "grpc": target, "listen": list(view.listen)}
    return ready if metrics is None else {**ready, "metrics": metrics.target}


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows: Ctrl-C raises KeyboardInterrupt instead
            return


def _on_end_of_input(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """A thread, because standard input of every kind and system can be read by one."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        with suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
