"""A prover that lies, for showing and testing what the network does about it: votes stay honest."""

from __future__ import annotations

from gpn_desktop.ports.runtime import ImageRef, ImageState, Progress, ProverRuntime


class CheatingRuntime:
    """Another runtime whose proofs come out with their last byte changed."""

    def __init__(self, honest: ProverRuntime) -> None:
        self._honest = honest
        self.label = f"{honest.label} (cheating)"

    async def start(self) -> None:
        await self._honest.start()

    async def ensure(self, image: ImageRef, progress: Progress | None = None) -> None:
        await self._honest.ensure(image, progress)

    def state(self, image: ImageRef) -> ImageState:
        return self._honest.state(image)

    async def prove(self, image: ImageRef, ref: str, data: bytes, within: float) -> bytes:
        proof = await self._honest.prove(image, ref, data, within)
        return proof[:-1] + bytes([proof[-1] ^ 1]) if proof else b"\0"

    async def validate(self, image: ImageRef, ref: str, proof: bytes, data: bytes, within: float) -> bool:
        return await self._honest.validate(image, ref, proof, data, within)

    async def release(self, image: ImageRef) -> None:
        await self._honest.release(image)

    async def aclose(self) -> None:
        await self._honest.aclose()
