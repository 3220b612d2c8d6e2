"""What the sandbox costs: a call through the runtime against a bare HTTP call to the same image.

Both encode and decode the same JSON; the bare one goes to a container with a published port, which is what a
node without a sandbox would do. The mock image hashes its input, so almost all of the time is the way there.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import docker  # type: ignore[import-untyped]

from gpn_desktop.adapters.docker import DockerOptions, DockerRuntime, docker_available
from gpn_desktop.core.manifest import GIB, Limits
from gpn_desktop.ports.runtime import ImageRef
from tests.bench.rows import Row
from tests.contract.runtime import images

KIB, MIB = 1024, 1024 * 1024
# Name, bytes, calls, most milliseconds on top of the bare call.
SIZES = (("1 KB", KIB, 200, 2.0), ("1 MB", MIB, 20, 20.0), ("32 MB", 32 * MIB, 3, 500.0))
NAMES = tuple(f"runtime, {name} input, on top of bare HTTP" for name, *_ in SIZES)
WITHIN = 120.0


async def measure() -> list[Row]:
    """Nothing where no engine answers."""
    if not await asyncio.to_thread(docker_available):
        return []
    image = await asyncio.to_thread(images.built, "mock")
    runtime = DockerRuntime(f"bench-{os.getpid()}", DockerOptions(caps=Limits(memory=4 * GIB)))
    await runtime.start()
    try:
        await runtime.ensure(image)
        with bare(image) as port:
            return [await _row(runtime, image, port, *size) for size in SIZES]
    finally:
        await runtime.aclose()


async def _row(
    runtime: DockerRuntime, image: ImageRef, port: int, name: str, size: int, calls: int, most: float
) -> Row:
    data = os.urandom(size)
    through, direct = [], []
    for number in range(calls):  # in turn, so that both meet the same machine
        began = time.perf_counter()
        proof = await runtime.prove(image, f"bench-{number}", data, WITHIN)
        through.append(time.perf_counter() - began)
        began = time.perf_counter()
        same = await asyncio.to_thread(_ask, port, f"bench-{number}", data)
        direct.append(time.perf_counter() - began)
        if proof != same:
            raise AssertionError("the two ways give different proofs")
    here, there = median(through) * 1000, median(direct) * 1000
    return Row(
        f"runtime, {name} input, on top of bare HTTP",
        round(here - there, 2),
        f"<= {most:g}",
        "ms",
        baseline=round(there, 2),
    )


def _ask(port: int, ref: str, data: bytes) -> bytes:
    body = json.dumps({"request_id": ref, "data": base64.b64encode(data).decode()}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN)
    try:
        connection.request("POST", "/prove", body, {"Content-Type": "application/json"})
        return base64.b64decode(json.loads(connection.getresponse().read())["proof"])
    finally:
        connection.close()


@contextmanager
def bare(image: ImageRef) -> Iterator[int]:
    """The image in a container as anybody would start it; its port on loopback."""
    api = docker.APIClient(version="auto")
    host = api.create_host_config(port_bindings={3000: ("127.0.0.1", None)})
    name = str(image) if images.registry() else f"sha256:{image.digest.hex()}"
    made = api.create_container(name, ports=[3000], host_config=host)["Id"]
    try:
        api.start(made)
        port = int(api.port(made, 3000)[0]["HostPort"])
        _until_it_answers(port)
        yield port
    finally:
        api.remove_container(made, force=True)


def _until_it_answers(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            _ask(port, "first", b"")
            return
        except (OSError, http.client.HTTPException):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
