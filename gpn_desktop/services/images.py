"""The images of this node: what is pulled, what may be removed, what runs, and why one does not.

A pull goes on in the background until it is done or cancelled. What this node pulled is remembered, so that
pruning never takes an image that somebody else put on the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gpn_desktop.core.errors import GpnError, ImageInUse, ImageUnavailable
from gpn_desktop.core.images import ImageState, Reason
from gpn_desktop.ports.images import DiskRoom, ImageBook, ImageShelf
from gpn_desktop.ports.runtime import ImageRef, ImageStatus, ProverRuntime, PullProgress


@dataclass(frozen=True, slots=True)
class ImageView:
    """One image for people. ``size`` in bytes, None while it is not here; ``ours`` if this node pulled it."""

    image: ImageRef
    state: ImageState
    reason: Reason | None
    progress: PullProgress | None
    status: ImageStatus
    size: int | None = None
    served: bool = False
    ours: bool = False


class MemoryImageBook:
    """An ``ImageBook`` for as long as the process lives, where nothing is ever pulled."""

    def __init__(self) -> None:
        self._known: list[ImageRef] = []

    def pulled(self) -> list[ImageRef]:
        return list(self._known)

    def remember(self, image: ImageRef) -> None:
        if image not in self._known:
            self._known.append(image)

    def forget(self, image: ImageRef) -> None:
        if image in self._known:
            self._known.remove(image)


class Images:
    """Args:
    shelf: None where images are not a matter of this machine (the built-in test prover).
    """

    def __init__(
        self,
        runtime: ProverRuntime,
        shelf: ImageShelf | None,
        book: ImageBook,
    ) -> None:
        self.runtime = runtime
        self._shelf = shelf
        self._book = book
        self._served: Callable[[], Iterable[ImageRef]] = tuple
        self._changed: Callable[[], None] = lambda: None
        self._pulls: dict[ImageRef, asyncio.Task[None]] = {}

    def attach(self, served: Callable[[], Iterable[ImageRef]], changed: Callable[[], None]) -> None:
        """To a node: ``served`` are its consumers' images, which are neither removed nor pruned."""
        self._served, self._changed = served, changed

    async def resolve(self, name: str) -> ImageRef:
        """A name, with tag or digest or neither, as the digest that it stands for now.

        Raises:
            ImageNameInvalid, ImageUnavailable, RegistryDenied, EngineMissing
        """
        if self._shelf is None:
            raise ImageUnavailable(f"{name} cannot be looked up: this node runs the built-in test prover.")
        return await self._shelf.resolve(name)

    async def pull(self, image: ImageRef) -> None:
        """Pull, or join a pull that is going on; returns when it is done.

        Cancelling the caller leaves the pull going on; ``cancel`` ends it. Raises what the runtime's ``pull``
        does, and ImageUnavailable where it was cancelled meanwhile.
        """
        task = self._pulls.get(image)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._pull(image), name=f"pull {image.name}")
            self._pulls[image] = task
            task.add_done_callback(lambda _: self._pulls.pop(image, None))
        await asyncio.wait([task])
        if task.cancelled():
            raise ImageUnavailable(f"The pull of {image.name} was cancelled.", remedy="Pull it again.")
        await task

    def cancel(self, image: ImageRef) -> bool:
        """End a pull; whether there was one. What came completely is not loaded again the next time."""
        task = self._pulls.get(image)
        return task is not None and task.cancel()

    async def remove(self, image: ImageRef) -> int:
        """The bytes freed. ImageInUse where a served consumer needs the image."""
        if image in set(self._served()):
            raise ImageInUse(f"{image.name} is the image of a consumer that this node serves.")
        freed = await self.runtime.remove(image)
        self._book.forget(image)
        self._changed()
        return freed

    async def prune(self) -> int:
        """Remove all that this node pulled and no served consumer needs; the bytes freed."""
        freed = 0
        keep = set(self._served())
        for image in self._book.pulled():
            if image not in keep and image not in self._pulls:
                try:
                    freed += await self.remove(image)
                except ImageInUse:
                    continue
        return freed

    def pardon(self, image: ImageRef) -> None:
        self.runtime.pardon(image)
        self._changed()

    async def views(self) -> list[ImageView]:
        """All images that this node pulled, pulls or serves, by name."""
        served, ours = set(self._served()), set(self._book.pulled())
        known = sorted(served | ours | set(self._pulls), key=str)
        return [await self._view(image, image in served, image in ours) for image in known]

    async def room(self) -> DiskRoom | None:
        return None if self._shelf is None else await self._shelf.room()

    async def aclose(self) -> None:
        for task in list(self._pulls.values()):
            task.cancel()
            await asyncio.wait([task])

    async def _pull(self, image: ImageRef) -> None:
        try:
            await self.runtime.pull(image, lambda _: self._changed())
            self._book.remember(image)
        finally:
            self._changed()

    async def _view(self, image: ImageRef, served: bool, ours: bool) -> ImageView:
        status = self.runtime.status(image)
        state, size = status.life.state, None
        if self._shelf is not None:
            try:
                found = await self._shelf.find(image)
            except GpnError:
                found = None  # the engine is away; its own error is shown where it belongs
            size = None if found is None else found.size
            if found is not None and state is ImageState.ABSENT:
                state = ImageState.READY
        return ImageView(image, state, status.life.reason, status.progress, status, size, served, ours)
