"""One prover container with its relay, from creation to removal. Never restarted: the pair is replaced,
because a restarted prover gets a new network namespace and its relay would stay in the old one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from enum import Enum

from gpn_desktop.adapters.docker import http, image_api
from gpn_desktop.adapters.docker.engine import Engine, Load
from gpn_desktop.adapters.docker.image_api import Call
from gpn_desktop.adapters.docker.sandbox import labels
from gpn_desktop.adapters.docker.stream import ProverGone, RelayStream, Reply, StreamLost
from gpn_desktop.core.errors import EngineMissing, GpnError, ProverFault, ProverOutputTooLarge, ProverTimeout
from gpn_desktop.core.manifest import Limits, Manifest
from gpn_desktop.ports.images import Installed
from gpn_desktop.ports.runtime import MAX_LOG, JobLog

_READY_ROUND = 0.5  # seconds of waiting in the relay before the container is looked at again
_DYING = 1.0  # how long a container may take to be seen as ended after it hung up
_WARM_UP = "warm-up"  # the request id of calls whose answer nobody reads


class Role(Enum):
    PROVE = "prove"
    VALIDATE = "validate"


@dataclass(frozen=True, slots=True)
class Plan:
    """What an instance is made of. ``limits`` None: the caps, until the manifest has been read.

    ``grant`` turns the manifest into the limits that hold from then on.
    """

    image: Installed
    role: Role
    node_id: str
    caps: Limits
    limits: Limits | None
    gpus: tuple[str, ...]
    within: float
    grant: Callable[[Manifest], Limits]


class InstanceLost(Exception):
    """The pair is gone or unreachable: it may be replaced, and the call repeated."""


class Instance:
    """A pair of containers. ``open`` makes one that answers; ``remove`` may be called at any time."""

    def __init__(self, engine: Engine, streams: Executor) -> None:
        self._engine = engine
        self._streams = streams
        self._prover = ""
        self._relay = ""
        self._stream: RelayStream | None = None
        self._removed = False

    @classmethod
    async def open(cls, engine: Engine, streams: Executor, plan: Plan) -> Instance:
        """Creates the pair, waits for the prover's first answer and warms it.

        Raises:
            ProverFault: the prover ended or never answered properly.
            ProverTimeout, EngineFault, EngineMissing, GpuUnavailable
        """
        self = cls(engine, streams)
        try:
            async with asyncio.timeout(plan.within):
                await self._create(plan)
                manifest = await self._first_answer()
                limits = plan.grant(manifest)
                if plan.limits is None and limits != plan.caps:
                    await engine.tighten(self._prover, limits)
                if plan.role is Role.VALIDATE:
                    await self._warm(manifest.sample)
        except TimeoutError:
            log = await engine.log_of(self._prover) if self._prover else ""
            await self.remove()
            raise ProverTimeout(f"The prover was not ready within {plan.within:g} s. {log}".strip()) from None
        except InstanceLost as lost:
            await self.remove()
            raise ProverFault(f"The prover does not start: {lost}") from lost
        except BaseException:
            await asyncio.shield(self.remove())
            raise
        return self

    async def call(self, call: Call) -> Reply:
        """One exchange. Cancelling it ends the stream; the caller then removes the pair.

        Raises:
            InstanceLost
            ProverFault, ProverOutputTooLarge: the prover broke HTTP or the limit; the pair should be removed.
            EngineMissing: nothing is known about the prover.
        """
        try:
            return await self._exchange(call, 0.0)
        except StreamLost as lost:
            if lost.begun or self._removed:
                raise InstanceLost(await self._obituary(str(lost))) from lost
        # Nothing of a reply came: the stream may just have been idle for too long on its way to the engine.
        try:
            self._stream = await self._engine.open_stream(self._relay)
            return await self._exchange(call, 0.0)
        except (GpnError, StreamLost) as error:
            if isinstance(error, ProverFault | ProverOutputTooLarge | EngineMissing):
                raise
            raise InstanceLost(await self._obituary(str(error))) from error

    def abort(self) -> None:
        """Ends a running exchange at once."""
        self._removed = True
        if self._stream is not None:
            self._stream.abort()

    async def remove(self) -> None:
        """Kills and removes both containers; idempotent."""
        self.abort()
        await asyncio.gather(*(self._engine.remove(c) for c in (self._relay, self._prover) if c))

    async def tell(self, log: JobLog, since: float) -> None:
        """Hands over what the prover wrote since a time (Unix seconds)."""
        if self._prover:
            log(await self._engine.log_since(self._prover, since, MAX_LOG))

    async def load(self) -> Load:
        return await self._engine.load_of(self._prover)

    async def reached_out(self) -> int:
        return await self._engine.reached_out(self._relay)

    async def _create(self, plan: Plan) -> None:
        def marks(role: str) -> dict[str, str]:
            return labels(plan.node_id, role, plan.image.id)

        limits = plan.limits or plan.caps
        self._prover = await self._engine.create_prover(plan.image, limits, plan.gpus, marks(plan.role.value))
        try:
            self._relay = await self._engine.create_relay(self._prover, marks("relay"))
            self._stream = await self._engine.open_stream(self._relay)
        except GpnError as error:
            # A prover that ends at once leaves no namespace to join: then its log says more than the engine.
            ended = await self._engine.exit_of(self._prover, 0.0)
            if ended.running:
                raise
            raise InstanceLost(await self._obituary(error.message)) from error

    async def _first_answer(self) -> Manifest:
        """Waits until something answers on the port. Any answer counts, also one that says nothing."""
        while True:
            try:
                return image_api.read_manifest(await self._exchange(image_api.manifest(), _READY_ROUND))
            except StreamLost as lost:
                raise InstanceLost(str(lost)) from lost
            except InstanceLost:
                if not (await self._engine.exit_of(self._prover, 0.0)).running:
                    raise

    async def _warm(self, sample: bytes) -> None:
        """The first validation of a process is slow; it is made before a vote depends on it."""
        try:
            await self._exchange(image_api.validate(_WARM_UP, b"", sample), 0.0)
        except StreamLost as lost:
            raise InstanceLost(str(lost)) from lost

    async def _exchange(self, call: Call, patience: float) -> Reply:
        stream = self._stream
        if stream is None:
            raise InstanceLost("it was removed")
        # The deadline is the caller's, by cancellation. This one only frees the thread if that fails.
        bound = time.monotonic() + 24 * 3600
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._streams, stream.exchange, call.request, call.limit, bound, patience
            )
        except asyncio.CancelledError:
            self.abort()
            raise
        except ProverGone as gone:
            raise InstanceLost(await self._obituary(str(gone))) from gone
        except http.ReplyTooLarge as error:
            raise ProverOutputTooLarge(f"The prover's answer is too large: {error}.") from error
        except http.ReplyError as error:
            raise ProverFault(f"The prover does not speak HTTP: {error}.") from error

    async def _obituary(self, reason: str) -> str:
        """Why the container ended, for people."""
        try:
            ended = await self._engine.exit_of(self._prover, _DYING)
        except GpnError:
            return reason
        if ended.running:
            return reason
        if ended.out_of_memory:
            return "it ran out of memory."
        log = await self._engine.log_of(self._prover)
        return f"it ended with status {ended.code}. {log}".strip()
