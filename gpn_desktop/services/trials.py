"""Trials of images for the operator: one at a time for each image, followed while they run, kept when done.

What a trial found is kept by digest: the same digest is the same program.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any, Final

from gpn_desktop.core.errors import GpnError, TrialRunning
from gpn_desktop.core.manifest import Limits
from gpn_desktop.core.trial import Finding, Measured, Offer, Times, Verdict, judge
from gpn_desktop.core.types import Wei
from gpn_desktop.ports.clock import Clock
from gpn_desktop.ports.runtime import ImageRef, ProverRuntime, PullProgress
from gpn_desktop.ports.sensors import Sensors
from gpn_desktop.ports.store import Store
from gpn_desktop.services.context import log
from gpn_desktop.services.trial import Trial

RUNS: Final = 3


class Stage(Enum):
    PULLING = "pulling"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial as it stands. ``step`` is its latest line; ``ended_ms`` is Unix time, 0 while it runs."""

    image: ImageRef
    stage: Stage
    step: str = ""
    progress: PullProgress | None = None
    measured: Measured | None = None
    verdict: Verdict | None = None
    error: str = ""
    ended_ms: int = 0

    @property
    def running(self) -> bool:
        return self.stage in (Stage.PULLING, Stage.RUNNING)


@dataclass
class Trials:
    """Args:
    caps: the operator's, for telling what an image asks for above them.
    in_use: whether an image is served, and its containers therefore stay after the trial.
    """

    runtime: ProverRuntime
    clock: Clock
    store: Store
    caps: Limits
    sensors: Sensors | None = None
    in_use: Callable[[ImageRef], bool] = field(default=lambda _: False)
    changed: Callable[[], None] = field(default=lambda: None)
    pulled: Callable[[ImageRef], Awaitable[None]] | None = None
    views: dict[ImageRef, TrialView] = field(default_factory=dict)
    _running: dict[ImageRef, asyncio.Task[None]] = field(default_factory=dict)

    async def load(self, image: ImageRef) -> TrialView | None:
        """The running trial of an image, or its last one."""
        if image not in self.views and (kept := await self.store.get(_fact(image))):
            try:
                self.views[image] = _read(image, json.loads(kept))
            except (ValueError, LookupError, TypeError) as error:
                log.warning("an old trial of %s can't be read any more: %s", image.name, error)
        return self.views.get(image)

    def start(self, image: ImageRef, offer: Offer, runs: int = RUNS) -> None:
        """Try it in the background; ``views`` follow it. TrialRunning while one of this image runs."""
        if image in self._running:
            raise TrialRunning(f"{image.name} is being tried already.")
        self.views[image] = TrialView(image, Stage.PULLING)
        task = asyncio.get_running_loop().create_task(
            self._run(image, offer, runs), name=f"trial {image.name}"
        )
        self._running[image] = task
        task.add_done_callback(lambda done: self._ended(image, done))
        self.changed()

    def cancel(self, image: ImageRef) -> bool:
        """Whether there was a trial to cancel."""
        task = self._running.get(image)
        return task is not None and task.cancel()

    async def aclose(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, image: ImageRef, offer: Offer, runs: int) -> None:
        trial = Trial(self.runtime, self.clock, self.caps, self.sensors, lambda line: self._say(image, line))
        try:
            measured = await trial.run(image, runs, progress=lambda p: self._came(image, p))
            view = TrialView(image, Stage.DONE, measured=measured, verdict=judge(measured, offer))
            if self.pulled is not None:
                await self.pulled(image)
        except GpnError as error:
            view = TrialView(image, Stage.FAILED, error=str(error))
        finally:
            if not self.in_use(image):
                await self.runtime.release(image)
        view = replace(view, ended_ms=int(self.clock.unix() * 1000))
        await self.store.set(_fact(image), json.dumps(_write(view)).encode())
        self.views[image] = view

    def _ended(self, image: ImageRef, task: asyncio.Task[None]) -> None:
        del self._running[image]
        if task.cancelled():
            self.views[image] = TrialView(image, Stage.CANCELLED, ended_ms=int(self.clock.unix() * 1000))
        elif (error := task.exception()) is not None:
            log.error("a trial ended unexpectedly", exc_info=error)
            self.views[image] = TrialView(image, Stage.FAILED, error=str(error))
        self.changed()

    def _say(self, image: ImageRef, line: str) -> None:
        self.views[image] = replace(self.views[image], stage=Stage.RUNNING, step=line, progress=None)
        self.changed()

    def _came(self, image: ImageRef, progress: PullProgress) -> None:
        self.views[image] = replace(self.views[image], progress=progress)
        self.changed()


def _fact(image: ImageRef) -> str:
    return f"trial:{image.digest.hex()}"


def _write(view: TrialView) -> dict[str, Any]:
    verdict = view.verdict
    return {
        "ended_ms": view.ended_ms,
        "error": view.error,
        "measured": None if view.measured is None else asdict(view.measured),
        "verdict": None if verdict is None else asdict(verdict) | {"net": str(verdict.net or 0)},
    }


def _read(image: ImageRef, kept: dict[str, Any]) -> TrialView:
    found, judged = kept["measured"], kept["verdict"]
    measured = verdict = None
    if found is not None:
        parts: dict[str, Any] = {**found, "limits": Limits(**found["limits"])}
        for name in ("violations", "failures", "shortfalls"):
            parts[name] = tuple(found[name])
        for name in ("prove", "verify"):
            parts[name] = Times(**found[name]) if found[name] else None
        measured = Measured(**parts)
    if judged is not None:
        findings = tuple(Finding(**finding) for finding in judged["findings"])
        verdict = Verdict(judged["go"], findings, Wei(int(judged["net"])))
    stage = Stage.FAILED if kept["error"] else Stage.DONE
    return TrialView(image, stage, measured=measured, verdict=verdict, error=kept["error"],
                     ended_ms=kept["ended_ms"])  # fmt: skip
