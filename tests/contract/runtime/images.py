"""The images that the runtime is tested with, built or found once per test run."""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path

import docker  # type: ignore[import-untyped]
import pytest

from gpn_desktop.adapters.docker import docker_available
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.runtime import ImageRef

ROOT = Path(__file__).resolve().parents[3]
PROVERS = ROOT / "resources" / "provers"
HOSTILE = Path(__file__).parent / "hostile" / "prover.mjs"


def need_docker() -> None:
    """Skips where no engine answers; fails where engines are required."""
    if _docker():
        return
    if os.environ.get("GPN_REQUIRE_ENGINES") == "1":
        pytest.fail("a Docker engine is required (GPN_REQUIRE_ENGINES=1), and none answers")
    pytest.skip("no Docker engine answers; packaging/engines.sh starts one")


def need_registry() -> str:
    """The registry's HOST:PORT; as with ``need_docker``."""
    need_docker()
    registry = os.environ.get("GPN_REGISTRY", "")
    if not registry:
        if os.environ.get("GPN_REQUIRE_ENGINES") == "1":
            pytest.fail("a registry is required (GPN_REQUIRE_ENGINES=1): set GPN_REGISTRY")
        pytest.skip("no registry: eval the output of packaging/engines.sh")
    return registry


def registry() -> str | None:
    """The registry that images are pushed to, if there is one."""
    return os.environ.get("GPN_REGISTRY")


@functools.cache
def _docker() -> bool:
    return docker_available(timeout=10)


@functools.cache
def built(name: str) -> ImageRef:
    """A reference image."""
    script = subprocess.run(
        [sys.executable, str(PROVERS / "build.py"), name], stdout=subprocess.PIPE, check=True, text=True
    )
    return _ref(json.loads(script.stdout.splitlines()[-1]))


@functools.cache
def hostile() -> ImageRef:
    """The mock image with a prover that misbehaves, and a layer of 3 MB that does not compress."""
    files = {"prover.mjs": HOSTILE.read_bytes(), "noise": os.urandom(3_000_000)}
    return _derived(
        "hostile", files, "COPY prover.mjs /app/mock/prover.mjs\nCOPY noise /noise\nVOLUME /data\n"
    )


def with_manifest(**fields: object) -> ImageRef:
    """The mock image with other fields in its manifest."""
    text = json.dumps({"name": "mock", **fields}).encode()
    return _derived(f"manifest-{sha256(text).hexdigest()[:8]}", {"manifest.json": text},
                    "COPY manifest.json /app/mock/manifest.json\n")  # fmt: skip


def _derived(name: str, files: dict[str, bytes], steps: str) -> ImageRef:
    """An image on top of the mock one, pushed where there is a registry."""
    mock = built("mock")
    api = docker.APIClient(version="auto")
    host = registry()
    base = str(mock) if host else f"sha256:{mock.digest.hex()}"
    context = _tar({"Dockerfile": f"FROM {base}\n{steps}".encode(), **files})
    name = f"{host}/gpn/{name}" if host else f"gpn/{name}"
    lines = list(api.build(fileobj=context, custom_context=True, tag=f"{name}:test", rm=True, decode=True))
    assert not any("error" in line for line in lines), lines
    if not host:
        return _ref({"name": name, "digest": api.inspect_image(f"{name}:test")["Id"]})
    pushed = list(api.push(name, "test", stream=True, decode=True))
    digests = [line["aux"]["Digest"] for line in pushed if "aux" in line]
    return _ref({"name": name, "digest": digests[-1]})


def forget(image: ImageRef) -> None:
    """Removes the image from the engine, so that it has to be pulled again."""
    forget_all(image.digest)


def forget_all(digest: Hash32) -> None:
    """Removes an image under whatever name, if it is there."""
    api = docker.APIClient(version="auto")
    for found in api.images():
        if any(one.endswith(digest.hex()) for one in found.get("RepoDigests") or ()):
            api.remove_image(found["Id"], force=True)


def sample(name: str) -> bytes:
    return (PROVERS / name / "sample.json").read_bytes()


def clear(node_id: str) -> None:
    """Removes what a killed process left on the engine."""
    api = docker.APIClient(version="auto")
    for container in containers(node_id):
        api.remove_container(container, force=True)


def containers(node_id: str) -> list[str]:
    api = docker.APIClient(version="auto")
    found = api.containers(all=True, filters={"label": f"org.gpn-desktop.node={node_id}"})
    return [entry["Id"] for entry in found]


def _ref(made: dict[str, str]) -> ImageRef:
    return ImageRef(made["name"], Hash32(bytes.fromhex(made["digest"].removeprefix("sha256:"))))


def _tar(files: dict[str, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    out.seek(0)
    return out
