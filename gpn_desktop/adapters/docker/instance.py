"""One prover container with its relay, from creation to removal. Never restarted: the pair is replaced,
because a restarted prover gets a new network namespace and its relay would stay in the old one.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor
from enum import Enum

from gpn_desktop.adapters.docker import http, image_api
from gpn_desktop.adapters.docker.engine import Engine, LocalImage
from gpn_desktop.adapters.docker.image_api import Call
from gpn_desktop.adapters.docker.sandbox import labels
from gpn_desktop.adapters.docker.stream import ProverGone, RelayStream, Reply, StreamLost
from gpn_desktop.core.errors import GpnError, ProverFault, ProverOutputTooLarge, ProverTimeout

_READY_ROUND = 0.5  # seconds of waiting in the relay before the container is looked at again
_DYING = 1.0  # how long a container may take to be seen as ended after it hung up
_WARM_UP = "warm-up"  # the request id of calls whose answer nobody reads


class Role(Enum):
    PROVE = "prove"
    VALIDATE = "validate"


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
    async def open(
        cls, engine: Engine, streams: Executor, image: LocalImage, role: Role, node_id: str, within: float
    ) -> Instance:
        """Creates the pair, waits for the prover's first answer and warms it.

        Raises:
            ProverFault: the prover ended or never answered properly.
            ProverTimeout, EngineFault, EngineMissing, GpuUnavailable
        """
        self = cls(engine, streams)
        try:
            async with asyncio.timeout(within):
                await self._create(image, role, node_id)
                sample = await self._first_answer()
                if role is Role.VALIDATE:
                    await self._warm(sample)
        except TimeoutError:
            log = await engine.log_of(self._prover) if self._prover else ""
            await self.remove()
            raise ProverTimeout(f"The prover was not ready within {within:g} s. {log}".strip()) from None
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
            if isinstance(error, ProverFault | ProverOutputTooLarge):
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

    async def _create(self, image: LocalImage, role: Role, node_id: str) -> None:
        gpu = role is Role.PROVE
        self._prover = await self._engine.create_prover(image, gpu, labels(node_id, role.value, image.id))
        try:
            self._relay = await self._engine.create_relay(self._prover, labels(node_id, "relay", image.id))
            self._stream = await self._engine.open_stream(self._relay)
        except GpnError as error:
            # A prover that ends at once leaves no namespace to join: then its log says more than the engine.
            ended = await self._engine.exit_of(self._prover, 0.0)
            if ended.running:
                raise
            raise InstanceLost(await self._obituary(error.message)) from error

    async def _first_answer(self) -> bytes:
        """Waits until something answers on the port; gives the manifest's sample input. Any answer counts."""
        while True:
            try:
                return image_api.read_sample(await self._exchange(image_api.manifest(), _READY_ROUND))
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
