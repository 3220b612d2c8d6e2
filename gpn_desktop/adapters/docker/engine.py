"""The Docker SDK behind coroutines: every call on a worker thread, every error translated.

Only this module, the shelf and faults see the SDK.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
import tarfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import docker  # type: ignore[import-untyped]
import docker.errors  # type: ignore[import-untyped]
import docker.utils  # type: ignore[import-untyped]
import requests

from gpn_desktop.adapters.docker import faults, sandbox
from gpn_desktop.adapters.docker.options import DockerOptions
from gpn_desktop.adapters.docker.stream import RelayStream
from gpn_desktop.core.errors import EngineFault, EngineMissing, EngineTooOld, GpnError
from gpn_desktop.core.manifest import Limits
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.images import Installed

T = TypeVar("T")
_RELAY = "gpn-desktop/relay"
_LOG_LINES, _LOG_BYTES = 20, 600
_JOB_LINES = 400
_THREADS = 8
_CLOSE_TIMEOUT = 10.0
_OLDEST_API = (1, 41)  # Docker 20.10; older ones lack what the sandbox and pulling by digest need


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended, or that it still runs."""

    running: bool
    code: int = 0
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """What one container uses: bytes now and at most (None where the engine does not keep it), processes."""

    memory: int
    peak: int | None
    processes: int


def docker_available(host: str | None = None, timeout: float = 2.0) -> bool:
    """Whether an engine answers. Blocks for at most ``timeout`` seconds."""
    try:
        client = connect(host, timeout)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except (GpnError, docker.errors.DockerException, requests.RequestException, OSError):
        return False


def local_digest(name: str, host: str | None = None, timeout: float = 10.0) -> Hash32 | None:
    """What an image's name stands for on this machine, None if it is not there; blocks.

    The registry's digest where the image came from one, so that all nodes mean the same; else the engine's
    own id.

    Raises:
        EngineMissing
    """
    client = connect(host, timeout)
    try:
        found = client.inspect_image(name)
    except docker.errors.ImageNotFound:
        return None
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise EngineMissing(f"No Docker engine answers: {error}") from error
    finally:
        client.close()
    return digest_of(found, name)


def digest_of(found: dict[str, Any], name: str) -> Hash32:
    """The registry's digest of an inspected image under ``name``, or else the engine's own id."""
    digests = dict(d.split("@sha256:") for d in found.get("RepoDigests") or ())
    tagged = ":" in name.rsplit("/", 1)[-1]
    repository = name.rsplit(":", 1)[0] if tagged else name
    digest = digests.get(repository, found["Id"].removeprefix("sha256:"))
    return Hash32(bytes.fromhex(digest))


def usual_address(environment: Mapping[str, str] = os.environ, home: Path | None = None) -> str:
    """Where this user's engine listens if DOCKER_HOST does not say it.

    Docker Desktop, and an engine without root, have sockets of their own instead of the system's.
    """
    if sys.platform == "win32":
        return str(docker.constants.DEFAULT_NPIPE)
    system = str(docker.constants.DEFAULT_UNIX_SOCKET).replace("http+unix", "unix")
    own = [(home or Path.home()) / ".docker" / "run" / "docker.sock"]
    if environment.get("XDG_RUNTIME_DIR"):
        own.append(Path(environment["XDG_RUNTIME_DIR"]) / "docker.sock")
    if not Path(system.removeprefix("unix://")).exists():
        for path in own:
            if path.is_socket():
                return f"unix://{path}"
    return system


def connect(host: str | None, timeout: float) -> Any:
    """The SDK's client of an engine that answers; blocks.

    Raises:
        EngineMissing, EngineDenied, EngineTooOld
    """
    settings = docker.utils.kwargs_from_env()
    if host is not None or "base_url" not in settings:
        settings["base_url"] = host or usual_address()
    address = settings["base_url"]
    try:
        client = docker.APIClient(version="auto", timeout=timeout, max_pool_size=_THREADS * 4, **settings)
    except docker.errors.InvalidVersion as error:
        raise EngineTooOld(f"The Docker engine at {address} is too old: {error}") from error
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise faults.unreachable(error, address) from error
    except (ValueError, LookupError, TypeError) as error:
        raise EngineMissing(f"What answers at {address} is no Docker engine.") from error
    spoken = re.match(r"([0-9]{1,4})\.([0-9]{1,4})", str(client.api_version))
    if spoken is None or (int(spoken[1]), int(spoken[2])) < _OLDEST_API:
        client.close()
        raise EngineTooOld(f"The Docker engine at {address} speaks API {client.api_version}.")
    return client


