"""A prover runtime on several machines: this one's own slots first, then those of its workers.

Which worker proves is chosen here, and only then is it handed to Dask: left to itself, Dask gives tasks to
workers ahead of time and lets them queue there, and a proof that waits behind another one loses its turn. The
rest is Dask's: connections, certificates, heartbeats, carrying inputs and results, noticing losses.

Votes are made on this machine alone: a verification is short, and has to work without any other machine.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from distributed import Client, Scheduler, SchedulerPlugin
from distributed.scheduler import KilledWorker

from gpn_desktop.adapters.cluster import tasks
from gpn_desktop.adapters.cluster.boxes import Box, Boxes
from gpn_desktop.adapters.cluster.certificates import Authority
from gpn_desktop.adapters.cluster.joining import Enrolment, Invitations
from gpn_desktop.adapters.cluster.security import configure, security
from gpn_desktop.adapters.cluster.tasks import GPU, SLOT, Outcome
from gpn_desktop.adapters.wrapping import WrappedRuntime
from gpn_desktop.core.errors import (
    ClusterNotSetUp,
    EngineFault,
    GpnError,
    PortInUse,
    ProverLost,
    ProverTimeout,
)
from gpn_desktop.ports.cluster import WorkerView
from gpn_desktop.ports.runtime import ImageRef, JobLog, Progress, ProverRuntime

log = logging.getLogger("gpn.cluster")

TRIES: Final = 2  # as for a lost container
LARGE: Final = 1024 * 1024  # inputs from here on are sent once, and found again by their hash
KEPT_INPUTS: Final = 4
HOUSEKEEPING: Final = 5.0  # seconds
TRY_AGAIN: Final = 60.0  # seconds until a worker is asked again for an image that it could not prepare
Tell = Callable[[str, dict[str, object]], None]


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """``slots`` are this machine's own. The enrolment listens one port above ``port``."""

    host: str
    port: int
    slots: int
    version: str


