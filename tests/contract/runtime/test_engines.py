"""Engines that stop, come back, fill up, are old, refuse, hang, or are not there: each has its own error."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

import docker  # type: ignore[import-untyped]
import pytest

from gpn_desktop.adapters.docker import DockerOptions, DockerRuntime, docker_available, shelf
from gpn_desktop.adapters.docker.engine import connect, usual_address
from gpn_desktop.core.errors import (
    EngineDenied,
    EngineDiskFull,
    EngineMissing,
    EngineTooOld,
    GpnError,
)
from gpn_desktop.core.images import ImageState
from gpn_desktop.core.manifest import Limits
from tests.contract.runtime import images
from tests.contract.runtime.conftest import MIB
from tests.contract.runtime.second_engine import SecondEngine, second_engine

WITHIN = 60.0


@pytest.fixture
def engine() -> Iterator[SecondEngine]:
    with second_engine(1024) as found:
        yield found


def runtime_on(host: str, node_id: str) -> DockerRuntime:
    return DockerRuntime(node_id, DockerOptions(host=host, caps=Limits(memory=512 * MIB), call_timeout=20))


@pytest.mark.parametrize("hard", [False, True], ids=["stopped", "killed"])
async def test_an_engine_that_goes_in_mid_proof_is_told_and_its_return_is_enough(
    engine: SecondEngine, node_id: str, hard: bool
) -> None:
    image = engine.load(images.hostile())
    runtime = runtime_on(engine.host, node_id)
    await runtime.start()
    try:
        await runtime.ensure(image)
        proving = asyncio.create_task(runtime.prove(image, "hang", b"", WITHIN))
        await asyncio.wait([proving], timeout=0.3)
        await asyncio.to_thread(engine.stop, hard)
        with pytest.raises(GpnError) as lost:
            await proving
        with pytest.raises(EngineMissing) as missing:
            await runtime.prove(image, "next", b"", WITHIN)

        assert lost.value.code in ("GPN-1501", "GPN-1507")
        assert "docker" in missing.value.remedy
        assert runtime.state(image) in (ImageState.FAILED, ImageState.STARTING)

        await asyncio.to_thread(engine.start)
        proof = await runtime.prove(image, "next", b"", WITHIN)
        assert await runtime.validate(image, "next", proof, b"", WITHIN)
        assert runtime.state(image) is ImageState.SERVING
    finally:
        await runtime.aclose()
    left = engine.api().containers(all=True, filters={"label": f"org.gpn-desktop.node={node_id}"})
    assert left == []


async def test_a_full_disk_is_told_as_such(node_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images.need_registry()
    image = images.hostile()
    with second_engine(100) as engine:
        runtime = runtime_on(engine.host, node_id)
        await runtime.start()
        try:
            with pytest.raises(EngineDiskFull, match=r"has .* free"):  # seen coming
                await runtime.pull(image)
            monkeypatch.setattr(shelf, "RESERVE", -(10**15))
            with pytest.raises(EngineDiskFull, match="does not fit"):  # the engine's own words
                await runtime.pull(image)
            assert runtime.state(image) is ImageState.FAILED
        finally:
            await runtime.aclose()


@contextmanager
def pretended_engine(version: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"Version": "18.09.1", "ApiVersion": version, "Arch": "amd64"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test's output is its own."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.parametrize("version", ["1.12", "1.40", "none", ""])
async def test_an_old_engine_is_refused_before_anything_is_started(version: str, node_id: str) -> None:
    with pretended_engine(version) as host:
        runtime = runtime_on(host, node_id)
        with pytest.raises((EngineTooOld, EngineMissing)) as refused:
            await runtime.start()
        await runtime.aclose()
        assert not docker_available(host)

    assert isinstance(refused.value, EngineTooOld) or version in ("none", "")


async def test_what_listens_but_is_no_engine_is_given_up(node_id: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = DockerOptions(host=f"tcp://127.0.0.1:{silent.getsockname()[1]}", call_timeout=0.5)
        runtime = DockerRuntime(node_id, options)
        with pytest.raises(EngineMissing):
            await runtime.start()
        await runtime.aclose()


async def test_no_docker_and_a_docker_that_stopped_have_other_remedies(tmp_path: Path, node_id: str) -> None:
    said = []
    left_over = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(left_over))
    for path in (tmp_path / "nothing.sock", left_over):
        runtime = runtime_on(f"unix://{path}", node_id)
        with pytest.raises(EngineMissing) as missing:
            await runtime.start()
        await runtime.aclose()
        said.append(missing.value)

    assert "There is no Docker engine" in said[0].message
    assert "Install" in said[0].remedy
    assert "has stopped" in said[1].message
    assert "Start it" in said[1].remedy


def _as_nobody(host: str | None, answer: Connection) -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    try:
        connect(host, 5.0)
        answer.send("allowed")
    except GpnError as error:
        answer.send(f"{type(error).__name__}: {error.remedy}")


def test_a_user_outside_of_the_group_is_told_how_to_get_in() -> None:
    images.need_docker()
    api = docker.APIClient(version="auto")
    if os.name == "nt" or os.geteuid() != 0 or not str(api.base_url).startswith("http+docker://"):
        pytest.skip("only root can become somebody without rights")
    mine, theirs = multiprocessing.Pipe()
    # Forked, because nobody cannot read this checkout's files.
    child = multiprocessing.get_context("fork").Process(target=_as_nobody, args=(None, theirs))
    child.start()
    try:
        assert mine.poll(20)
        said = mine.recv()
    finally:
        child.join(10)

    assert said.startswith(EngineDenied.__name__)
    assert "usermod -aG docker" in said


def test_an_engine_of_the_users_own_is_found_where_the_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system.sock"
    monkeypatch.setattr(docker.constants, "DEFAULT_UNIX_SOCKET", f"http+unix://{system}")
    rootless, desktop = tmp_path / "run" / "docker.sock", tmp_path / ".docker" / "run" / "docker.sock"

    def address() -> str:
        return usual_address({"XDG_RUNTIME_DIR": str(tmp_path / "run")}, tmp_path)

    assert address() == f"unix://{system}"
    for path in (rootless, desktop, system):
        path.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
        assert address() == f"unix://{path}"
