"""A prover for TESTS AND DEMONSTRATIONS that proves nothing: its "proof" is a plain hash.

It lets a network run where no Docker engine is, and it gives tests a prover whose time is chosen. Its rule is
the one of the mock image in ``resources/provers/mock``: proof = sha256(ref ‖ data). Anybody can compute that,
so whatever shows a proof made here must show ``label`` too.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256

from gpn_desktop.core.errors import EngineFault, ProverTimeout
from gpn_desktop.ports.runtime import ImageRef, ImageState, Progress, PullProgress


class BuiltinRuntime:
    """A ``ProverRuntime`` without containers; every image behaves alike.

    Args:
        delay: seconds that one proof takes. A validation takes none.
    """

    def __init__(self, delay: float = 0.0) -> None:
        self.label = "builtin:test"
        self._delay = delay
        self._ready: set[ImageRef] = set()
        self._closed = False

    async def start(self) -> None:
        self._closed = False

    async def ensure(self, image: ImageRef, progress: Progress | None = None) -> None:
        self._check_open()
        if progress is not None:
            progress(PullProgress(done=0, total=0))
        self._ready.add(image)

    def state(self, image: ImageRef) -> ImageState:
        return ImageState.READY if image in self._ready else ImageState.ABSENT

    async def prove(self, image: ImageRef, ref: str, data: bytes, within: float) -> bytes:
        await self.ensure(image)
        try:
            async with asyncio.timeout(within):
                await asyncio.sleep(self._delay)
        except TimeoutError:
            raise ProverTimeout(f"The test prover did not finish within {within:g} s.") from None
        return _digest(ref, data)

    async def validate(self, image: ImageRef, ref: str, proof: bytes, data: bytes, within: float) -> bool:
        await self.ensure(image)
        return proof == _digest(ref, data)

    async def release(self, image: ImageRef) -> None:
        self._ready.discard(image)

    async def aclose(self) -> None:
        self._ready.clear()
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise EngineFault("The test prover is closed.")


def _digest(ref: str, data: bytes) -> bytes:
    return sha256(ref.encode() + data).digest()
