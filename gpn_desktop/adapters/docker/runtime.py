"""The prover runtime on Docker: which images run, and the port's promises about time and errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from gpn_desktop.adapters.docker import image_api
from gpn_desktop.adapters.docker.engine import Engine, LocalImage
from gpn_desktop.adapters.docker.image_api import Call
from gpn_desktop.adapters.docker.instance import Instance, Role
from gpn_desktop.adapters.docker.options import DockerOptions
from gpn_desktop.adapters.docker.slot import Slot
from gpn_desktop.adapters.docker.stream import Reply
from gpn_desktop.core.errors import EngineFault, GpnError, ImageUnavailable, ProverLost, ProverTimeout
from gpn_desktop.ports.runtime import ImageRef, ImageState, Progress

T = TypeVar("T")
_MAX_STREAMS = 128  # threads that wait for provers; each image takes two at most


class _Entry:
    """One image: its two slots once it is here."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.slots: dict[Role, Slot] = {}
        self.pulling = False
        self.failed = False
        self.released = False

    @property
    def state(self) -> ImageState:
        slots = self.slots.values()
        if self.pulling:
            return ImageState.PULLING
        if slots and all(slot.ready for slot in slots):
            return ImageState.READY
        if any(slot.starting for slot in slots):
            return ImageState.STARTING
        if self.failed or slots:
            return ImageState.FAILED
        return ImageState.ABSENT


class DockerRuntime:
    """A ``ProverRuntime`` whose provers run in Docker containers.

    Args:
        node_id: marks this node's containers; several nodes may share an engine, each with its own.
    """

    def __init__(self, node_id: str, options: DockerOptions | None = None) -> None:
        self.label = "docker"
        self._node_id = node_id
        self._options = options or DockerOptions()
        self._engine = Engine(self._options)
        self._streams = ThreadPoolExecutor(_MAX_STREAMS, thread_name_prefix="prover")
        self._entries: dict[ImageRef, _Entry] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._started = False
        self._closed = False

    async def start(self) -> None:
        await self._engine.connect()
        await self._sweep()
        self._started = True

    async def ensure(self, image: ImageRef, progress: Progress | None = None) -> None:
        self._check_open()
        entry = self._entries.setdefault(image, _Entry())
        async with entry.turn:
            entry.failed = False
            try:
                if not entry.slots:
                    local = await self._obtain(entry, image, progress)
                    if entry.released:
                        raise ProverLost(f"{image.name} was released while it was made ready.")
                    entry.slots = {role: self._slot(local, role) for role in Role}
                opened = [slot.get() for slot in entry.slots.values()]
                for outcome in await asyncio.gather(*opened, return_exceptions=True):
                    if isinstance(outcome, BaseException):
                        raise outcome
            except GpnError:
                entry.failed = True
                raise

    def state(self, image: ImageRef) -> ImageState:
        entry = self._entries.get(image)
        return entry.state if entry is not None else ImageState.ABSENT

    async def prove(self, image: ImageRef, ref: str, data: bytes, within: float) -> bytes:
        most = self._options.max_proof
        return await self._run(
            image,
            Role.PROVE,
            lambda: image_api.prove(ref, data, most),
            lambda reply: image_api.read_proof(reply, most),
            within,
        )

    async def validate(self, image: ImageRef, ref: str, proof: bytes, data: bytes, within: float) -> bool:
        return await self._run(
            image,
            Role.VALIDATE,
            lambda: image_api.validate(ref, proof, data),
            image_api.read_verdict,
            within,
        )

    async def release(self, image: ImageRef) -> None:
        entry = self._entries.pop(image, None)
        if entry is not None:
            entry.released = True
            await asyncio.gather(*(slot.close() for slot in entry.slots.values()))

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._started:
            await asyncio.gather(*(self.release(image) for image in list(self._entries)))
            while self._tasks:
                await asyncio.wait(self._tasks)
            await self._sweep()
        await self._engine.aclose()
        self._streams.shutdown(wait=False, cancel_futures=True)

    async def _run(
        self,
        image: ImageRef,
        role: Role,
        encode: Callable[[], Call],
        read: Callable[[Reply], T],
        within: float,
    ) -> T:
        """One call within its total time: encoding, waiting, starting, answering and decoding."""
        self._check_open()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within):
                entry = self._entries.get(image)
                if entry is None or not entry.slots:
                    await self.ensure(image)
                    entry = self._entries.get(image)
                if entry is None:
                    raise ProverLost(f"{image.name} was released.")
                call = await loop.run_in_executor(self._streams, encode)
                reply = await entry.slots[role].run(call)
                return await loop.run_in_executor(self._streams, read, reply)
        except TimeoutError:
            raise ProverTimeout(f"{image.name} did not {role.value} within {within:g} s.") from None

    async def _obtain(self, entry: _Entry, image: ImageRef, progress: Progress | None) -> LocalImage:
        local = await self._engine.find(image)
        if local is not None:
            return local
        entry.pulling = True
        try:
            await self._engine.pull(image, progress)
        finally:
            entry.pulling = False
        local = await self._engine.find(image)
        if local is None:
            raise ImageUnavailable(f"{image} was pulled, but the engine does not have it.")
        return local

    def _slot(self, local: LocalImage, role: Role) -> Slot:
        def open_instance() -> Coroutine[Any, Any, Instance]:
            timeout = self._options.start_timeout
            return Instance.open(self._engine, self._streams, local, role, self._node_id, timeout)

        return Slot(open_instance, self._spawn)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever waits for the task; nobody may

    async def _sweep(self) -> None:
        """Removes every container that carries this node's label."""
        leftovers = await self._engine.containers(self._node_id)
        await asyncio.gather(*(self._engine.remove(container) for container in leftovers))

    def _check_open(self) -> None:
        if self._closed or not self._started:
            raise EngineFault("The runtime is not running.")
