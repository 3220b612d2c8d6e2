"""A prover runtime around another one: what it does not do itself is the other's."""

from __future__ import annotations

from gpn_desktop.core.images import ImageState
from gpn_desktop.ports.runtime import ImageRef, ImageStatus, JobLog, Progress, ProverRuntime, Usage


class WrappedRuntime:
    """Every call of a ``ProverRuntime``, handed on to ``inner``."""

    def __init__(self, inner: ProverRuntime, label: str = "") -> None:
        self.label = label or inner.label
        self._inner = inner

    async def start(self) -> None:
        await self._inner.start()

    async def pull(self, image: ImageRef, progress: Progress | None = None) -> None:
        await self._inner.pull(image, progress)

    async def remove(self, image: ImageRef) -> int:
        return await self._inner.remove(image)

    async def ensure(self, image: ImageRef, progress: Progress | None = None, *, prove: bool = True) -> None:
        await self._inner.ensure(image, progress, prove=prove)

    def state(self, image: ImageRef) -> ImageState:
        return self._inner.state(image)

    def status(self, image: ImageRef) -> ImageStatus:
        return self._inner.status(image)

    async def prove(
        self, image: ImageRef, ref: str, data: bytes, within: float, log: JobLog | None = None
    ) -> bytes:
        return await self._inner.prove(image, ref, data, within, log)

    async def validate(
        self,
        image: ImageRef,
        ref: str,
        proof: bytes,
        data: bytes,
        within: float,
        log: JobLog | None = None,
    ) -> bool:
        return await self._inner.validate(image, ref, proof, data, within, log)

    async def usage(self, image: ImageRef) -> Usage | None:
        return await self._inner.usage(image)

    def elsewhere(self) -> int:
        return self._inner.elsewhere()

    def leave_out(self, gpus: frozenset[str]) -> None:
        self._inner.leave_out(gpus)

    def pardon(self, image: ImageRef) -> None:
        self._inner.pardon(image)

    async def release(self, image: ImageRef) -> None:
        await self._inner.release(image)

    async def aclose(self) -> None:
        await self._inner.aclose()