class ClusterRuntime(WrappedRuntime):
    """A ``ProverRuntime`` and a ``Cluster``.

    Args:
        local: this machine's own runtime.
        folder: where the invitations are.
        tell: is told the name and the fields of what happens.
    """

    def __init__(
        self,
        local: ProverRuntime,
        authority: Authority,
        folder: Path,
        options: ClusterOptions,
        tell: Tell = lambda name, fields: None,
    ) -> None:
        super().__init__(local)
        self._authority = authority
        self._options = options
        self._enrolment = Enrolment(authority, Invitations(folder), options.version)
        self._tell = tell
        self._boxes = Boxes()
        self._wanted: set[ImageRef] = set()
        self._used_here = 0
        self._news = asyncio.Condition()
        self._inputs: OrderedDict[bytes, Any] = OrderedDict()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._scheduler: Scheduler | None = None
        self._client: Client | None = None

    async def start(self) -> None:
        """Raises ClusterNotSetUp, PortInUse, and what the local runtime does."""
        if not self._authority.exists:
            raise ClusterNotSetUp("cluster.listen is set, and this machine has no cluster yet.")
        await self._inner.start()
        configure()
        papers, options = security(self._authority.papers), self._options
        try:
            self._scheduler = await Scheduler(
                host=options.host, port=options.port, protocol="tls", security=papers, dashboard=False
            )
            await self._enrolment.start(options.host, options.port + 1)
        except OSError as error:
            raise PortInUse(f"cluster.listen: {options.host}:{options.port}: {error}") from error
        self._scheduler.add_plugin(_Ears(self))
        self._client = await Client(
            self._scheduler.address, asynchronous=True, security=papers, set_as_default=False
        )
        for address in list(self._scheduler.workers):  # faster than the client was
            self._spawn(self.joined(address))
        self._spawn(self._keep_house())

    def workers(self) -> tuple[WorkerView, ...]:
        return self._boxes.views()

    def elsewhere(self) -> int:
        return self._boxes.slots()

    async def ensure(self, image: ImageRef, progress: Progress | None = None, *, prove: bool = True) -> None:
        """Here and on all workers; theirs goes on in the background."""
        if prove:
            self._want(image)
        await self._inner.ensure(image, progress, prove=prove)

    async def prove(
        self, image: ImageRef, ref: str, data: bytes, within: float, log: JobLog | None = None
    ) -> bytes:
        if self._client is None:
            raise EngineFault("The runtime is not running.")
        self._want(image)
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        reason = ""
        try:
            async with asyncio.timeout_at(until):
                for _ in range(TRIES):
                    box = await self._place(image)
                    try:
                        if box is None:
                            return await self._inner.prove(image, ref, data, until - loop.time(), log)
                        return await self._prove_there(box, image, ref, data, until - loop.time(), log)
                    except _WorkerLost as lost:
                        reason = str(lost)
                    finally:
                        await self._left(box)
        except TimeoutError:
            raise ProverTimeout(f"{image.name} did not prove within {within:g} s.") from None
        raise ProverLost(f"Two workers were lost over one proof: {reason}")

    async def release(self, image: ImageRef) -> None:
        self._wanted.discard(image)
        for box in self._boxes.alive():
            box.ready.discard(image)
            self._spawn(self._ask(box, tasks.release, image.name, bytes(image.digest)))
        await self._inner.release(image)

    async def aclose(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._enrolment.aclose()
        if self._client is not None:
            client, self._client = self._client, None
            async with self._news:
                self._news.notify_all()
            await client.close()
        if self._scheduler is not None:
            await self._scheduler.close()
            self._scheduler = None
        await self._inner.aclose()

    # where a proof is made --------------------------------------------------------------------------------

    async def _place(self, image: ImageRef) -> Box | None:
        """A slot that is free, taken; None is one of this machine's. Waits for one."""
        async with self._news:
            while True:
                if self._used_here < self._options.slots:
                    self._used_here += 1
                    return None
                box = self._boxes.free_for(image)
                if box is not None:
                    box.used += 1
                    return box
                await self._news.wait()
                if self._client is None:
                    raise EngineFault("The runtime is being closed.")

    async def _left(self, box: Box | None) -> None:
        if box is None:
            self._used_here -= 1
        else:
            box.used -= 1
        async with self._news:
            self._news.notify_all()

    async def _prove_there(
        self, box: Box, image: ImageRef, ref: str, data: bytes, within: float, log: JobLog | None
    ) -> bytes:
        client = self._client
        if client is None:
            raise ProverLost("The node is being closed.")
        call = uuid4().hex
        future = None
        try:
            given = await self._given(data)
            future = client.submit(
                tasks.prove,
                *(call, image.name, bytes(image.digest), ref, given, within),
                key=f"{tasks.PROOFS}{call}",
                workers=[box.address],
                allow_other_workers=False,
                resources=self._needs(image),
                pure=False,
                retries=0,
            )
            outcome = await _result_of(future)
        except asyncio.CancelledError:
            self._spawn(self._ask(box, tasks.cancel, call))
            raise
        except (KilledWorker, OSError, _Gone) as error:
            raise _WorkerLost(f"{box.name} was lost: {error}") from error
        finally:
            if future is not None:
                future.release()  # a worker that is to stop waits until nobody wants its results
        if log is not None:
            self._spawn(self._fetch_log(box, call, log))
        failure = outcome.raised()
        if failure is not None:
            raise failure
        return outcome.proof

    def _needs(self, image: ImageRef) -> dict[str, int]:
        manifest = self.status(image).manifest
        return {SLOT: 1, GPU: 1} if manifest is not None and manifest.gpu else {SLOT: 1}

    async def _fetch_log(self, box: Box, call: str, log: JobLog) -> None:
        """Apart from the proof, which does not wait for it."""
        text = await self._ask(box, tasks.log_of, call)
        if isinstance(text, str):
            log(text)

    async def _given(self, data: bytes) -> Any:
        """The input, or where Dask keeps it: a large one is carried to the workers once."""
        if len(data) < LARGE or self._client is None:
            return data
        digest = sha256(data).digest()
        known = self._inputs.get(digest)
        if known is None or known.status != "finished":
            known = await self._client.scatter(data, hash=False, broadcast=False)
            self._inputs[digest] = known
        self._inputs.move_to_end(digest)
        while len(self._inputs) > KEPT_INPUTS:
            self._inputs.popitem(last=False)
        return known

    # workers ----------------------------------------------------------------------------------------------

    async def joined(self, address: str) -> None:
        """A worker is connected: who it is, and its images."""
        said = await self._client.run(tasks.described, workers=[address]) if self._client else {}
        about = said.get(address)
        if about is None or self._boxes.get(address) is not None:
            return
        if about["version"] != self._options.version:
            log.warning("%s runs version %s and is sent away", about["label"], about["version"])
            assert self._scheduler is not None
            await self._scheduler.remove_worker(address, stimulus_id="gpn-version")
            return
        box = Box(address, about["label"], about["version"], about["slots"], about["gpus"])
        self._boxes.add(box)
        log.info("worker %s joined with %d slots", box.name, box.slots)
        for image in self._wanted:
            self._spawn(self._prepare(box, image))

    async def lost(self, address: str) -> None:
        box = self._boxes.lose(address, time.monotonic())
        if box is not None:
            log.info("worker %s is gone", box.name)
            self._tell("worker_lost", {"worker": box.name})
            async with self._news:
                self._news.notify_all()

    def _want(self, image: ImageRef) -> None:
        """Workers get an image before its first proof, in the background; this machine too, for its votes."""
        if image not in self._wanted:
            self._wanted.add(image)
            self._spawn(self._inner.ensure(image, prove=self._options.slots > 0))
            for box in self._boxes.alive():
                self._spawn(self._prepare(box, image))

    async def _prepare(self, box: Box, image: ImageRef) -> None:
        if image in box.preparing:
            return
        box.preparing.add(image)
        try:
            outcome = await self._ask(box, tasks.prepare, image.name, bytes(image.digest))
        finally:
            box.preparing.discard(image)
        if not isinstance(outcome, Outcome):
            return
        error = outcome.raised()
        if error is not None:
            box.errors[image] = str(error)
            box.again_at[image] = time.monotonic() + TRY_AGAIN
            log.warning("worker %s cannot prove with %s: %s", box.name, image.name, error)
            return
        box.errors.pop(image, None)
        box.ready.add(image)
        self._tell("worker_ready", {"worker": box.name, "image": str(image), "slots": box.slots})
        async with self._news:
            self._news.notify_all()

    async def _ask(self, box: Box, question: Any, *arguments: Any) -> Any:
        """A worker's answer; None where it is gone."""
        if self._client is None:
            return None
        try:
            answers = await self._client.run(question, *arguments, workers=[box.address], on_error="ignore")
        except (OSError, KeyError, ValueError, TimeoutError):
            return None
        return answers.get(box.address)

    async def _keep_house(self) -> None:
        """Draining workers are noticed, and lost ones forgotten after a while; failed images tried again."""
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            self._boxes.forget_old(time.monotonic())
            for box in self._boxes.alive():
                about = await self._ask(box, tasks.described)
                if isinstance(about, dict):
                    box.draining = bool(about["draining"])
                for image in box.lacks(self._wanted, time.monotonic()):
                    self._spawn(self._prepare(box, image))

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, GpnError):
            log.warning("%s", error)  # whoever proves or verifies with the image is told too
        elif error is not None:
            log.error("the cluster's housekeeping failed", exc_info=error)


class _WorkerLost(Exception):
    """The worker died with the proof; another one may make it."""


class _Gone(Exception):
    """Dask gave the task up."""


async def _result_of(future: Any) -> Outcome:
    """With an error of ours where Dask gives the task up: its own is a kind of asyncio's CancelledError."""
    try:
        outcome: Outcome = await future
    except asyncio.CancelledError:
        if future.cancelled():
            raise _Gone("the task was given up") from None
        raise
    return outcome


class _Ears(SchedulerPlugin):  # type: ignore[misc]
    """Tells the runtime of workers that come and go."""

    name = "gpn-ears"

    def __init__(self, runtime: ClusterRuntime) -> None:
        self._runtime = runtime

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        self._runtime._spawn(self._runtime.joined(worker))

    def remove_worker(self, scheduler: Scheduler, worker: str, *, stimulus_id: str, **kwargs: Any) -> None:
        self._runtime._spawn(self._runtime.lost(worker))
