"""A node's cluster and its workers, each worker a process with a data folder of its own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from gpn_desktop import __version__
from gpn_desktop.adapters.builtin.runtime import BuiltinRuntime
from gpn_desktop.adapters.cluster.certificates import Authority
from gpn_desktop.adapters.cluster.joining import Invitations, JoinCode
from gpn_desktop.adapters.cluster.runtime import ClusterOptions, ClusterRuntime
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.cluster import WorkerState, WorkerView
from gpn_desktop.ports.runtime import ImageRef, ProverRuntime
from tests.contract.runtime import images
from tests.services.world import until

IMAGE = ImageRef("test/image", Hash32(bytes(32)))
START_SECONDS = 40.0


@dataclass
class WorkerProcess:
    name: str
    process: asyncio.subprocess.Process
    folder: Path
    on_docker: bool

    @property
    def node_id(self) -> str:
        """As its containers are labelled."""
        return "worker-" + sha256(str((self.folder / "worker").resolve()).encode()).hexdigest()[:16]

    async def end(self) -> None:
        """Nothing of it is left, not even what only its next start would clear up."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.communicate()
        if self.on_docker:
            await asyncio.to_thread(images.clear, self.node_id)

    async def ended(self, within: float = 20.0) -> int:
        return await asyncio.wait_for(self.process.wait(), within)


async def start_worker(
    folder: Path, name: str, code: str | None, delay: float, **settings: str
) -> WorkerProcess:
    """A worker with its data in ``folder``/name; ``code`` None for one that has joined before."""
    command = [sys.executable, "-m", "gpn_desktop", "worker", "--name", name, "--events"]
    command += ["--prove-seconds", str(delay)]
    if code is not None:
        command += ["--join", "-"]
    env = {
        **os.environ,
        "GPN_DATA_DIR": str(folder / name),
        "GPN_RUNTIME": "builtin",
        "XDG_CONFIG_HOME": str(folder),
        **settings,
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env=env, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    process.stdin.write(f"{code or ''}\n".encode())
    process.stdin.close()
    return WorkerProcess(name, process, folder / name, settings.get("GPN_RUNTIME") == "docker")


@dataclass
class Site:
    folder: Path
    port: int
    slots: int
    delay: float
    local: ProverRuntime | None = None
    runtime: ClusterRuntime = field(init=False)
    processes: list[WorkerProcess] = field(default_factory=list)

    @property
    def authority(self) -> Authority:
        return Authority(self.folder / "cluster")

    async def start(self) -> None:
        options = ClusterOptions("127.0.0.1", self.port, self.slots, __version__)
        local = self.local or BuiltinRuntime(self.delay)
        self.runtime = ClusterRuntime(local, self.authority, self.folder / "cluster", options)
        await self.runtime.start()

    def code(self) -> JoinCode:
        token = Invitations(self.folder / "cluster").invite()
        return JoinCode("127.0.0.1", self.port, self.authority.fingerprint(), token)

    async def worker(
        self, name: str, code: JoinCode | None = None, delay: float = 1.0, **settings: str
    ) -> WorkerProcess:
        """A process that is connected and has its image."""
        made = await self.launch(name, str(code or self.code()), delay, **settings)
        await self.state_of(name, WorkerState.READY, WorkerState.BUSY)
        return made

    async def launch(self, name: str, code: str | None, delay: float = 1.0, **settings: str) -> WorkerProcess:
        made = await start_worker(self.folder, name, code, delay, **settings)
        self.processes.append(made)
        return made

    def view(self, name: str) -> WorkerView | None:
        return next((view for view in self.runtime.workers() if view.name == name), None)

    async def state_of(self, name: str, *states: WorkerState, within: float = START_SECONDS) -> WorkerView:
        def there() -> bool:
            view = self.view(name)
            return view is not None and view.state in states

        await until(there, f"{name} {states}", within)
        view = self.view(name)
        assert view is not None
        return view

    async def aclose(self) -> None:
        for worker in self.processes:
            await worker.end()
        await self.runtime.aclose()


@asynccontextmanager
async def site(
    folder: Path, slots: int = 0, delay: float = 1.0, local: ProverRuntime | None = None
) -> AsyncIterator[Site]:
    """A node without slots of its own, unless it is given some: so every proof is made by a worker."""
    made = Site(folder, free_port(), slots, delay, local)
    await asyncio.to_thread(made.authority.create)
    await made.start()
    try:
        yield made
    finally:
        await made.aclose()


def free_port() -> int:
    """One whose next one is free too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with suppress(OSError):
                second.bind(("127.0.0.1", port + 1))
                return int(port)


def said(line: bytes) -> dict[str, object]:
    found = json.loads(line)
    assert isinstance(found, dict)
    return found
