"""The operator's other machines, which prove for this node."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class WorkerState(Enum):
    PREPARING = "preparing"  # it gets its images
    READY = "ready"
    BUSY = "busy"  # all of its slots are at work
    DRAINING = "draining"  # it takes nothing more and ends after what it has
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class WorkerView:
    """``slots`` proofs at a time, ``used`` of them at work; ``error`` why an image cannot run there."""

    name: str
    address: str
    state: WorkerState
    slots: int
    used: int
    gpus: int
    version: str
    error: str = ""


class Cluster(Protocol):
    def workers(self) -> tuple[WorkerView, ...]:
        """All that are connected, and those that were lost lately; by name."""
        ...
