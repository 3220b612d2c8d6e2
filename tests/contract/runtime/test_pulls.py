"""Pulling from real registries on loopback: progress, digests, damage, logins, limits, cancelling."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import docker  # type: ignore[import-untyped]
import pytest

from gpn_desktop.adapters.docker import DockerOptions, DockerRuntime, shelf
from gpn_desktop.adapters.system.images import FileImageBook
from gpn_desktop.core.errors import (
    EngineDiskFull,
    ImageDamaged,
    ImageInUse,
    ImageNameInvalid,
    ImageTooLarge,
    ImageUnavailable,
    RegistryDenied,
    StoreCorrupt,
)
from gpn_desktop.core.images import ImageState
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.runtime import ImageRef, PullProgress
from gpn_desktop.services.images import Images
from tests.contract.runtime import images
from tests.contract.runtime.conftest import MIB
from tests.contract.runtime.registry import Faults, faulty_registry

HELPER = """#!/bin/sh
[ "$1" = get ] && cat >/dev/null && printf '{"ServerURL":"x","Username":"operator","Secret":"s3cret"}'
"""


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def there(faults: Faults) -> Iterator[ImageRef]:
    """The hostile image, not on this machine, in a registry whose faults can be chosen."""
    upstream = images.need_registry()
    image = images.hostile()
    images.forget(image)
    with faulty_registry(upstream, faults) as host:
        yield ImageRef(image.name.replace(upstream, host), image.digest)
    images.forget_all(image.digest)


@pytest.fixture
async def kept(docker_runtime: DockerRuntime, tmp_path: Path) -> AsyncIterator[Images]:
    found = Images(docker_runtime, docker_runtime.shelf, FileImageBook(tmp_path))
    yield found
    await found.aclose()


async def test_progress_grows_to_the_whole(docker_runtime: DockerRuntime, there: ImageRef) -> None:
    heard: list[PullProgress] = []

    await docker_runtime.pull(there, heard.append)

    assert docker_runtime.state(there) is ImageState.READY
    assert heard[-1].done == heard[-1].total > 2_000_000
    assert all(a.done <= b.done for a, b in pairwise(heard))
    assert docker_runtime.status(there).progress is None


async def test_a_damaged_layer_is_told_and_nothing_of_it_runs(
    docker_runtime: DockerRuntime, there: ImageRef, faults: Faults
) -> None:
    faults.corrupt = True

    with pytest.raises(ImageDamaged):
        await docker_runtime.pull(there)
    assert docker_runtime.state(there) is ImageState.FAILED
    assert await docker_runtime.shelf.find(there) is None

    faults.corrupt = False
    await docker_runtime.pull(there)
    assert docker_runtime.state(there) is ImageState.READY


async def test_a_tag_is_resolved_to_its_digest_and_the_digest_alone_counts(
    docker_runtime: DockerRuntime, there: ImageRef
) -> None:
    assert await docker_runtime.shelf.resolve(f"{there.name}:test") == there
    assert await docker_runtime.shelf.resolve(f"{there.name}:test@sha256:{there.digest.hex()}") == there
    with pytest.raises(ImageUnavailable, match="no-such-tag"):
        await docker_runtime.shelf.resolve(f"{there.name}:no-such-tag")
    other = ImageRef(there.name, Hash32(b"\x01" * 32))
    with pytest.raises(ImageUnavailable):
        await docker_runtime.pull(other)
    assert docker_runtime.status(other).life.reason is not None


async def test_what_was_only_built_here_is_known_by_its_own_id(docker_runtime: DockerRuntime) -> None:
    mock = images.built("mock")
    api = docker.APIClient(version="auto")
    local = str(mock) if images.registry() else f"sha256:{mock.digest.hex()}"
    api.tag(local, "gpn-test/only-here", "now")
    try:
        found = await docker_runtime.shelf.resolve("gpn-test/only-here:now")
        assert await docker_runtime.shelf.find(found) is not None
    finally:
        api.remove_image("gpn-test/only-here:now")


@pytest.mark.parametrize(
    "name",
    ["", "UPPER", "a b", "x:", "-x", "x@sha256:12", "x" * 300, "host:port:tag/x", "x\n", "../x", "a//b:"],
)
async def test_what_is_no_name_is_refused_before_anybody_is_asked(name: str) -> None:
    with pytest.raises(ImageNameInvalid):
        shelf.parse_name(name)


async def test_a_pull_can_be_cancelled_and_taken_up_again(
    docker_runtime: DockerRuntime, kept: Images, there: ImageRef, faults: Faults
) -> None:
    faults.stall = True
    pulling = asyncio.create_task(kept.pull(there))
    await asyncio.to_thread(faults.stalled.wait, 20)
    assert docker_runtime.state(there) is ImageState.PULLING
    view = next(view for view in await kept.views() if view.image == there)
    assert view.state is ImageState.PULLING

    assert kept.cancel(there)
    with pytest.raises(ImageUnavailable, match="cancelled"):
        await pulling
    assert docker_runtime.state(there) is ImageState.ABSENT
    assert not kept.cancel(there)

    faults.stall = False
    faults.go_on.set()
    await kept.pull(there)
    assert docker_runtime.state(there) is ImageState.READY


async def test_two_who_want_it_share_one_pull(kept: Images, there: ImageRef, faults: Faults) -> None:
    faults.stall = True
    first, second = asyncio.create_task(kept.pull(there)), asyncio.create_task(kept.pull(there))
    await asyncio.to_thread(faults.stalled.wait, 20)
    first.cancel()
    faults.go_on.set()
    await second

    layers = [path for path in faults.asked if "/blobs/" in path]
    assert len(layers) == len(set(layers))


async def test_an_image_above_the_limit_is_given_up_while_it_comes(there: ImageRef, node_id: str) -> None:
    runtime = DockerRuntime(node_id, DockerOptions(max_image=MIB))
    await runtime.start()
    try:
        with pytest.raises(ImageTooLarge):
            await runtime.pull(there)
        assert await runtime.shelf.find(there) is None
    finally:
        await runtime.aclose()


async def test_an_image_that_does_not_fit_on_the_disk_is_given_up(
    docker_runtime: DockerRuntime, there: ImageRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = (await docker_runtime.shelf.room()).free
    assert free is not None
    monkeypatch.setattr(shelf, "RESERVE", free - MIB)

    with pytest.raises(EngineDiskFull, match="free"):
        await docker_runtime.pull(there)

    assert await docker_runtime.shelf.find(there) is None


async def test_a_private_registry_is_opened_by_dockers_own_credentials(
    there: ImageRef, faults: Faults, node_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.login = "operator:s3cret"
    host = there.name.split("/")[0]
    config = tmp_path / "config.json"
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    helper = tmp_path / "docker-credential-gpntest"
    helper.write_text(HELPER)
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    wrong = base64.b64encode(b"operator:wrong").decode()
    right = base64.b64encode(faults.login.encode()).decode()
    for settings, opens in (
        ({}, False),
        ({"auths": {host: {"auth": wrong}}}, False),
        ({"auths": {host: {"auth": right}}}, True),
        ({"credHelpers": {host: "gpntest"}}, True),
    ):
        config.write_text(json.dumps(settings))
        runtime = DockerRuntime(node_id)
        await runtime.start()
        try:
            if opens:
                assert await runtime.shelf.resolve(f"{there.name}:test") == there
                await runtime.pull(there)
                assert await runtime.shelf.remove(there) > 0
            else:
                with pytest.raises(RegistryDenied, match=r"login"):
                    await runtime.pull(there)
        finally:
            await runtime.aclose()


async def test_what_is_served_or_runs_is_not_removed_and_pruning_takes_only_ours(
    docker_runtime: DockerRuntime, kept: Images, there: ImageRef
) -> None:
    served: list[ImageRef] = [there]
    kept.attach(lambda: served, lambda: None)
    mock = images.built("mock")  # on this machine by somebody else
    await kept.pull(there)
    with pytest.raises(ImageInUse):
        await kept.remove(there)
    assert await kept.prune() == 0

    served.clear()
    await docker_runtime.ensure(there)
    with pytest.raises(ImageInUse):
        await kept.remove(there)
    assert await kept.prune() == 0
    await docker_runtime.release(there)
    assert [view.state for view in await kept.views()] == [ImageState.READY]
    assert await kept.prune() > 2_000_000

    assert await docker_runtime.shelf.find(there) is None
    assert docker_runtime.state(there) is ImageState.ABSENT
    assert await docker_runtime.shelf.find(mock) is not None
    assert await kept.views() == []


def test_the_book_of_pulled_images_outlives_the_process_and_says_when_it_is_damaged(tmp_path: Path) -> None:
    image = ImageRef("127.0.0.1:5000/gpn/x", Hash32(b"\x02" * 32))
    FileImageBook(tmp_path).remember(image)
    FileImageBook(tmp_path).remember(image)
    assert FileImageBook(tmp_path).pulled() == [image]
    FileImageBook(tmp_path).forget(image)
    assert FileImageBook(tmp_path).pulled() == []

    for text in ("{", "[]", '{"images": [7]}', '{"images": ["x@sha256:12"]}', '{"images": ["x"]}'):
        (tmp_path / "images.json").write_text(text)
        with pytest.raises(StoreCorrupt, match=r"images\.json"):
            FileImageBook(tmp_path).pulled()
