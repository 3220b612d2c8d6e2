"""The image that does everything wrong, on a real engine: contained, told with a code, and gone.

While it misbehaves this process has to stay responsive and small; nothing it sends may arrive anywhere.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import docker  # type: ignore[import-untyped]
import psutil
import pytest

from gpn_desktop.adapters.docker import DockerRuntime
from gpn_desktop.core.errors import (
    GpnError,
    ImageQuarantined,
    ProverFault,
    ProverLost,
    ProverOutputTooLarge,
    ProverTimeout,
)
from gpn_desktop.core.images import STRIKES, ImageState
from gpn_desktop.ports.runtime import MAX_LOG, ImageRef
from tests.contract.runtime import images
from tests.contract.runtime.conftest import MIB

DEADLINE = 2.0  # of a job that does not end by itself
TWICE = 30.0  # of one whose container dies, and is replaced once
GONE = 2.0  # seconds after it, by which the container has to be gone
LAG = 0.5  # seconds; the machine is shared with the container that burns it
GROWTH = 64 * MIB

MODES: list[tuple[str, type[GpnError]]] = [
    ("hang", ProverTimeout),
    ("trickle", ProverTimeout),
    ("forks", ProverTimeout),
    ("immortal", ProverTimeout),
    ("error", ProverFault),
    ("text", ProverFault),
    ("list", ProverFault),
    ("number", ProverFault),
    ("base64", ProverFault),
    ("garbage", ProverFault),
    ("gzip-bomb", ProverFault),
    ("redirect", ProverFault),
    ("chatter", ProverFault),
    ("large", ProverOutputTooLarge),
    ("large-claim", ProverOutputTooLarge),
    ("exit", ProverLost),
    ("hang-up", ProverLost),
    ("hang-up-midway", ProverLost),
    ("memory", ProverLost),
    ("disk", ProverLost),
]


@pytest.fixture
async def hostile(docker_runtime: DockerRuntime) -> ImageRef:
    image = images.hostile()
    await docker_runtime.ensure(image)
    return image


@dataclass
class Vitals:
    """Of this process, while something misbehaves."""

    lag: float = 0.0
    growth: int = 0
    _ticks: list[float] = field(default_factory=list)


@asynccontextmanager
async def watched() -> AsyncIterator[Vitals]:
    """Wakes every 10 ms, and notes how late and how large the process is then."""
    vitals, loop, me = Vitals(), asyncio.get_running_loop(), psutil.Process()
    before = me.memory_info().rss

    async def beat() -> None:
        while True:
            due = loop.time() + 0.01
            await asyncio.sleep(0.01)
            vitals.lag = max(vitals.lag, loop.time() - due)
            vitals.growth = max(vitals.growth, me.memory_info().rss - before)

    beating = asyncio.create_task(beat())
    try:
        yield vitals
    finally:
        beating.cancel()


def proving_containers(node_id: str) -> set[str]:
    """The proving container; its relay goes with it."""
    api = docker.APIClient(version="auto")
    found = api.containers(
        all=True, filters={"label": [f"org.gpn-desktop.node={node_id}", "org.gpn-desktop.role=prove"]}
    )
    return {entry["Id"] for entry in found}


@pytest.mark.parametrize(("mode", "error"), MODES, ids=[mode for mode, _ in MODES])
async def test_it_is_contained_told_and_gone(
    docker_runtime: DockerRuntime, hostile: ImageRef, node_id: str, mode: str, error: type[GpnError]
) -> None:
    before = proving_containers(node_id)
    within = DEADLINE if error is ProverTimeout else TWICE
    loop = asyncio.get_running_loop()
    began = loop.time()

    async with watched() as vitals:
        with pytest.raises(error) as raised:
            await docker_runtime.prove(hostile, mode, b"http://127.0.0.1:5000/v2/", within)
    took = loop.time() - began

    assert took < within + GONE
    if error is not ProverFault or mode == "garbage":  # an answer that breaks the API costs no container
        assert not before & proving_containers(node_id)
    assert raised.value.code.startswith("GPN-15")
    assert raised.value.remedy
    assert raised.value.message.isprintable()
    assert vitals.lag < LAG
    assert vitals.growth < GROWTH
    proof = await docker_runtime.prove(hostile, "next", b"", 30.0)
    assert await docker_runtime.validate(hostile, "next", proof, b"", 30.0)


@contextmanager
def listeners() -> Iterator[tuple[int, list[socket.socket]]]:
    """A TCP and a UDP socket on one port of all addresses of this machine."""
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as tcp, socket.socket(
        socket.AF_INET6, socket.SOCK_DGRAM
    ) as udp:  # fmt: skip
        for one in (tcp, udp):
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            one.setblocking(False)
        tcp.bind(("::", 0))
        port = tcp.getsockname()[1]
        udp.bind(("::", port))
        tcp.listen()
        yield port, [tcp, udp]


def arrived(tcp: socket.socket, udp: socket.socket) -> list[str]:
    found = []
    for name, take in (("connection", tcp.accept), ("datagram", lambda: udp.recvfrom(100))):
        try:
            found.append(f"{name} from {take()[1]}")
        except BlockingIOError:
            continue
    return found


@contextmanager
def sibling() -> Iterator[tuple[str, str]]:
    """Another container on the engine's own network, with something listening; its address and gateway."""
    api = docker.APIClient(version="auto")
    mock = images.built("mock")
    made = api.create_container(str(mock) if images.registry() else f"sha256:{mock.digest.hex()}")
    try:
        api.start(made["Id"])
        found = api.inspect_container(made["Id"])["NetworkSettings"]["Networks"]["bridge"]
        yield found["IPAddress"], found["Gateway"]
    finally:
        api.remove_container(made["Id"], force=True)