class Engine:
    """One connection to an engine. ``connect`` comes first."""

    def __init__(self, options: DockerOptions) -> None:
        self._options = options
        self._api: Any = None
        self._closed = False
        self._calls = ThreadPoolExecutor(_THREADS, thread_name_prefix="docker")
        self._relay = ""

    async def connect(self) -> None:
        """Finds the engine and gives it the relay's image.

        Raises:
            EngineMissing, EngineFault
        """
        if self._api is None:
            self._api = await self.call(lambda _: connect(self._options.host, self._options.call_timeout))
        self._relay = await self.call(lambda _: self._import_relay())

    @property
    def local(self) -> bool:
        """Whether the engine is asked by a socket in this machine's file system."""
        return self._api is not None and str(self._api.base_url).startswith("http+docker://")

    async def create_prover(
        self, image: Installed, limits: Limits, gpus: tuple[str, ...], labels: dict[str, str]
    ) -> str:
        """Creates and starts a prover; gives the container's id."""
        return await self._start(image.id, sandbox.prover(limits, gpus, image.volumes), labels, None)

    async def create_relay(self, prover_id: str, labels: dict[str, str]) -> str:
        return await self._start(self._relay, sandbox.relay(prover_id), labels, ["/relay", "idle"])

    async def tighten(self, container: str, limits: Limits) -> None:
        """Lowers a running container's memory and processors; its other limits can't be changed."""
        changes = {"mem_limit": limits.memory, "memswap_limit": limits.memory}
        await self.call(lambda api: api.update_container(container, **changes, **sandbox.processors(limits)))

    async def open_stream(self, relay_id: str) -> RelayStream:
        def work(api: Any) -> RelayStream:
            made = api.exec_create(relay_id, ["/relay", "stdio", "127.0.0.1", "3000"], stdin=True)
            wrapped = api.exec_start(made["Id"], socket=True)
            return RelayStream(getattr(wrapped, "_sock", wrapped), owner=wrapped)

        return await self.call(work)

    async def reached_out(self, relay_id: str) -> int:
        """How often something in the relay's sandbox tried to leave it and found no way."""

        def work(api: Any) -> bytes:
            made = api.exec_create(relay_id, ["/relay", "counters"])
            said: bytes = api.exec_start(made["Id"])
            return said

        return _no_routes(await self.call(work))

    async def load_of(self, container: str) -> Load:
        stats = await self.call(lambda api: api.stats(container, stream=False, one_shot=True))
        memory = stats.get("memory_stats") or {}
        detail = memory.get("stats") or {}
        # Files that the kernel may forget are no need: cgroup v1 calls them cache, v2 inactive_file.
        spare = detail.get("inactive_file", detail.get("total_inactive_file", detail.get("cache", 0)))
        return Load(
            memory=max(0, int(memory.get("usage", 0)) - int(spare)),
            peak=memory.get("max_usage"),
            processes=int((stats.get("pids_stats") or {}).get("current", 0)),
        )

    async def exit_of(self, container: str, patience: float) -> Exit:
        """How the container ended; waits up to ``patience`` seconds for the end of one that is dying."""

        def work(api: Any) -> Exit:
            if patience:
                try:
                    api.wait(container, timeout=patience)
                except requests.RequestException:
                    return Exit(running=True)
            state = api.inspect_container(container)["State"]
            return Exit(state["Running"], state["ExitCode"], bool(state.get("OOMKilled")))

        try:
            return await self.call(work)
        except faults.NotThere:
            return Exit(running=False)

    async def log_of(self, container: str) -> str:
        """The end of a container's log in one line, for an error message."""
        try:
            raw = await self.call(lambda api: api.logs(container, tail=_LOG_LINES))
        except GpnError:
            return ""
        return " ".join(_readable(raw[-_LOG_BYTES:]).split())

    async def log_since(self, container: str, since: float, most: int) -> str:
        """What a container wrote since a time (Unix seconds): the last lines, up to ``most`` characters."""
        try:
            raw = await self.call(lambda api: api.logs(container, since=since, tail=_JOB_LINES))
        except GpnError:
            return ""
        return _readable(raw[-most:])

    async def remove(self, container: str) -> None:
        def work(api: Any) -> None:
            try:
                api.remove_container(container, force=True, v=True)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):  # gone, or being removed by someone else
                    raise

        await self.call(work)

    async def containers(self, node_id: str) -> list[str]:
        """Ids of all containers that carry the node's label."""
        wanted = {"label": f"{sandbox.LABEL_NODE}={node_id}"}
        found = await self.call(lambda api: api.containers(all=True, filters=wanted))
        return [entry["Id"] for entry in found]

    async def aclose(self) -> None:
        """Waits for running calls, since one of them may be about to create a container; takes no more."""
        self._closed = True
        stopping = asyncio.get_running_loop().run_in_executor(None, self._calls.shutdown)
        await asyncio.wait([stopping], timeout=_CLOSE_TIMEOUT)
        if self._api is not None:
            self._api.close()
            self._api = None

    async def _start(
        self, image: str, profile: dict[str, Any], labels: dict[str, str], command: list[str] | None
    ) -> str:
        def work(api: Any) -> str:
            made = api.create_container(
                image,
                entrypoint=command,
                user=sandbox.USER,
                labels=labels,
                healthcheck={"Test": ["NONE"]},
                use_config_proxy=False,
                host_config=api.create_host_config(**profile),
            )
            container: str = made["Id"]
            try:
                api.start(container)
            except BaseException:
                api.remove_container(container, force=True, v=True)
                raise
            return container

        starting = asyncio.ensure_future(self.call(work))
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

    async def call(self, work: Callable[[Any], T]) -> T:
        """``work`` with the SDK's client, on a thread.

        Raises:
            faults.NotThere, EngineFault, EngineMissing and their kind
        """
        if self._closed:
            raise EngineFault("The runtime is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._calls, self._translated, work)

    def _translated(self, work: Callable[[Any], T]) -> T:
        try:
            return work(self._api)
        except GpnError:
            raise
        except docker.errors.APIError as error:
            raise faults.of_api(error) from error
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise faults.unreachable(error, self._options.host or "its usual address") from error


def _no_routes(text: bytes) -> int:
    """Out of the kernel's SNMP counters (RFC 1213, ipOutNoRoutes): a line of names, a line of numbers."""
    lines = [line.split() for line in text.decode("ascii", "replace").splitlines() if line.startswith("Ip:")]
    if len(lines) != 2:
        return 0
    return int(dict(zip(*lines, strict=False)).get("OutNoRoutes", 0))


def _readable(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text).strip()


def _relay_tar(binary: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("relay")
        entry.size, entry.mode = len(binary), 0o555
        tar.addfile(entry, io.BytesIO(binary))
    return out.getvalue()
