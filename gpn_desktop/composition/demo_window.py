"""The demo beside a window: the first operator's node in the window's process, the others in their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from gpn_desktop import config as settings
from gpn_desktop.adapters.system.processes import write_config
from gpn_desktop.composition.demo import Live, play, process_launcher
from gpn_desktop.composition.demo_args import DemoArgs
from gpn_desktop.composition.parts import Extras, build_node, build_server
from gpn_desktop.core.errors import ConfigError, EngineFault
from gpn_desktop.ports.processes import Launcher, NodeEvent, NodeProcess, NodeSpec
from gpn_desktop.services.demo.encore import Encore
from gpn_desktop.services.demo.model import Report
from gpn_desktop.services.demo.stage import Say
from gpn_desktop.services.facade import Facade
from gpn_desktop.services.node import Node


@dataclass(eq=False)
class WindowNode:
    """The first operator's node, in the window's own process; see ``ports.processes.NodeProcess``."""

    spec: NodeSpec
    queue: asyncio.Queue[NodeEvent | None] = field(default_factory=asyncio.Queue)
    node: Node | None = None

    def emit(self, name: str, fields: dict[str, object]) -> None:
        self.queue.put_nowait({"event": name, **fields})

    async def start(self) -> Facade:
        """Build and start it; what was begun is closed again when this fails or is cancelled."""
        config = settings.load(file=await asyncio.to_thread(write_config, self.spec), env={})
        extras = Extras(self.emit, self.spec.delay, self.spec.cheat, label="demo")
        node = self.node = await build_node(config, self.spec.key, extras)
        server = build_server(config, node)
        node.closing.append(server.aclose)
        try:
            await node.start()
            await server.start()
        except BaseException:
            await node.aclose()
            raise
        view = node.view()
        ready: dict[str, object] = {
            "address": view.address.hex(),
            "grpc": server.target,
            "listen": list(view.listen),
        }
        self.emit("ready", ready)
        return node

    async def events(self) -> AsyncIterator[NodeEvent]:
        while (event := await self.queue.get()) is not None:
            yield event

    def kill(self) -> None:
        raise ConfigError("The window's own node can't be killed.")

    async def stop(self) -> None:
        if self.node is not None:
            await self.node.aclose()
        self.queue.put_nowait(None)


@dataclass
class WindowLauncher:
    """Processes for all nodes but the first, whose facade the window gets."""

    others: Launcher
    facade: Facade | None = None

    async def launch(self, spec: NodeSpec) -> NodeProcess:
        if self.facade is not None:
            return await self.others.launch(spec)
        child = WindowNode(spec)
        self.facade = await child.start()
        return child


@dataclass
class WindowDemo:
    """``facade`` sets the network up, ``background`` is what goes on; both end it when they are cancelled."""

    args: DemoArgs
    say: Say
    failed: Say
    encore: Callable[[Encore], None]
    task: asyncio.Task[Report] | None = None

    async def facade(self) -> Facade:
        """The first operator's node, once the whole network stands.

        Raises:
            GpnError: it does not; nothing of it is left.
        """
        launcher = WindowLauncher(process_launcher())
        built = asyncio.get_running_loop().create_future()
        live = Live(self.say, self.failed, built, self.encore)
        task = self.task = asyncio.create_task(play(self.args, launcher, live))
        try:
            await asyncio.wait({task, built}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.end()
            raise
        if built.done() and built.exception() is None and launcher.facade is not None:
            return launcher.facade
        await task
        if built.done():
            built.result()
        raise EngineFault("The demo ended by itself.")

    async def background(self, facade: Facade) -> None:
        assert self.task is not None
        try:
            await asyncio.shield(self.task)
        finally:
            await self.end()

    async def end(self) -> None:
        """Take everything down in order."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
