"""The Docker SDK behind coroutines: every call on a worker thread, every error translated.

Nothing outside this module sees the SDK.
"""

from __future__ import annotations

import asyncio
import io
import tarfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar

import docker  # type: ignore[import-untyped]
import docker.errors  # type: ignore[import-untyped]
import docker.utils  # type: ignore[import-untyped]
import requests

from gpn_desktop.adapters.docker import sandbox
from gpn_desktop.adapters.docker.options import DockerOptions
from gpn_desktop.adapters.docker.pull import PullMeter
from gpn_desktop.adapters.docker.stream import RelayStream
from gpn_desktop.core.errors import (
    EngineFault,
    EngineMissing,
    GpnError,
    GpuUnavailable,
    ImageTooLarge,
    ImageUnavailable,
)
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.runtime import ImageRef, Progress

T = TypeVar("T")
_RELAY = "gpn-desktop/relay"
_LOG_LINES, _LOG_BYTES = 20, 600
_THREADS = 8
_CLOSE_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image that the engine has: its id there and the paths that it declares as volumes."""

    id: str
    volumes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended, or that it still runs."""

    running: bool
    code: int = 0
    out_of_memory: bool = False


def docker_available(host: str | None = None, timeout: float = 2.0) -> bool:
    """Whether an engine answers. Blocks for at most ``timeout`` seconds."""
    try:
        client = _client(host, timeout)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except (docker.errors.DockerException, requests.RequestException, OSError):
        return False


def local_digest(name: str, host: str | None = None, timeout: float = 10.0) -> Hash32 | None:
    """What an image's name stands for on this machine, None if it is not there; blocks.

    The registry's digest where the image came from one, so that all nodes mean the same; else the engine's
    own id.

    Raises:
        EngineMissing
    """
    try:
        client = _client(host, timeout)
        try:
            found = client.inspect_image(name)
        finally:
            client.close()
    except docker.errors.ImageNotFound:
        return None
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise EngineMissing(f"No Docker engine answers: {error}") from error
    digests = dict(d.split("@sha256:") for d in found.get("RepoDigests") or ())
    tagged = ":" in name.rsplit("/", 1)[-1]
    repository = name.rsplit(":", 1)[0] if tagged else name
    digest = digests.get(repository, found["Id"].removeprefix("sha256:"))
    return Hash32(bytes.fromhex(digest))


def _client(host: str | None, timeout: float) -> Any:
    settings = docker.utils.kwargs_from_env()
    if host is not None:
        settings["base_url"] = host
    return docker.APIClient(version="auto", timeout=timeout, max_pool_size=_THREADS * 4, **settings)


