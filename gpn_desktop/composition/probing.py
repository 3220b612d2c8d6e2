"""``ports.health.Probes`` on this machine. Light by itself: each question imports what it needs.

Whatever blocks does so in a thread that nothing waits for at the end: a checker must not hang with what it
checks.
"""

from __future__ import annotations

import asyncio
import platform
import socket
import threading
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from gpn_desktop import __version__
from gpn_desktop.adapters.system import clockskew, disk, ports
from gpn_desktop.core.errors import ChainUnreachable, KeyringUnavailable, ProbeFailed
from gpn_desktop.core.health import Engine, Folder, amount
from gpn_desktop.core.reach import Endpoint, PortState
from gpn_desktop.core.types import Address, Domain
from gpn_desktop.ports.health import Gpus, ServerTime

if TYPE_CHECKING:
    from gpn_desktop.adapters.chain.rpc import Rpc
    from gpn_desktop.core.gpus import Gpu

T = TypeVar("T")

ENGINE_SECONDS: Final = 4.0
NAME_SECONDS: Final = 3.0
CHAIN_SECONDS: Final = 4.0
KEYRING_SECONDS: Final = 6.0
BLOCKING_SECONDS: Final = 7.0
PARTS: Final = ("web3", "libp2p", "trio", "docker", "grpc", "keyring", "PySide6", "qasync", "psutil")
_BRINGING: Final = threading.Lock()


def _bring(name: str) -> None:
    """Import a module, one at a time: two threads that import parts with cycles at once, as pydantic has, may
    find one of them half made."""
    with _BRINGING:
        import_module(name)


async def _aside(work: Callable[[], T], within: float = BLOCKING_SECONDS) -> T:
    from gpn_desktop.adapters.keyring.bounded import bounded

    return await bounded(work, within)


