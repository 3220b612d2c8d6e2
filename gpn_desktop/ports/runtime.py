"""Where proofs are made and checked: a consumer's image, started in a sandbox, answering two calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from gpn_desktop.core.images import ImageLife
from gpn_desktop.core.images import ImageState as ImageState
from gpn_desktop.core.manifest import Limits, Manifest
from gpn_desktop.core.types import Hash32


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image pinned by digest: ``name`` is the repository without tag, ``digest`` its sha256."""

    name: str
    digest: Hash32

    def __str__(self) -> str:
        return f"{self.name}@sha256:{self.digest.hex()}"


@dataclass(frozen=True, slots=True)
class PullProgress:
    """Bytes of all layers together; ``total`` grows while layers are discovered."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ImageStatus:
    """An image on this node at one instant. ``manifest`` and ``limits`` are known once it has started.

    ``slots`` is how many proofs it can make at a time, ``ready`` how many containers of it answer.
    """

    life: ImageLife = field(default_factory=ImageLife)
    progress: PullProgress | None = None
    manifest: Manifest | None = None
    limits: Limits | None = None
    slots: int = 0
    ready: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What an image's containers use, all of them together where not said otherwise.

    ``memory`` and ``peak_memory`` are bytes of the largest container; the peak is None where the engine does
    not keep it. ``reached_out`` counts packets and connections that left for somewhere and found no network.
    """

    memory: int
    peak_memory: int | None
    processes: int
    reached_out: int


Progress = Callable[[PullProgress], None]
JobLog = Callable[[str], None]
"""Takes what a container wrote during one call, after it: its end, ``MAX_LOG`` characters at most."""

MAX_LOG = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """An image's HTTP answer, as it came."""

    status: int
    body: bytes


class ImageProbe(Protocol):
    """For those who test an image: whatever HTTP call, to its validating container."""

    async def ask(self, image: ImageRef, method: str, path: str, body: bytes, within: float) -> Answer:
        """Raises ProverTimeout, ProverFault, ProverLost, ProverOutputTooLarge."""
        ...


class ProverRuntime(Protocol):
    label: str
    """What proofs come from, for people: an image name, or ``builtin:test`` for the test prover."""

    async def start(self) -> None:
        """Check the engine and remove what an earlier run of this node left behind.

        Raises:
            EngineMissing (or the subclass that says why), EngineFault
        """
        ...

    async def pull(self, image: ImageRef, progress: Progress | None = None) -> None:
        """Get the image onto this machine if it is not there; nothing of it is started. Can be cancelled.

        Raises:
            ImageUnavailable, RegistryDenied, ImageDamaged, ImageTooLarge, EngineDiskFull, EngineFault
        """
        ...

    async def remove(self, image: ImageRef) -> int:
        """Remove the image from this machine; the bytes freed. ImageInUse while it runs."""
        ...

    async def ensure(self, image: ImageRef, progress: Progress | None = None, *, prove: bool = True) -> None:
        """Pull if absent, start a validating and, with ``prove``, a proving instance; idempotent.

        A machine that cannot prove (for want of a GPU) can still verify: then ``prove`` alone fails.

        Raises:
            ImageQuarantined, ProverFault, ProverTimeout, the GPU errors, and what ``pull`` raises
        """
        ...

    def state(self, image: ImageRef) -> ImageState: ...

    def status(self, image: ImageRef) -> ImageStatus: ...

    async def prove(
        self, image: ImageRef, ref: str, data: bytes, within: float, log: JobLog | None = None
    ) -> bytes:
        """The proof for ``data``; ``ref`` is the client's request id. Cancelling kills the container.

        Raises:
            ProverTimeout: not done after ``within`` seconds, all included, or after the image's own limit.
            ProverFault: an answer that breaks the image API.
            ProverLost: the container died twice.
            ProverOutputTooLarge
            ImageQuarantined, and what ``ensure`` raises
        """
        ...

    async def validate(
        self,
        image: ImageRef,
        ref: str,
        proof: bytes,
        data: bytes,
        within: float,
        log: JobLog | None = None,
    ) -> bool:
        """The image's verdict; an error of the same kinds as ``prove`` is no opinion, never False."""
        ...

    async def usage(self, image: ImageRef) -> Usage | None:
        """What the image's containers use now; None where nothing runs or nothing can be measured."""
        ...

    def elsewhere(self) -> int:
        """How many proofs at a time other machines can make for this node; 0 where there are none."""
        ...

    def leave_out(self, gpus: frozenset[str]) -> None:
        """Containers that start from now on get none of these GPUs (UUIDs); those that run keep theirs."""
        ...

    def pardon(self, image: ImageRef) -> None:
        """Take the image out of quarantine, by the operator's word."""
        ...

    async def release(self, image: ImageRef) -> None:
        """Stop the image's instances."""
        ...

    async def aclose(self) -> None:
        """Remove every container of this node; idempotent."""
        ...
