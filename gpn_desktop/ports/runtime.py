"""Where proofs are made and checked: a consumer's image, started in a sandbox, answering two calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gpn_desktop.core.types import Hash32


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image pinned by digest: ``name`` is the repository without tag, ``digest`` its sha256."""

    name: str
    digest: Hash32

    def __str__(self) -> str:
        return f"{self.name}@sha256:{self.digest.hex()}"


class ImageState(Enum):
    ABSENT = "absent"
    PULLING = "pulling"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PullProgress:
    """Bytes of all layers together; ``total`` grows while layers are discovered."""

    done: int
    total: int


Progress = Callable[[PullProgress], None]


class ProverRuntime(Protocol):
    label: str
    """What proofs come from, for people: an image name, or ``builtin:test`` for the test prover."""

    async def start(self) -> None:
        """Check the engine and remove what an earlier run of this node left behind.

        Raises:
            EngineMissing, EngineFault
        """
        ...

    async def ensure(self, image: ImageRef, progress: Progress | None = None) -> None:
        """Pull if absent, start a proving and a validating instance, warm them; idempotent.

        Raises:
            ImageUnavailable, ImageTooLarge, EngineFault, ProverFault, ProverTimeout
        """
        ...

    def state(self, image: ImageRef) -> ImageState: ...

    async def prove(self, image: ImageRef, ref: str, data: bytes, within: float) -> bytes:
        """The proof for ``data``; ``ref`` is the client's request id. Cancelling kills the container.

        Raises:
            ProverTimeout: not done after ``within`` seconds, all included.
            ProverFault: an answer that breaks the image API.
            ProverLost: the container died twice.
            ProverOutputTooLarge
        """
        ...

    async def validate(self, image: ImageRef, ref: str, proof: bytes, data: bytes, within: float) -> bool:
        """The image's verdict; an error of the same kinds as ``prove`` is no opinion, never False."""
        ...

    async def release(self, image: ImageRef) -> None:
        """Stop the image's instances."""
        ...

    async def aclose(self) -> None:
        """Remove every container of this node; idempotent."""
        ...
