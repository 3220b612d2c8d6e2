"""The engine's images: what a name stands for, pulling with progress and limits, removing."""

from __future__ import annotations

import asyncio
import re
import shutil
import threading
from pathlib import Path
from typing import Any, Final

import docker.errors  # type: ignore[import-untyped]

from gpn_desktop.adapters.docker import faults
from gpn_desktop.adapters.docker.engine import Engine, digest_of
from gpn_desktop.adapters.docker.options import GIB, DockerOptions
from gpn_desktop.adapters.docker.pull import PullMeter
from gpn_desktop.core.errors import (
    EngineDiskFull,
    EngineFault,
    ImageInUse,
    ImageNameInvalid,
    ImageUnavailable,
)
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.images import DiskRoom, Installed
from gpn_desktop.ports.runtime import ImageRef, Progress

# Docker's own grammar of references: a host with dots or a port, then lower case in parts.
_PART: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_NAME: Final = re.compile(
    rf"(?P<name>(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{{1,5}})?/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@sha256:(?P<digest>[0-9a-f]{64}))?"
)
MAX_NAME: Final = 255
RESERVE: Final = GIB  # of the engine's disk, that an image may not take
UNPACKED: Final = 3  # times its download is what an image takes while it is pulled: both forms of it


def parse_name(text: str) -> tuple[str, str, Hash32 | None]:
    """Repository, tag ("" if none) and digest of an image's name; ImageNameInvalid."""
    found = _NAME.fullmatch(text) if len(text) <= MAX_NAME else None
    if found is None:
        raise ImageNameInvalid(f"{text[:MAX_NAME]!r} is no name of an image.")
    digest = Hash32(bytes.fromhex(found["digest"])) if found["digest"] else None
    return found["name"], found["tag"] or "", digest


class DockerShelf:
    """An ``ImageShelf`` on an engine that is connected."""

    def __init__(self, engine: Engine, options: DockerOptions) -> None:
        self._engine = engine
        self._options = options

    async def resolve(self, name: str) -> ImageRef:
        repository, tag, digest = parse_name(name)
        if digest is not None:
            return ImageRef(repository, digest)
        tagged = f"{repository}:{tag or 'latest'}"
        try:
            found = await self._engine.call(lambda api: api.inspect_distribution(tagged))
            return ImageRef(repository, _digest(found["Descriptor"]["digest"]))
        except EngineFault as error:
            # Built here and never pushed, or its registry is away: then what this machine has counts.
            here = await self._inspect(tagged)
            if here is None:
                raise faults.unpulled(tagged, error.message) from error
            return ImageRef(repository, digest_of(here, tagged))

    async def find(self, image: ImageRef) -> Installed | None:
        """The image as the engine has it, by its registry digest or by the engine's own id."""
        for name in (str(image), f"sha256:{image.digest.hex()}"):
            found = await self._inspect(name)
            if found is not None:
                return _installed(found)
        return None

    async def pull(self, image: ImageRef, progress: Progress | None = None) -> Installed:
        loop, given_up = asyncio.get_running_loop(), threading.Event()
        room = await self._free()
        meter = PullMeter(image.name, self._options.max_image)

        def tell() -> None:
            if progress is not None and not loop.is_closed():
                loop.call_soon_threadsafe(progress, meter.progress)

        def work(api: Any) -> None:
            lines = api.pull(image.name, tag=f"sha256:{image.digest.hex()}", stream=True, decode=True)
            try:
                for line in lines:
                    if given_up.is_set():
                        return
                    if meter.read(line):
                        _check_room(image, meter.progress.total, room)
                        tell()
            finally:
                lines.close()  # the engine stops pulling when nobody reads any more

        try:
            await self._engine.call(work)
        except (faults.NotThere, EngineFault) as error:
            if isinstance(error, EngineDiskFull):
                raise
            raise faults.unpulled(str(image), error.message) from error
        except asyncio.CancelledError:
            given_up.set()
            raise
        found = await self.find(image)
        if found is None:
            raise ImageUnavailable(f"{image} was pulled, but the engine does not have it.")
        return found

    async def remove(self, image: ImageRef) -> int:
        found = await self.find(image)
        if found is None:
            return 0
        before = (await self.room()).images

        def work(api: Any) -> None:
            try:
                for name in found.names or (found.id,):
                    api.remove_image(name)
            except docker.errors.APIError as error:
                if error.status_code == 409:
                    raise ImageInUse(f"{image.name} is used by a container.") from error
                raise

        await self._engine.call(work)
        return max(0, before - (await self.room()).images)

    async def room(self) -> DiskRoom:
        used = await self._engine.call(lambda api: int(api.df().get("LayersSize") or 0))
        return DiskRoom(await self._free(), used)

    async def _free(self) -> int | None:
        """Only an engine of this very machine has its disk here; Docker Desktop's is in a virtual one."""

        def work(api: Any) -> int | None:
            root = Path(api.info()["DockerRootDir"])
            return shutil.disk_usage(root).free if self._engine.local and root.is_dir() else None

        return await self._engine.call(work)

    async def _inspect(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await self._engine.call(lambda api: api.inspect_image(name))
        except faults.NotThere:
            return None
        return found


def _check_room(image: ImageRef, download: int, free: int | None) -> None:
    if free is not None and download * UNPACKED > free - RESERVE:
        raise EngineDiskFull(
            f"{image.name} needs about {download * UNPACKED:,} bytes; the engine's disk has {free:,} free."
        )


def _digest(text: str) -> Hash32:
    kind, _, digits = text.partition(":")
    if kind != "sha256" or len(digits) != 64:
        raise EngineFault(f"The registry gave no sha256 digest: {text[:100]!r}")
    return Hash32(bytes.fromhex(digits))


def _installed(found: dict[str, Any]) -> Installed:
    names = (*(found.get("RepoTags") or ()), *(found.get("RepoDigests") or ()))
    return Installed(
        id=found["Id"],
        names=names,
        size=int(found["Size"]),
        architecture=str(found.get("Architecture", "")),
        volumes=tuple((found["Config"] or {}).get("Volumes") or ()),
    )
