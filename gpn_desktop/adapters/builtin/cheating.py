"""A prover that lies, for showing and testing what the network does about it: votes stay honest."""

from __future__ import annotations

from gpn_desktop.core.images import ImageState
from gpn_desktop.ports.runtime import ImageRef, ImageStatus, JobLog, Progress, ProverRuntime, Usage


class CheatingRuntime:
    """Another runtime whose proofs come out with their last byte changed."""

    def __init__(self, honest: ProverRuntime) -> None:
        self._honest = honest
        self.label = f"{honest.label} (cheating)"

    async def start(self) -> None:
        await self._honest.start()

    async def pull(self, image: ImageRef, progress: Progress | None = None) -> None:
        await self._honest.pull(image, progress)

    async def remove(self, image: ImageRef) -> int:
        return await self._honest.remove(image)

    async def ensure(self, image: ImageRef, progress: Progress | None = None, *, prove: bool = True) -> None:
        await self._honest.ensure(image, progress, prove=prove)

    def state(self, image: ImageRef) -> ImageState:
        return self._honest.state(image)

    def status(self, image: ImageRef) -> ImageStatus:
        return self._honest.status(image)

    async def prove(
        self, image: ImageRef, ref: str, data: bytes, within: float, log: JobLog | None = None
    ) -> bytes:
        proof = await self._honest.prove(image, ref, data, within, log)
        return proof[:-1] + bytes([proof[-1] ^ 1]) if proof else b"\0"

    async def validate(
        self,
        image: ImageRef,
        ref: str,
        proof: bytes,
        data: bytes,
        within: float,
        log: JobLog | None = None,
    ) -> bool:
        return await self._honest.validate(image, ref, proof, data, within, log)

    async def usage(self, image: ImageRef) -> Usage | None:
        return await self._honest.usage(image)

    def elsewhere(self) -> int:
        return self._honest.elsewhere()

    def pardon(self, image: ImageRef) -> None:
        self._honest.pardon(image)

    async def release(self, image: ImageRef) -> None:
        await self._honest.release(image)

    async def aclose(self) -> None:
        await self._honest.aclose()
