"""A prover for TESTS AND DEMONSTRATIONS that proves nothing: its "proof" is a plain hash.

It lets a network run where no Docker engine is, and it gives tests a prover whose time is chosen. Its rule is
the one of the mock image in ``resources/provers/mock``: proof = sha256(ref ‖ data). Anybody can compute that,
so whatever shows a proof made here must show ``label`` too.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256

from gpn_desktop.core.errors import EngineFault, ImageInUse, ProverTimeout
from gpn_desktop.core.images import ImageLife, ImageState
from gpn_desktop.core.manifest import Limits, Manifest
from gpn_desktop.ports.runtime import ImageRef, ImageStatus, JobLog, Progress, PullProgress, Usage


class BuiltinRuntime:
    """A ``ProverRuntime`` without containers; every image behaves alike, and is there.

    Args:
        delay: seconds that one proof takes. A validation takes none.
    """

    def __init__(self, delay: float = 0.0) -> None:
        self.label = "builtin:test"
        self._delay = delay
        self._here: set[ImageRef] = set()
        self._running: set[ImageRef] = set()
        self._calls = 0
        self._closed = False

    async def start(self) -> None:
        self._closed = False

    async def pull(self, image: ImageRef, progress: Progress | None = None) -> None:
        self._check_open()
        if progress is not None:
            progress(PullProgress(done=0, total=0))
        self._here.add(image)

    async def remove(self, image: ImageRef) -> int:
        if image in self._running:
            raise ImageInUse(f"{image.name} is running.")
        self._here.discard(image)
        return 0

    async def ensure(self, image: ImageRef, progress: Progress | None = None, *, prove: bool = True) -> None:
        await self.pull(image, progress)
        self._running.add(image)

    def state(self, image: ImageRef) -> ImageState:
        return self.status(image).life.state

    def status(self, image: ImageRef) -> ImageStatus:
        if image not in self._running:
            return ImageStatus(ImageLife(ImageState.READY if image in self._here else ImageState.ABSENT))
        state = ImageState.BUSY if self._calls else ImageState.SERVING
        life = ImageLife(state, calls=self._calls)
        return ImageStatus(life, manifest=Manifest(name="test"), limits=Limits(), slots=1, ready=1)

    async def prove(
        self, image: ImageRef, ref: str, data: bytes, within: float, log: JobLog | None = None
    ) -> bytes:
        await self.ensure(image)
        self._calls += 1
        try:
            async with asyncio.timeout(within):
                await asyncio.sleep(self._delay)
        except TimeoutError:
            raise ProverTimeout(f"The test prover did not finish within {within:g} s.") from None
        finally:
            self._calls -= 1
        return _digest(ref, data)

    async def validate(
        self,
        image: ImageRef,
        ref: str,
        proof: bytes,
        data: bytes,
        within: float,
        log: JobLog | None = None,
    ) -> bool:
        await self.ensure(image)
        return proof == _digest(ref, data)

    async def usage(self, image: ImageRef) -> Usage | None:
        return None

    def elsewhere(self) -> int:
        return 0

    def leave_out(self, gpus: frozenset[str]) -> None:
        """It uses none."""

    def pardon(self, image: ImageRef) -> None:
        """Nothing is ever quarantined here."""

    async def release(self, image: ImageRef) -> None:
        self._running.discard(image)

    async def aclose(self) -> None:
        self._running.clear()
        self._here.clear()
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise EngineFault("The test prover is closed.")


def _digest(ref: str, data: bytes) -> bytes:
    return sha256(ref.encode() + data).digest()
