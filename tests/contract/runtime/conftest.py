"""The runtimes that the common suite runs on."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gpn_desktop.adapters.builtin.runtime import BuiltinRuntime
from gpn_desktop.adapters.docker import DockerOptions, DockerRuntime
from gpn_desktop.core.manifest import Limits
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.runtime import ImageRef, ProverRuntime
from tests.contract.cluster.site import IMAGE, site
from tests.contract.runtime import images

MIB = 1024 * 1024


@dataclass(frozen=True)
class Subject:
    """A runtime, one image for it, and an input that the image can prove."""

    runtime: ProverRuntime
    image: ImageRef
    data: bytes
    too_short: float  # seconds in which a proof cannot be made


@pytest.fixture
def node_id() -> str:
    return f"test-{uuid.uuid4()}"


@asynccontextmanager
async def on_docker(node_id: str) -> AsyncIterator[DockerRuntime]:
    images.need_docker()
    runtime = DockerRuntime(node_id, DockerOptions(caps=Limits(memory=512 * MIB), max_proof=MIB))
    await runtime.start()
    yield runtime
    await runtime.aclose()


@pytest.fixture
async def docker_runtime(node_id: str) -> AsyncIterator[DockerRuntime]:
    """A started Docker runtime with small limits."""
    async with on_docker(node_id) as runtime:
        yield runtime


@pytest.fixture(params=["builtin", "cluster", "mock", "groth16"])
async def subject(request: pytest.FixtureRequest, node_id: str, tmp_path: Path) -> AsyncIterator[Subject]:
    if request.param == "builtin":
        builtin = BuiltinRuntime(delay=0.05)
        await builtin.start()
        yield Subject(builtin, ImageRef("builtin", Hash32(bytes(32))), b"data", too_short=0.01)
        await builtin.aclose()
        return
    if request.param == "cluster":
        async with site(tmp_path) as here:
            await here.runtime.ensure(IMAGE)
            await here.worker("one", delay=0.05)
            await here.runtime.release(IMAGE)
            await here.runtime.remove(IMAGE)
            yield Subject(here.runtime, IMAGE, b"data", too_short=0.01)
        return
    # A mock proof of 8 MiB takes 0.1 s and more; the sample of groth16 takes about 1 s.
    data = bytes(8 * MIB) if request.param == "mock" else images.sample("groth16")
    async with on_docker(node_id) as runtime:
        yield Subject(runtime, images.built(request.param), data, too_short=0.02)