class Engine:
    """One connection to an engine. ``connect`` comes first."""

    def __init__(self, options: DockerOptions) -> None:
        self._options = options
        self._api: Any = None
        self._calls = ThreadPoolExecutor(_THREADS, thread_name_prefix="docker")
        self._relay = ""

    async def connect(self) -> None:
        """Finds the engine and gives it the relay's image.

        Raises:
            EngineMissing, EngineFault
        """
        if self._api is None:
            self._api = await self._call(lambda: _client(self._options.host, self._options.call_timeout))
        self._relay = await self._call(self._import_relay)

    async def find(self, image: ImageRef) -> LocalImage | None:
        """The image as the engine has it, by its registry digest or by the engine's own id."""
        for name in (str(image), f"sha256:{image.digest.hex()}"):
            try:
                found = await self._call(partial(self._api.inspect_image, name))
            except _NotFound:
                continue
            if found["Size"] > self._options.max_image:
                raise ImageTooLarge(f"{image.name} is {found['Size']:,} bytes unpacked.")
            return LocalImage(found["Id"], tuple((found["Config"] or {}).get("Volumes") or ()))
        return None

    async def pull(self, image: ImageRef, progress: Progress | None) -> None:
        """Pulls by digest; an image above the size limit is given up while its sizes become known."""
        loop, given_up = asyncio.get_running_loop(), threading.Event()

        def tell(meter: PullMeter) -> None:
            if progress is not None and not loop.is_closed():
                loop.call_soon_threadsafe(progress, meter.progress)

        def work() -> None:
            meter = PullMeter(image.name, self._options.max_image)
            lines = self._api.pull(image.name, tag=f"sha256:{image.digest.hex()}", stream=True, decode=True)
            try:
                for line in lines:
                    if given_up.is_set():
                        return
                    if meter.read(line):
                        tell(meter)
            finally:
                lines.close()  # the engine stops pulling when nobody reads any more

        try:
            await self._call(work)
        except (_NotFound, EngineFault) as error:
            raise ImageUnavailable(f"{image} could not be pulled: {error.message}") from error
        except asyncio.CancelledError:
            given_up.set()
            raise

    async def create_prover(self, image: LocalImage, gpu: bool, labels: dict[str, str]) -> str:
        """Creates and starts a prover; gives the container's id."""
        profile = sandbox.prover(self._options, gpu, list(image.volumes))
        return await self._start(image.id, profile, labels, None)

    async def create_relay(self, prover_id: str, labels: dict[str, str]) -> str:
        return await self._start(self._relay, sandbox.relay(prover_id), labels, ["/relay", "idle"])

    async def open_stream(self, relay_id: str) -> RelayStream:
        def work() -> RelayStream:
            made = self._api.exec_create(relay_id, ["/relay", "stdio", "127.0.0.1", "3000"], stdin=True)
            wrapped = self._api.exec_start(made["Id"], socket=True)
            return RelayStream(getattr(wrapped, "_sock", wrapped), owner=wrapped)

        return await self._call(work)

    async def exit_of(self, container: str, patience: float) -> Exit:
        """How the container ended; waits up to ``patience`` seconds for the end of one that is dying."""

        def work() -> Exit:
            if patience:
                try:
                    self._api.wait(container, timeout=patience)
                except requests.RequestException:
                    return Exit(running=True)
            state = self._api.inspect_container(container)["State"]
            return Exit(state["Running"], state["ExitCode"], bool(state.get("OOMKilled")))

        try:
            return await self._call(work)
        except _NotFound:
            return Exit(running=False)

    async def log_of(self, container: str) -> str:
        """The end of a container's log, for an error message."""
        try:
            raw = await self._call(lambda: self._api.logs(container, tail=_LOG_LINES))
        except GpnError:
            return ""
        text = raw[-_LOG_BYTES:].decode("utf-8", "replace")
        return "".join(c if c.isprintable() or c == "\n" else "?" for c in text).strip()

    async def remove(self, container: str) -> None:
        def work() -> None:
            try:
                self._api.remove_container(container, force=True, v=True)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):  # gone, or being removed by someone else
                    raise

        await self._call(work)

    async def containers(self, node_id: str) -> list[str]:
        """Ids of all containers that carry the node's label."""
        wanted = {"label": f"{sandbox.LABEL_NODE}={node_id}"}
        found = await self._call(lambda: self._api.containers(all=True, filters=wanted))
        return [entry["Id"] for entry in found]

    async def aclose(self) -> None:
        """Waits for running calls, since one of them may be about to create a container."""
        stopping = asyncio.get_running_loop().run_in_executor(None, self._calls.shutdown)
        await asyncio.wait([stopping], timeout=_CLOSE_TIMEOUT)
        if self._api is not None:
            self._api.close()
            self._api = None

    async def _start(
        self, image: str, profile: dict[str, Any], labels: dict[str, str], command: list[str] | None
    ) -> str:
        def work() -> str:
            made = self._api.create_container(
                image,
                entrypoint=command,
                user=sandbox.USER,
                labels=labels,
                healthcheck={"Test": ["NONE"]},
                use_config_proxy=False,
                host_config=self._api.create_host_config(**profile),
            )
            container: str = made["Id"]
            try:
                self._api.start(container)
            except BaseException:
                self._api.remove_container(container, force=True, v=True)
                raise
            return container

        starting = asyncio.ensure_future(self._call(work))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # The thread goes on regardless; what it makes must not outlive the one who asked for it.
            await self.remove(await starting)
            raise

    def _import_relay(self) -> str:
        arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(a := self._api.version()["Arch"], a)
        path = self._options.relays / f"relay-{arch}"
        if not path.exists():
            raise EngineFault(f"There is no relay for the engine's processor ({arch}).")
        binary = path.read_bytes()
        name = f"{_RELAY}:{sha256(binary).hexdigest()[:16]}"
        try:
            self._api.inspect_image(name)
        except docker.errors.ImageNotFound:
            repository, _, tag = name.partition(":")
            self._api.import_image_from_data(_relay_tar(binary), repository=repository, tag=tag)
        return name

    async def _call(self, work: Callable[[], T]) -> T:
        if self._api is None and self._relay:
            raise EngineFault("The runtime is closed.")

        def translated() -> T:
            try:
                return work()
            except GpnError:
                raise
            except docker.errors.NotFound as error:
                raise _NotFound(str(error.explanation)) from error
            except docker.errors.APIError as error:
                raise _fault(str(error.explanation)) from error
            except (docker.errors.DockerException, requests.RequestException, OSError) as error:
                raise EngineMissing(f"The Docker engine does not answer: {error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._calls, translated)


class _NotFound(EngineFault):
    """The engine knows no such image or container."""


def _fault(explanation: str) -> GpnError:
    if "could not select device driver" in explanation:
        return GpuUnavailable("The engine has no GPU to give to a container.")
    return EngineFault(f"The Docker engine refused: {explanation}")


def _relay_tar(binary: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("relay")
        entry.size, entry.mode = len(binary), 0o555
        tar.addfile(entry, io.BytesIO(binary))
    return out.getvalue()
