"""The prover runtime on Docker: which images run, and the port's promises about time and errors."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from gpn_desktop.adapters.docker import http, image_api
from gpn_desktop.adapters.docker.engine import Engine
from gpn_desktop.adapters.docker.entry import Entry
from gpn_desktop.adapters.docker.image_api import Call
from gpn_desktop.adapters.docker.instance import Instance, Plan, Role
from gpn_desktop.adapters.docker.options import DockerOptions
from gpn_desktop.adapters.docker.shelf import DockerShelf
from gpn_desktop.adapters.docker.slot import Pool, Slot
from gpn_desktop.adapters.docker.stream import Reply
from gpn_desktop.core import gpus, images
from gpn_desktop.core import manifest as manifests
from gpn_desktop.core.errors import (
    EngineFault,
    GpnError,
    GpuUnavailable,
    ImageInUse,
    ImageTooLarge,
    InputRefused,
    ProverFault,
    ProverLost,
    ProverOutputTooLarge,
    ProverTimeout,
)
from gpn_desktop.core.images import ImageEvent, ImageState
from gpn_desktop.core.manifest import Limits, Manifest
from gpn_desktop.ports.images import ImageShelf, Installed
from gpn_desktop.ports.runtime import Answer, ImageRef, ImageStatus, JobLog, Progress, PullProgress, Usage
from gpn_desktop.ports.sensors import Sensors

T = TypeVar("T")
log = logging.getLogger("gpn.docker")
_MAX_STREAMS = 128  # threads that wait for provers
_BLAMED = (ProverFault, ProverLost, ProverOutputTooLarge)  # and timeouts, where the image's own limit was it


class DockerRuntime:
    """A ``ProverRuntime`` whose provers run in Docker containers.

    Args:
        node_id: marks this node's containers; several nodes may share an engine, each with its own.
        sensors: know the machine's GPUs, and are closed with the runtime; without them an image that needs
            a GPU is started and may fail.
    """

    def __init__(
        self, node_id: str, options: DockerOptions | None = None, sensors: Sensors | None = None
    ) -> None:
        self.label = "docker"
        self._node_id = node_id
        self._options = options or DockerOptions()
        self._left_out: frozenset[str] = frozenset()
        self._sensors = sensors
        self._engine = Engine(self._options)
        self._shelf = DockerShelf(self._engine, self._options)
        self._streams = ThreadPoolExecutor(_MAX_STREAMS, thread_name_prefix="prover")
        self._entries: dict[ImageRef, Entry] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._started = False
        self._closed = False

    @property
    def shelf(self) -> ImageShelf:
        """The engine's images; usable once the runtime has started."""
        return self._shelf

    async def start(self) -> None:
        await self._engine.connect()
        await self._sweep()
        self._started = True

    async def pull(self, image: ImageRef, progress: Progress | None = None) -> None:
        self._check_open()
        entry = self._entry(image)
        async with entry.turn:
            if entry.pools:
                return
            try:
                await self._obtain(entry, image, progress)
            except GpnError as error:
                entry.fail(error)
                raise

    async def remove(self, image: ImageRef) -> int:
        self._check_open()
        entry = self._entry(image)
        async with entry.turn:
            if entry.pools:
                raise ImageInUse(f"{image.name} is running.")
            freed = await self._shelf.remove(image)
            entry.see(ImageEvent.GONE)
            return freed

    async def ensure(self, image: ImageRef, progress: Progress | None = None, *, prove: bool = True) -> None:
        self._check_open()
        entry = self._entry(image)
        async with entry.turn:
            entry.check()
            try:
                if not entry.pools:
                    local = await self._obtain(entry, image, progress)
                    if entry.released:
                        raise ProverLost(f"{image.name} was released while it was made ready.")
                    self._furnish(entry, local)
                    entry.see(ImageEvent.START)
                await self._open(entry, prove)
            except GpnError as error:
                await self._failed(entry, error)
                raise

    def state(self, image: ImageRef) -> ImageState:
        return self.status(image).life.state

    def status(self, image: ImageRef) -> ImageStatus:
        entry = self._entries.get(image)
        return entry.status if entry is not None else ImageStatus()

    async def prove(
        self, image: ImageRef, ref: str, data: bytes, within: float, log: JobLog | None = None
    ) -> bytes:
        most = self._options.max_proof
        return await self._run(
            image,
            Role.PROVE,
            lambda: image_api.prove(ref, data, most),
            lambda reply: image_api.read_proof(reply, most),
            within,
            log,
        )

    async def validate(
        self,
        image: ImageRef,
        ref: str,
        proof: bytes,
        data: bytes,
        within: float,
        log: JobLog | None = None,
    ) -> bool:
        return await self._run(
            image,
            Role.VALIDATE,
            lambda: image_api.validate(ref, proof, data),
            image_api.read_verdict,
            within,
            log,
        )

    async def ask(self, image: ImageRef, method: str, path: str, body: bytes, within: float) -> Answer:
        """``ports.runtime.ImageProbe``."""
        return await self._run(
            image,
            Role.VALIDATE,
            lambda: Call(http.encode_request(method, path, body), image_api.SMALL),
            lambda reply: Answer(reply.status, reply.body),
            within,
            None,
        )

    async def usage(self, image: ImageRef) -> Usage | None:
        entry = self._entries.get(image)
        return await entry.usage() if entry is not None else None

    def elsewhere(self) -> int:
        return 0

    def leave_out(self, gpus: frozenset[str]) -> None:
        self._left_out = gpus

    def pardon(self, image: ImageRef) -> None:
        entry = self._entries.get(image)
        if entry is not None:
            entry.life = images.pardoned(entry.life)

    async def release(self, image: ImageRef) -> None:
        entry = self._entries.get(image)
        if entry is None or entry.released:
            return
        entry.released = True
        if entry.pools:
            entry.see(ImageEvent.STOP)
            await asyncio.gather(*(pool.close() for pool in entry.pools.values()))
            entry.see(ImageEvent.STOPPED)
        if self._entries.get(image) is entry:
            self._entries[image] = entry.successor()

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._started:
            work = [self.release(image) for image in list(self._entries)]
            await asyncio.gather(*work, return_exceptions=True)
            while self._tasks:
                await asyncio.wait(self._tasks)
            try:
                await self._sweep()
            except GpnError as error:
                log.warning("containers may be left until the next start: %s", error)
        if self._sensors is not None:
            await self._sensors.aclose()
        await self._engine.aclose()
        self._streams.shutdown(wait=False, cancel_futures=True)

    async def _run(
        self,
        image: ImageRef,
        role: Role,
        encode: Callable[[], Call],
        read: Callable[[Reply], T],
        within: float,
        log: JobLog | None,
    ) -> T:
        """One call within its total time: encoding, waiting, starting, answering and decoding."""
        self._check_open()
        try:
            async with asyncio.timeout(within):
                entry = self._entry(image)
                if not entry.pools:
                    await self.ensure(image, prove=role is Role.PROVE)
                    entry = self._entry(image)
                entry.check()
                pool, limits = entry.pools.get(role), entry.limits
                if pool is None or limits is None:
                    raise ProverLost(f"{image.name} was released.")
                limit = limits.prove_seconds if role is Role.PROVE else limits.validate_seconds
                return await self._call(entry, pool, role, encode, read, limit, log)
        except TimeoutError:
            raise ProverTimeout(f"{image.name} did not {role.value} within {within:g} s.") from None

    async def _call(
        self,
        entry: Entry,
        pool: Pool,
        role: Role,
        encode: Callable[[], Call],
        read: Callable[[Reply], T],
        limit: float,
        log: JobLog | None,
    ) -> T:
        """The image is blamed for proofs alone: what it validates is a stranger's, and made to break it."""
        loop = asyncio.get_running_loop()
        blame = role is Role.PROVE
        entry.see(ImageEvent.CALL)
        try:
            call = await loop.run_in_executor(self._streams, encode)
            reply = await pool.run(call, limit, log)
            result = await loop.run_in_executor(self._streams, read, reply)
        except TimeoutError:
            late = ProverTimeout(f"The prover did not {role.value} within its limit of {limit:g} s.")
            if blame:
                entry.strike(late)
            raise late from None
        except _BLAMED as error:
            if blame and not self._gone(entry) and not isinstance(error, InputRefused):
                entry.strike(error)
            raise
        finally:
            entry.see(ImageEvent.RETURN)
        if blame:
            entry.proved()
        return result

    async def _obtain(self, entry: Entry, image: ImageRef, progress: Progress | None) -> Installed:
        """The image as the engine has it, pulled if need be."""
        local = await self._shelf.find(image)
        if local is None:
            entry.see(ImageEvent.PULL)

            def heard(now: PullProgress) -> None:
                entry.progress = now
                if progress is not None:
                    progress(now)

            try:
                local = await self._shelf.pull(image, heard)
            except asyncio.CancelledError:
                entry.see(ImageEvent.GONE)
                raise
            finally:
                entry.progress = None
            entry.see(ImageEvent.PULLED)
        if local.size > self._options.max_image:
            raise ImageTooLarge(f"{image.name} is {local.size:,} bytes unpacked.")
        entry.see(ImageEvent.FOUND)
        return local

    def _furnish(self, entry: Entry, local: Installed) -> None:
        """The places for containers; none is started yet."""

        def slot(role: Role, number: int) -> Slot:
            return Slot(lambda: self._open_instance(entry, local, role, number), self._spawn, entry.look)

        entry.local = local
        entry.pools = {
            Role.VALIDATE: Pool([slot(Role.VALIDATE, 0)]),
            Role.PROVE: Pool([slot(Role.PROVE, number) for number in range(self._options.slots)]),
        }

    async def _open(self, entry: Entry, prove: bool) -> None:
        validating, proving = entry.pools[Role.VALIDATE].first, entry.pools[Role.PROVE].first
        if entry.limits is None or not prove:
            # The first container tells the manifest, by which the proving one is made.
            await validating.get()
        if prove:
            await asyncio.gather(validating.get(), proving.get())

    async def _open_instance(self, entry: Entry, local: Installed, role: Role, number: int) -> Instance:
        def grant(manifest: Manifest) -> Limits:
            entry.manifest = manifest
            entry.limits = manifests.granted(manifest, self._options.caps)
            return entry.limits

        devices = await self._devices(entry, number) if role is Role.PROVE else ()
        plan = Plan(
            image=local,
            role=role,
            node_id=self._node_id,
            caps=self._options.caps,
            limits=entry.limits,
            gpus=devices,
            within=self._options.start_timeout,
            grant=grant,
        )
        return await Instance.open(self._engine, self._streams, plan)

    async def _devices(self, entry: Entry, number: int) -> tuple[str, ...]:
        """The GPU of a proving slot: each slot has one of its own, as long as there are enough."""
        manifest, options = entry.manifest, self._options
        if manifest is None or not manifest.gpu:
            return ()
        if not options.gpus or not options.caps.gpu:
            raise GpuUnavailable(
                "The image needs a GPU, and this node gives none to containers.",
                remedy="Set limits.gpus (GPN_GPUS) to all, or to the GPUs' ids.",
            )
        if self._sensors is None:
            return options.gpus
        need, there = gpus.GpuNeed(manifest.vram, manifest.driver), await self._sensors.gpus()
        # Whether the engine can give them is only known when it is asked to: there is no list of that.
        fitting = gpus.fit(need, there, system=sys.platform)
        given = [gpu.uuid for gpu in fitting if options.gpus == ("all",) or gpu.uuid in options.gpus]
        if not given:
            raise GpuUnavailable("None of the GPUs that this node may use suits the image.")
        allowed = [uuid for uuid in given if uuid not in self._left_out]
        if not allowed:
            raise GpuUnavailable(
                "Every GPU that suits the image is left out by a pause rule at the moment.",
                remedy="Wait until the rule ends, or change it in the settings.",
            )
        return (allowed[number % len(allowed)],)

    async def _failed(self, entry: Entry, error: GpnError) -> None:
        entry.fail(error)
        if isinstance(error, (*_BLAMED, ProverTimeout)) and not self._gone(entry):
            entry.strike(error)
        if not any(pool.ready for pool in entry.pools.values()):
            # The engine may have lost the image: the next try begins by looking for it.
            pools, entry.pools = entry.pools, {}
            await asyncio.gather(*(pool.close() for pool in pools.values()))

    def _put_aside(self, entry: Entry) -> None:
        """A quarantined image keeps no containers."""

        async def close(pools: list[Pool]) -> None:
            await asyncio.gather(*(pool.close() for pool in pools))

        pools, entry.pools = list(entry.pools.values()), {}
        self._spawn(close(pools))

    def _entry(self, image: ImageRef) -> Entry:
        return self._entries.setdefault(image, Entry(self._put_aside))

    def _gone(self, entry: Entry) -> bool:
        return entry.released or self._closed

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
