"""Trying an image before committing to it: cold start, some proofs of its sample, what they took, a verdict.

The image runs exactly as it would for a consumer, in the same sandbox under the same limits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gpn_desktop.core import manifest as manifests
from gpn_desktop.core.errors import GpnError, NoSample
from gpn_desktop.core.manifest import Limits, Manifest
from gpn_desktop.core.trial import VERIFY_SECONDS, Measured, Times
from gpn_desktop.ports.clock import Clock
from gpn_desktop.ports.runtime import ImageRef, Progress, ProverRuntime, Usage
from gpn_desktop.ports.sensors import Sensors
from gpn_desktop.services.workshop import spoiled

SAMPLE_EVERY: Final = 0.2  # seconds between two looks at what the containers use
MAX_RUNS: Final = 1000

Say = Callable[[str], None]


@dataclass
class _Watched:
    """The most that was seen of each."""

    memory: int = 0
    processes: int = 0
    vram: int = 0
    measured: bool = False
    reached_out: int = 0

    def see(self, usage: Usage) -> None:
        self.measured = True
        self.memory = max(self.memory, usage.memory, usage.peak_memory or 0)
        self.processes = max(self.processes, usage.processes)
        self.reached_out = max(self.reached_out, usage.reached_out)


@dataclass
class Trial:
    """One trial. ``caps`` are the operator's, for telling what the image asks for above them.

    Raises of ``run``: what pulling and starting raise, NoSample. What goes wrong later is part of the result.
    """

    runtime: ProverRuntime
    clock: Clock
    caps: Limits
    sensors: Sensors | None = None
    say: Say = field(default=lambda _: None)

    async def run(
        self, image: ImageRef, runs: int, data: bytes | None = None, progress: Progress | None = None
    ) -> Measured:
        await self.runtime.pull(image, progress)
        began = self.clock.monotonic()
        await self.runtime.ensure(image)
        cold = self.clock.monotonic() - began
        self.say(f"started in {cold:.2f} s")
        status = self.runtime.status(image)
        manifest, limits = status.manifest or Manifest(), status.limits or Limits()
        if data is None and not manifest.sample:
            raise NoSample(f"{image.name} brings no sample input.")
        watched = _Watched()
        idle_vram = await self._vram()
        watching = asyncio.create_task(self._watch(image, watched))
        try:
            shots = await self._shoot(image, runs, manifest.sample if data is None else data, limits)
            await self._look(image, watched)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
        return Measured(
            runs=runs,
            cold_start=cold,
            prove=Times.of(shots.prove),
            verify=Times.of(shots.verify),
            proof_bytes=shots.size,
            peak_memory=watched.memory if watched.measured else None,
            peak_vram=max(0, watched.vram - idle_vram) if manifest.gpu and watched.vram else None,
            processes=watched.processes,
            limits=limits,
            violations=_violations(watched, limits),
            failures=tuple(dict.fromkeys(shots.failures)),
            shortfalls=manifests.shortfalls(manifest, self.caps),
        )

    async def _shoot(self, image: ImageRef, runs: int, data: bytes, limits: Limits) -> _Shots:
        shots = _Shots()
        for number in range(runs):
            ref = f"trial-{number + 1}"
            try:
                began = self.clock.monotonic()
                proof = await self.runtime.prove(image, ref, data, limits.prove_seconds)
                proved = self.clock.monotonic()
                valid = await self.runtime.validate(image, ref, proof, data, VERIFY_SECONDS)
                verified = self.clock.monotonic()
            except GpnError as error:
                shots.failures.append(error.message)
                self.say(f"run {number + 1} of {runs}: {error}")
                continue
            shots.prove.append(proved - began)
            shots.verify.append(verified - proved)
            shots.size = max(shots.size, len(proof))
            self.say(
                f"run {number + 1} of {runs}: {proved - began:.2f} s, {verified - proved:.3f} s to verify"
            )
            if not valid:
                shots.failures.append("It refuses its own proof.")
            if number == 0:
                await self._lie(image, ref, proof, data, shots)
        return shots

    async def _lie(self, image: ImageRef, ref: str, proof: bytes, data: bytes, shots: _Shots) -> None:
        """Whoever verifies with an image that takes any proof signs for lies."""
        try:
            if await self.runtime.validate(image, ref, spoiled(proof), data, VERIFY_SECONDS):
                shots.failures.append("It takes a proof with a flipped bit for valid.")
        except GpnError as error:
            shots.failures.append(f"A false proof breaks it: {error.message}")

    async def _watch(self, image: ImageRef, watched: _Watched) -> None:
        while True:
            with contextlib.suppress(GpnError):  # a container that is being replaced has no figures
                await self._look(image, watched)
            await asyncio.sleep(SAMPLE_EVERY)

    async def _look(self, image: ImageRef, watched: _Watched) -> None:
        usage = await self.runtime.usage(image)
        if usage is not None:
            watched.see(usage)
        watched.vram = max(watched.vram, await self._vram())

    async def _vram(self) -> int:
        if self.sensors is None:
            return 0
        return max((reading.vram_used or 0 for reading in await self.sensors.read()), default=0)


@dataclass
class _Shots:
    prove: list[float] = field(default_factory=list)
    verify: list[float] = field(default_factory=list)
    size: int = 0
    failures: list[str] = field(default_factory=list)


def _violations(watched: _Watched, limits: Limits) -> tuple[str, ...]:
    found = []
    if watched.reached_out:
        found.append(f"It tried to reach a network {watched.reached_out:,} times; there is none.")
    if watched.processes >= limits.pids:
        found.append(f"It ran into its limit of {limits.pids:,} processes.")
    return tuple(found)
