"""The images on this machine: found, pulled, removed. What runs of them is the runtime's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gpn_desktop.ports.runtime import ImageRef, Progress


@dataclass(frozen=True, slots=True)
class Installed:
    """An image that the engine has. ``size`` is in bytes, unpacked; ``architecture`` as in "amd64"."""

    id: str
    names: tuple[str, ...]
    size: int
    architecture: str
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """Bytes on the engine's disk; None where the engine is on another machine or in a virtual one."""

    free: int | None
    images: int  # used by all images of the engine, ours or not


class ImageShelf(Protocol):
    """Raises of all calls: EngineMissing and its subclasses, EngineFault."""

    async def resolve(self, name: str) -> ImageRef:
        """What a name stands for now: its tag's digest at the registry, else what this machine has under it.

        Raises:
            ImageNameInvalid, ImageUnavailable, RegistryDenied
        """
        ...

    async def find(self, image: ImageRef) -> Installed | None: ...

    async def pull(self, image: ImageRef, progress: Progress | None = None) -> Installed:
        """Cancelling it ends the download; what is complete of it is kept by the engine for a next try.

        Raises:
            ImageUnavailable, RegistryDenied, ImageDamaged, ImageTooLarge, EngineDiskFull
        """
        ...

    async def remove(self, image: ImageRef) -> int:
        """The bytes freed; 0 where it was not there. ImageInUse where a container needs it."""
        ...

    async def room(self) -> DiskRoom: ...


class ImageBook(Protocol):
    """Remembers which images this node pulled. Raises StoreCorrupt, StoreFull."""

    def pulled(self) -> list[ImageRef]: ...

    def remember(self, image: ImageRef) -> None:
        """Idempotent, and durable when it returns."""
        ...

    def forget(self, image: ImageRef) -> None: ...
