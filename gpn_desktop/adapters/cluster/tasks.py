"""What a worker is asked to do, as Dask calls it: functions of plain values, on the worker's event loop.

Errors come back as values, by the names of our own classes: an exception of a stranger's library, pickled on
one machine and unpickled on another, may not exist there.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from distributed import Worker, WorkerPlugin, get_worker

from gpn_desktop.core import errors
from gpn_desktop.core.errors import GpnError, ProverFault
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.runtime import ImageRef, ProverRuntime

SLOT, GPU = "slot", "gpu"
PLUGIN = "gpn-box"
KEPT_LOGS = 64
LOG_SECONDS = 5.0
PROOFS = "prove-"  # how the keys of their tasks begin


@dataclass(frozen=True, slots=True)
class Outcome:
    """``proof`` where ``error`` is empty; ``error`` is the name of a class in core.errors."""

    proof: bytes = b""
    error: str = ""
    message: str = ""
    remedy: str = ""

    def raised(self) -> GpnError | None:
        if not self.error:
            return None
        kind = getattr(errors, self.error, None)
        if not (isinstance(kind, type) and issubclass(kind, GpnError)):
            kind = ProverFault
        made: GpnError = kind(self.message, remedy=self.remedy or None)
        return made

    @classmethod
    def failed(cls, error: GpnError) -> Outcome:
        return cls(error=type(error).__name__, message=error.message, remedy=error.remedy)


@dataclass
class Box(WorkerPlugin):  # type: ignore[misc]
    """A worker's own runtime, and the calls that it is at. ``label`` and ``version`` are for the node."""

    runtime: ProverRuntime
    label: str
    version: str
    slots: int
    gpus: int
    draining: bool = False
    calls: dict[str, asyncio.Task[bytes]] = field(default_factory=dict)
    logs: OrderedDict[str, asyncio.Future[str]] = field(default_factory=OrderedDict)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """The node knows that this box drains, and hands it nothing more."""
    name: str = PLUGIN
    _held: set[str] = field(default_factory=set)

    def setup(self, worker: Worker) -> None:
        """Dask's: the worker starts."""
        self._held.clear()
        self.idle.set()

    def transition(self, key: str, start: str, finish: str, **kwargs: Any) -> None:
        """Dask's: a task's state changed. A result lies here until the node has fetched it."""
        if not key.startswith(PROOFS):
            return
        if finish in ("released", "forgotten"):
            self._held.discard(key)
        else:
            self._held.add(key)
        if self._held:
            self.idle.clear()
        else:
            self.idle.set()

    async def prove(self, call: str, image: ImageRef, ref: str, data: bytes, within: float) -> Outcome:
        written: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.logs[call] = written
        while len(self.logs) > KEPT_LOGS:
            self.logs.popitem(last=False)

        def log(text: str) -> None:
            if not written.done():
                written.set_result(text)

        work = self.runtime.prove(image, ref, data, within, log)
        task = self.calls[call] = asyncio.get_running_loop().create_task(work)
        try:
            proof = await task
        except GpnError as error:
            return Outcome.failed(error)
        finally:
            self.calls.pop(call, None)
        return Outcome(proof)


def described(dask_worker: Worker) -> dict[str, Any]:
    box: Box = dask_worker.plugins[PLUGIN]
    if box.draining:
        box.told.set()
    return {
        "label": box.label,
        "version": box.version,
        "slots": box.slots,
        "gpus": box.gpus,
        "draining": box.draining,
    }


async def prepare(name: str, digest: bytes, dask_worker: Worker) -> Outcome:
    """Pull and start an image, so that its first proof does not wait for that."""
    box: Box = dask_worker.plugins[PLUGIN]
    try:
        await box.runtime.ensure(ImageRef(name, Hash32(digest)))
    except GpnError as error:
        return Outcome.failed(error)
    return Outcome()


async def prove(call: str, name: str, digest: bytes, ref: str, data: bytes, within: float) -> Outcome:
    box: Box = get_worker().plugins[PLUGIN]
    return await box.prove(call, ImageRef(name, Hash32(digest)), ref, data, within)


async def log_of(call: str, dask_worker: Worker) -> str:
    """What the container wrote during a call; "" if that is not known within a few seconds."""
    box: Box = dask_worker.plugins[PLUGIN]
    written = box.logs.pop(call, None)
    if written is None:
        return ""
    await asyncio.wait([written], timeout=LOG_SECONDS)
    return written.result() if written.done() else ""


def cancel(call: str, dask_worker: Worker) -> bool:
    """End a call: Dask's own cancelling forgets a task that runs, and lets it run on."""
    box: Box = dask_worker.plugins[PLUGIN]
    task = box.calls.get(call)
    return task is not None and task.cancel()


async def release(name: str, digest: bytes, dask_worker: Worker) -> None:
    box: Box = dask_worker.plugins[PLUGIN]
    await box.runtime.release(ImageRef(name, Hash32(digest)))