def addresses_of_this_machine() -> list[str]:
    return [
        address.address
        for found in psutil.net_if_addrs().values()
        for address in found
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    ]


async def test_nothing_gets_out_and_nothing_arrives(docker_runtime: DockerRuntime, hostile: ImageRef) -> None:
    with listeners() as (port, (tcp, udp)), sibling() as (other, gateway):
        mine = addresses_of_this_machine()
        hosts = [(host, port) for host in {*mine, gateway, "255.255.255.255", "224.0.0.1"}]
        hosts += [(other, 3000), ("1.1.1.1", 53), ("169.254.169.254", 80), ("2606:4700:4700::1111", 53)]
        targets = [{"host": host, "port": number} for host, number in hosts]
        # The listeners do hear what comes from outside of the sandbox.
        with socket.create_connection((mine[0] if mine else "127.0.0.1", port), timeout=5):
            assert arrived(tcp, udp)

        quiet = await docker_runtime.usage(hostile)
        raw = await docker_runtime.prove(hostile, "outings", json.dumps(targets).encode(), 60.0)
        said = json.loads(raw)
        usage = await docker_runtime.usage(hostile)

        assert said.pop("devices") == ["lo"]
        assert said.pop("dns") in ("EAI_AGAIN", "ENOTFOUND", "ECONNREFUSED")
        assert len(said) == 2 * len(targets)
        assert set(said.values()) <= {"ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "EACCES", "EPERM"}
        assert arrived(tcp, udp) == []
        assert quiet is not None
        assert quiet.reached_out == 0
        assert usage is not None
        assert usage.reached_out >= len(targets)


async def test_its_last_words_are_kept_and_bounded(docker_runtime: DockerRuntime, hostile: ImageRef) -> None:
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    with pytest.raises(ProverFault):
        await docker_runtime.prove(hostile, "chatter", b"", 30.0, heard.set_result)
    log = await asyncio.wait_for(heard, 10)

    assert log.endswith("the end")
    assert 1000 < len(log) <= MAX_LOG
    assert "\x1b" not in log


async def test_the_log_of_a_killed_container_comes_before_it_is_gone(
    docker_runtime: DockerRuntime, hostile: ImageRef
) -> None:
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    with pytest.raises(ProverTimeout):
        await docker_runtime.prove(hostile, "immortal", b"", 1.0, heard.set_result)

    assert heard.done()


async def test_faults_in_a_row_put_it_aside_and_the_operator_lets_it_back(
    docker_runtime: DockerRuntime, hostile: ImageRef, node_id: str
) -> None:
    for _ in range(STRIKES):
        with pytest.raises(ProverFault):
            await docker_runtime.prove(hostile, "error", b"", 30.0)

    status = docker_runtime.status(hostile)
    assert status.life.state is ImageState.QUARANTINED
    assert status.life.reason is not None
    assert "HTTP 500" in status.life.reason.message
    for call in (docker_runtime.ensure(hostile), docker_runtime.prove(hostile, "next", b"", 30.0)):
        with pytest.raises(ImageQuarantined, match="HTTP 500"):
            await call
    docker_runtime.pardon(hostile)
    assert await docker_runtime.prove(hostile, "next", b"", 30.0)
    assert docker_runtime.state(hostile) is ImageState.SERVING


async def test_a_proof_that_breaks_the_image_puts_nobody_aside(
    docker_runtime: DockerRuntime, hostile: ImageRef
) -> None:
    for _ in range(STRIKES + 1):
        with pytest.raises(ProverFault):
            await docker_runtime.validate(hostile, "error", b"proof", b"", 30.0)

    assert docker_runtime.state(hostile) is ImageState.SERVING