class MachineProbes:
    def __init__(self) -> None:
        self._asked: dict[str, asyncio.Task[Endpoint]] = {}

    async def engine(self) -> Engine:
        def ask() -> Engine:
            from gpn_desktop.adapters.docker.facts import engine_facts

            return engine_facts(timeout=ENGINE_SECONDS)

        return await _aside(ask)

    async def gpus(self) -> Gpus:
        await asyncio.to_thread(_bring, "gpn_desktop.adapters.gpu")
        from gpn_desktop.adapters.gpu import GpuSensors

        sensors = GpuSensors(timeout=ENGINE_SECONDS)
        try:
            found = await sensors.gpus()
            usable = tuple(_gpu_words(gpu) for gpu in found if gpu.uuid)
            return Gpus(usable, tuple(_gpu_words(gpu) for gpu in found if not gpu.uuid), sensors.why())
        finally:
            await sensors.aclose()

    async def disk(self, path: Path) -> tuple[int, int]:
        return await _aside(lambda: disk.room(path))

    async def folder(self, path: Path) -> Folder:
        return await _aside(lambda: disk.folder(path))

    async def port(self, host: str, port: int) -> PortState:
        return await _aside(lambda: ports.port_state(host, port))

    async def addresses(self) -> tuple[str, ...]:
        return await _aside(ports.addresses)

    async def server_time(self, url: str) -> ServerTime | None:
        try:
            return await _aside(lambda: clockskew.server_time(url, CHAIN_SECONDS))
        except TimeoutError:
            return None

    async def keyring(self) -> str:
        try:
            await asyncio.to_thread(_bring, "gpn_desktop.adapters.keyring")
        except ImportError as error:
            raise KeyringUnavailable(f"A part of the program is missing: {error.name}.") from error
        from gpn_desktop.adapters.keyring import KeyringSecrets

        return await KeyringSecrets("doctor", within=KEYRING_SECONDS).probe()

    async def versions(self) -> tuple[tuple[str, str], ...]:
        system = " ".join(part for part in (platform.system(), platform.release()) if part)
        made = [("GPN Desktop", __version__), ("Python", platform.python_version())]
        qt = await _aside(_qt_version)
        if qt:
            made.append(("Qt", qt))
        return (*made, (system, platform.machine()))

    async def missing(self) -> tuple[str, ...]:
        return await _aside(lambda: tuple(name for name in PARTS if find_spec(name) is None))

    # the chain ------------------------------------------------------------------------------------------

    async def endpoint(self, url: str) -> Endpoint:
        """Several checks ask at the same time; the chain node is asked once."""
        if url not in self._asked:
            task = asyncio.get_running_loop().create_task(self._endpoint(url))
            self._asked[url] = task
            task.add_done_callback(lambda _: self._asked.pop(url, None))
        return await asyncio.shield(self._asked[url])

    async def _endpoint(self, url: str) -> Endpoint:
        name = _host(url)[0]
        try:
            async with asyncio.timeout(CHAIN_SECONDS + NAME_SECONDS):
                return await self._ask_chain(url, name)
        except TimeoutError:
            return Endpoint(name, error="does not answer in time")
        except (ChainUnreachable, ProbeFailed) as error:
            return Endpoint(name, error=f"{error.message} [{error.code}]")

    async def _ask_chain(self, url: str, name: str) -> Endpoint:
        rpc = await _open(url)
        from gpn_desktop.adapters.chain.rpc import Refused

        try:
            chain_id = await rpc.chain_id()
            head = await rpc.header()
        except Refused as error:
            return Endpoint(name, error=f"refuses to answer: {error.message}")
        finally:
            await rpc.aclose()
        if head is None:
            return Endpoint(name, chain_id, error="has no block yet")
        return Endpoint(name, chain_id, head.number, time.time() - head.time)

    async def contract(self, url: str, chain_id: int, contract: Address) -> bool:
        await asyncio.to_thread(_bring, "gpn_desktop.composition.demo")
        from gpn_desktop.adapters.chain.artifact import load_artifact
        from gpn_desktop.adapters.chain.inspection import Inspector
        from gpn_desktop.adapters.chain.rpc import Refused
        from gpn_desktop.composition.demo import ARTIFACT

        artifact = await asyncio.to_thread(load_artifact, ARTIFACT)
        rpc = await _open(url)
        try:
            checks = await Inspector(rpc, Domain(chain_id, contract)).check(artifact)
        except Refused as error:
            raise ChainUnreachable(f"The chain node refuses to answer: {error.message}.") from error
        finally:
            await rpc.aclose()
        return all(check.matches for check in checks)


async def _open(url: str) -> Rpc:
    """A connection, once its host's name is known: a resolver that hangs would outlive the check."""
    host, port = _host(url)[1:]
    try:
        await _aside(lambda: socket.getaddrinfo(host, port), NAME_SECONDS)
    except OSError as error:
        raise ProbeFailed(f"The name {host} leads nowhere: {error.strerror or error}.") from error
    await asyncio.to_thread(_bring, "gpn_desktop.adapters.chain.rpc")
    from gpn_desktop.adapters.chain.endpoints import websocket_url
    from gpn_desktop.adapters.chain.rpc import Rpc

    return await Rpc.open(websocket_url(url), CHAIN_SECONDS)


def _host(url: str) -> tuple[str, str, int]:
    """Name for people, host and port of an endpoint."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "an endpoint without a host", "", 0
    if not host:
        return "an endpoint without a host", "", 0
    return (host if port is None else f"{host}:{port}"), host, port or 443


def _gpu_words(gpu: Gpu) -> str:
    parts = [gpu.name, amount(gpu.vram) if gpu.vram else "", f"driver {gpu.driver}" if gpu.driver else ""]
    return ", ".join(part for part in parts if part)


def _qt_version() -> str:
    try:
        import PySide6
    except (ImportError, OSError):  # its libraries may lack some of the system's
        return ""
    return str(PySide6.__version__)
