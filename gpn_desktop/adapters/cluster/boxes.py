"""What the node knows of its workers: who can prove what, how much of it is at work, who was lost."""

from __future__ import annotations

from dataclasses import dataclass, field

from gpn_desktop.ports.cluster import WorkerState, WorkerView
from gpn_desktop.ports.runtime import ImageRef

REMEMBERED = 600.0  # seconds that a lost worker is still shown


@dataclass
class Box:
    """One worker. ``ready`` are the images that it can prove, ``errors`` says why not for others.

    ``preparing`` are those that it gets, ``again_at`` when it is tried again what failed.
    """

    address: str
    name: str
    version: str
    slots: int
    gpus: int
    used: int = 0
    draining: bool = False
    ready: set[ImageRef] = field(default_factory=set)
    errors: dict[ImageRef, str] = field(default_factory=dict)
    preparing: set[ImageRef] = field(default_factory=set)
    again_at: dict[ImageRef, float] = field(default_factory=dict)
    lost_at: float | None = None

    @property
    def state(self) -> WorkerState:
        if self.lost_at is not None:
            return WorkerState.LOST
        if self.draining:
            return WorkerState.DRAINING
        if not self.ready:
            return WorkerState.PREPARING
        return WorkerState.BUSY if self.used >= self.slots else WorkerState.READY

    def lacks(self, wanted: set[ImageRef], now: float) -> set[ImageRef]:
        """The images that it should be asked to prepare now."""
        return {
            image for image in wanted - self.ready - self.preparing if self.again_at.get(image, 0.0) <= now
        }

    def view(self) -> WorkerView:
        error = "; ".join(f"{image.name}: {text}" for image, text in self.errors.items())
        return WorkerView(
            self.name, self.address, self.state, self.slots, self.used, self.gpus, self.version, error
        )


class Boxes:
    """All of them, by address."""

    def __init__(self) -> None:
        self._known: dict[str, Box] = {}

    def add(self, box: Box) -> None:
        """In place of a lost one of the same name."""
        self._known = {a: b for a, b in self._known.items() if b.lost_at is None or b.name != box.name}
        self._known[box.address] = box

    def get(self, address: str) -> Box | None:
        box = self._known.get(address)
        return box if box is not None and box.lost_at is None else None

    def lose(self, address: str, now: float) -> Box | None:
        box = self.get(address)
        if box is not None:
            box.lost_at = now
        return box

    def forget_old(self, now: float) -> None:
        self._known = {
            address: box
            for address, box in self._known.items()
            if box.lost_at is None or now - box.lost_at < REMEMBERED
        }

    def free_for(self, image: ImageRef) -> Box | None:
        """The one with the most room for a proof of an image."""
        able = [
            box
            for box in self._known.values()
            if box.lost_at is None and not box.draining and image in box.ready and box.used < box.slots
        ]
        return max(able, key=lambda box: (box.slots - box.used, box.name), default=None)

    def slots(self) -> int:
        """How many proofs they can make at a time, at work or not."""
        return sum(box.slots for box in self.alive() if box.ready and not box.draining)

    def alive(self) -> list[Box]:
        return [box for box in self._known.values() if box.lost_at is None]

    def views(self) -> tuple[WorkerView, ...]:
        return tuple(sorted((box.view() for box in self._known.values()), key=lambda view: view.name))
