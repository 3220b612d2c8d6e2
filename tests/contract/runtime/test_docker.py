"""What only containers can get wrong: isolation, misbehaving provers, losses, leftovers, pulling."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from itertools import pairwise

import docker  # type: ignore[import-untyped]
import pytest

from gpn_desktop.adapters.docker import DockerOptions, DockerRuntime, docker_available, local_digest
from gpn_desktop.adapters.gpu.memory import MemorySensors
from gpn_desktop.core.errors import (
    EngineFault,
    EngineMissing,
    GpnError,
    GpuDriverTooOld,
    GpuMemoryTooSmall,
    GpuUnavailable,
    ImageTooLarge,
    ImageUnavailable,
    ProverFault,
    ProverLost,
    ProverOutputTooLarge,
    ProverTimeout,
)
from gpn_desktop.core.gpus import Gpu
from gpn_desktop.core.manifest import GIB, Limits
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.runtime import ImageRef, ImageState, PullProgress
from tests.contract.runtime import images
from tests.contract.runtime.conftest import MIB

WITHIN = 30.0


@pytest.fixture
async def hostile(docker_runtime: DockerRuntime) -> ImageRef:
    image = images.hostile()
    await docker_runtime.ensure(image)
    return image


async def test_a_prover_sees_no_network_no_rights_and_no_disk(
    docker_runtime: DockerRuntime, hostile: ImageRef
) -> None:
    seen = json.loads(await docker_runtime.prove(hostile, "surroundings", b"", WITHIN))

    assert (seen["uid"], seen["gid"]) == (65532, 65532)
    assert int(seen["capabilities"], 16) == 0
    assert int(seen["bounding"], 16) == 0
    assert seen["noNewPrivileges"] == "1"
    assert seen["seccomp"] == "2"
    assert seen["interfaces"] == ["lo"]
    assert seen["internet"] == seen["host"] == "ENETUNREACH"
    assert seen["dns"] in ("EAI_AGAIN", "ENOTFOUND", "ECONNREFUSED")
    assert seen["root"] == "EROFS"
    assert seen["volume"] == "ENOSPC"
    assert (seen["tmp"], seen["tmpFull"]) == ("done", "ENOSPC")


async def test_the_engine_holds_the_limits(
    docker_runtime: DockerRuntime, hostile: ImageRef, node_id: str
) -> None:
    api = docker.APIClient(version="auto")
    found = [api.inspect_container(container) for container in images.containers(node_id)]

    assert len(found) == 4
    for container in found:
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert 0 < host["PidsLimit"] <= 128
        assert 0 < host["Memory"] == host["MemorySwap"]
        assert not host["Binds"]
        assert not host["PortBindings"]
        assert not host["Privileged"]
        assert all(mount["Type"] == "tmpfs" for mount in container["Mounts"])
        assert host["NetworkMode"] == "none" or host["NetworkMode"].startswith("container:")


@pytest.mark.parametrize(
    ("ref", "error"),
    [
        ("error", ProverFault),
        ("text", ProverFault),
        ("list", ProverFault),
        ("number", ProverFault),
        ("base64", ProverFault),
        ("garbage", ProverFault),
        ("large", ProverOutputTooLarge),
        ("large-claim", ProverOutputTooLarge),
        ("exit", ProverLost),
        ("hang-up", ProverLost),
        ("hang-up-midway", ProverLost),
        ("memory", ProverLost),
    ],
)
async def test_a_misbehaving_prover_is_an_error_and_the_next_job_works(
    docker_runtime: DockerRuntime, hostile: ImageRef, ref: str, error: type[GpnError]
) -> None:
    with pytest.raises(error) as proving:
        await docker_runtime.prove(hostile, ref, b"", WITHIN)
    with pytest.raises(error):
        await docker_runtime.validate(hostile, ref, b"", b"", WITHIN)

    assert proving.value.message.isprintable()
    proof = await docker_runtime.prove(hostile, "next", b"", WITHIN)
    assert await docker_runtime.validate(hostile, "next", proof, b"", WITHIN)


async def test_the_reason_of_a_loss_is_told(docker_runtime: DockerRuntime, hostile: ImageRef) -> None:
    with pytest.raises(ProverLost, match="status 3"):
        await docker_runtime.prove(hostile, "exit", b"", WITHIN)
    with pytest.raises(ProverLost, match="memory"):
        await docker_runtime.prove(hostile, "memory", b"", WITHIN)


@pytest.mark.parametrize("ref", ["hang", "trickle"])
async def test_a_deadline_is_total_and_its_container_is_gone(
    docker_runtime: DockerRuntime, hostile: ImageRef, node_id: str, ref: str
) -> None:
    before = set(images.containers(node_id))
    loop = asyncio.get_running_loop()
    started = loop.time()

    with pytest.raises(ProverTimeout):
        await docker_runtime.prove(hostile, ref, b"", 1.0)

    assert loop.time() - started < 10
    assert len(before & set(images.containers(node_id))) == 2  # the validating pair


async def test_cancelling_removes_the_container(
    docker_runtime: DockerRuntime, hostile: ImageRef, node_id: str
) -> None:
    before = set(images.containers(node_id))
    running = asyncio.create_task(docker_runtime.prove(hostile, "hang", b"", WITHIN))
    await asyncio.wait([running], timeout=0.3)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert len(before & set(images.containers(node_id))) == 2


async def test_a_hanging_proof_blocks_no_verdict(docker_runtime: DockerRuntime, hostile: ImageRef) -> None:
    proof = await docker_runtime.prove(hostile, "ref", b"", WITHIN)
    running = asyncio.create_task(docker_runtime.prove(hostile, "hang", b"", WITHIN))
    await asyncio.wait([running], timeout=0.2)

    assert await docker_runtime.validate(hostile, "ref", proof, b"", WITHIN)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_killed_container_is_replaced_in_mid_job(docker_runtime: DockerRuntime, node_id: str) -> None:
    image, data = images.built("groth16"), images.sample("groth16")
    await docker_runtime.ensure(image)
    api = docker.APIClient(version="auto")
    running = asyncio.create_task(docker_runtime.prove(image, "ref", data, WITHIN))
    await asyncio.wait([running], timeout=0.2)

    for container in images.containers(node_id):
        api.kill(container)

    assert await docker_runtime.validate(image, "ref", await running, data, WITHIN)


async def test_an_idle_stream_that_broke_is_opened_again(
    docker_runtime: DockerRuntime, hostile: ImageRef, node_id: str
) -> None:
    before = set(images.containers(node_id))
    api = docker.APIClient(version="auto")
    for container in before:
        if api.inspect_container(container)["Config"]["Labels"]["org.gpn-desktop.role"] == "relay":
            made = api.exec_create(container, ["/relay", "stop"])
            api.exec_start(made["Id"])

    proof = await docker_runtime.prove(hostile, "ref", b"", WITHIN)

    assert await docker_runtime.validate(hostile, "ref", proof, b"", WITHIN)
    assert set(images.containers(node_id)) == before


async def test_closing_ends_a_job_and_leaves_nothing(
    docker_runtime: DockerRuntime, hostile: ImageRef, node_id: str
) -> None:
    running = asyncio.create_task(docker_runtime.prove(hostile, "hang", b"", WITHIN))
    await asyncio.wait([running], timeout=0.2)

    await docker_runtime.aclose()

    with pytest.raises(GpnError):
        await running
    assert images.containers(node_id) == []


async def test_what_is_asked_of_a_closing_engine_is_refused(docker_runtime: DockerRuntime) -> None:
    """A job that ends by the closing removes its container; that came after the last thread was let go."""
    engine = docker_runtime._engine
    done = threading.Event()
    last = asyncio.create_task(engine.call(lambda _: done.wait(30)))
    await engine.call(lambda _: None)  # so the one before it has begun
    closing = asyncio.create_task(engine.aclose())
    await asyncio.wait([closing], timeout=0.1)
    with pytest.raises(EngineFault):
        await engine.call(lambda _: None)
    done.set()
    assert await last
    await closing


async def test_closing_while_an_image_starts_leaves_nothing(
    docker_runtime: DockerRuntime, node_id: str
) -> None:
    image = images.hostile()
    starting = asyncio.create_task(docker_runtime.ensure(image))
    while docker_runtime.state(image) is not ImageState.STARTING:
        await asyncio.wait([starting], timeout=0.01)

    await docker_runtime.aclose()

    with pytest.raises((GpnError, asyncio.CancelledError)):
        await starting
    assert images.containers(node_id) == []


async def test_a_start_removes_what_a_crash_left_but_nothing_of_other_nodes(
    docker_runtime: DockerRuntime, hostile: ImageRef, node_id: str
) -> None:
    crashed = node_id + "-crashed"
    first, second = DockerRuntime(crashed), DockerRuntime(crashed)
    await first.start()
    await first.ensure(hostile)
    assert len(images.containers(crashed)) == 4

    await second.start()

    assert images.containers(crashed) == []
    assert len(images.containers(node_id)) == 4
    await first.aclose()
    await second.aclose()


async def test_an_image_that_never_answers_is_no_prover(node_id: str) -> None:
    runtime = DockerRuntime(node_id, DockerOptions(caps=Limits(memory=6 * MIB), start_timeout=20))
    images.need_docker()
    await runtime.start()
    image = images.hostile()
    try:
        with pytest.raises(ProverFault):
            await runtime.ensure(image)
        assert runtime.state(image) is ImageState.FAILED
    finally:
        await runtime.aclose()
    assert images.containers(node_id) == []


async def test_a_gpu_where_none_is(node_id: str) -> None:
    images.need_docker()
    if "nvidia" in docker.APIClient(version="auto").info()["Runtimes"]:
        pytest.skip("this engine has GPUs")
    runtime = DockerRuntime(node_id, DockerOptions(gpus=("all",)))
    await runtime.start()
    image = images.with_manifest(gpu=True)
    try:
        with pytest.raises(GpuUnavailable, match="no GPU to give"):
            await runtime.ensure(image)
        # Its GPU is for proving: votes need none.
        await runtime.ensure(image, prove=False)
        assert not await runtime.validate(image, "ref", b"", b"", WITHIN)
    finally:
        await runtime.aclose()
    assert images.containers(node_id) == []


async def test_an_image_that_needs_another_gpu_than_there_is_says_which(node_id: str) -> None:
    images.need_docker()
    small = Gpu(0, "GPU-1", "GTX 1060", 6 * GIB, "470.57")
    wanted = {
        GpuMemoryTooSmall: images.with_manifest(gpu=True, vram_mb=8192),
        GpuDriverTooOld: images.with_manifest(gpu=True, driver="535"),
    }
    runtime = DockerRuntime(node_id, DockerOptions(gpus=("all",)), MemorySensors([small]))
    await runtime.start()
    try:
        for error, image in wanted.items():
            with pytest.raises(error, match=r"470\.57|GTX 1060"):
                await runtime.ensure(image)
            status = runtime.status(image)
            assert status.life.reason is not None
            assert status.life.reason.code == error.code
    finally:
        await runtime.aclose()


async def test_a_gpu_that_the_operator_gives_to_nobody_is_told_with_its_setting(node_id: str) -> None:
    images.need_docker()
    runtime = DockerRuntime(node_id)
    await runtime.start()
    try:
        with pytest.raises(GpuUnavailable, match="gives none") as refused:
            await runtime.ensure(images.with_manifest(gpu=True))
        assert "GPN_GPUS" in refused.value.remedy
    finally:
        await runtime.aclose()


async def test_limits_come_from_the_manifest_and_stop_at_the_caps(node_id: str) -> None:
    images.need_docker()
    image = images.with_manifest(memory_mb=300, cpus=1, pids=64, tmp_mb=2, prove_seconds=7)
    caps = Limits(memory=GIB, cpus=0.5, pids=48, tmp=8 * MIB)
    runtime = DockerRuntime(node_id, DockerOptions(caps=caps))
    await runtime.start()
    try:
        await runtime.ensure(image)
        status = runtime.status(image)
        api = docker.APIClient(version="auto")
        hosts = {}
        for container in images.containers(node_id):
            found = api.inspect_container(container)
            hosts[found["Config"]["Labels"]["org.gpn-desktop.role"]] = found["HostConfig"]
    finally:
        await runtime.aclose()

    assert status.limits == Limits(300 * MIB, 0.5, 2 * MIB, 48, False, 7.0, 30.0)
    for role in ("prove", "validate"):
        host = hosts[role]
        assert host["Memory"] == host["MemorySwap"] == 300 * MIB
        assert host["CpuQuota"] / host["CpuPeriod"] == 0.5
        assert host["PidsLimit"] == 48
    assert hosts["prove"]["Tmpfs"]["/tmp"].endswith(f"size={2 * MIB}")


async def test_an_images_own_limit_ends_a_proof_and_counts_against_it(node_id: str) -> None:
    runtime = DockerRuntime(node_id, DockerOptions(caps=Limits(prove_seconds=0.5)))
    images.need_docker()
    await runtime.start()
    try:
        image = images.hostile()
        await runtime.ensure(image)
        with pytest.raises(ProverTimeout, match=r"its limit of 0\.5 s"):
            await runtime.prove(image, "hang", b"", WITHIN)
        assert runtime.status(image).life.strikes == 1
        # A turn that ends before the limit does is nobody's fault.
        with pytest.raises(ProverTimeout, match=r"within 0\.1 s"):
            await runtime.prove(image, "hang", b"", 0.1)
        assert runtime.status(image).life.strikes == 1
    finally:
        await runtime.aclose()


async def test_as_many_proofs_run_at_once_as_there_are_slots_and_the_next_one_waits(node_id: str) -> None:
    images.need_docker()
    runtime = DockerRuntime(node_id, DockerOptions(caps=Limits(memory=512 * MIB), slots=2))
    await runtime.start()
    try:
        image = images.hostile()
        await runtime.ensure(image)
        assert runtime.status(image).slots == 2
        stuck = [asyncio.create_task(runtime.prove(image, "hang", b"", WITHIN)) for _ in range(2)]
        while runtime.status(image).ready < 3:  # the second slot is opened when it is needed
            await asyncio.wait(stuck, timeout=0.05)
        third = asyncio.create_task(runtime.prove(image, "next", b"", WITHIN))
        await asyncio.wait([third], timeout=0.3)
        assert not third.done()
        assert runtime.status(image).life.calls == 3
        assert runtime.state(image) is ImageState.BUSY

        stuck[0].cancel()
        assert await third
        stuck[1].cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        assert runtime.status(image).life.calls == 0
    finally:
        await runtime.aclose()


async def test_a_pull_tells_its_progress(docker_runtime: DockerRuntime) -> None:
    images.need_registry()
    image = images.hostile()
    images.forget(image)
    heard: list[PullProgress] = []

    await docker_runtime.ensure(image, heard.append)

    assert docker_runtime.state(image) is ImageState.SERVING
    assert heard[-1].done == heard[-1].total > 2_000_000
    assert all(a.done <= b.done for a, b in pairwise(heard))


async def test_an_image_above_the_limit_is_not_run(node_id: str) -> None:
    images.need_registry()
    image = images.hostile()
    images.forget(image)
    runtime = DockerRuntime(node_id, DockerOptions(max_image=MIB))
    await runtime.start()
    try:
        with pytest.raises(ImageTooLarge):
            await runtime.ensure(image)
    finally:
        await runtime.aclose()


async def test_an_unknown_digest_is_unavailable(docker_runtime: DockerRuntime) -> None:
    registry = images.need_registry()
    absent = ImageRef(images.built("mock").name, Hash32(b"\x01" * 32))
    nowhere = ImageRef("127.0.0.1:1/gpn/mock", Hash32(b"\x01" * 32))
    assert absent.name.startswith(registry)

    for image in (absent, nowhere):
        with pytest.raises(ImageUnavailable):
            await docker_runtime.ensure(image)
        assert docker_runtime.state(image) is ImageState.FAILED


async def test_no_engine_is_told_as_such(node_id: str) -> None:
    nowhere = "tcp://127.0.0.1:1"
    runtime = DockerRuntime(node_id, DockerOptions(host=nowhere))

    with pytest.raises(EngineMissing):
        await runtime.start()

    assert not docker_available(nowhere)
    await runtime.aclose()


def test_a_name_stands_for_what_this_machine_has_under_it(node_id: str) -> None:
    images.need_docker()
    image = images.hostile()
    api = docker.APIClient(version="auto")
    digest = f"sha256:{image.digest.hex()}"
    if os.environ.get("GPN_REGISTRY"):
        api.pull(image.name, digest)  # a test before this one may have made the engine forget it
        digest = str(image)
    api.tag(digest, image.name, node_id)
    try:
        assert local_digest(f"{image.name}:{node_id}") == image.digest
    finally:
        api.remove_image(f"{image.name}:{node_id}")
    assert local_digest("gpn/there-is-no-such-image") is None
    with pytest.raises(EngineMissing):
        local_digest(image.name, host="unix:///nowhere/docker.sock")
