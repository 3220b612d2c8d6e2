"""A Docker engine of a test's own, which may be stopped, killed and filled up."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import docker  # type: ignore[import-untyped]
import psutil
import pytest

from gpn_desktop.adapters.docker import docker_available
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.runtime import ImageRef
from tests.contract.runtime import images

START_SECONDS = 60.0
_ADD_BRIDGE, _REMOVE_BRIDGE, _SET_FLAGS = 0x89A0, 0x89A1, 0x8914  # of linux/sockios.h


class SecondEngine:
    """``host`` is its address. Its disk is ``root``, a file system of its own."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.host = f"unix://{folder}/docker.sock"
        self._folder = folder
        self._root = root
        self.bridge = f"gpn{os.getpid()}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["dockerd", "--data-root", str(self._root), "--exec-root", str(self._folder / "exec")]
        # A bridge of its own: with none at all, an engine removes docker0, which is the first engine's.
        command += ["--pidfile", str(self._folder / "pid"), "-H", self.host, f"--bridge={self.bridge}"]
        command += ["--iptables=false", "--ip-masq=false", "--containerd-namespace", f"gpn{os.getpid()}"]
        command += ["--insecure-registry", "127.0.0.0/8"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + START_SECONDS
        while not docker_available(self.host, timeout=1.0):
            if self._process.poll() is not None or time.monotonic() > end:
                pytest.fail("the second engine does not start: " + (self._folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def stop(self, hard: bool = False) -> None:
        """In good order, or as a crash: containers of a killed engine live on until it is started again."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
            self._process.wait(60)
            if hard:
                self._end_containerd()
        self._process = None

    def _end_containerd(self) -> None:
        """A power failure takes it too; here it would live on, and keep a second one from starting."""
        pid = self._folder / "exec" / "containerd" / "containerd.pid"
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            process = psutil.Process(int(pid.read_text()))
            process.kill()
            process.wait(10)
        for stale in (pid, self._folder / "pid"):
            stale.unlink(missing_ok=True)

    def load(self, image: ImageRef) -> ImageRef:
        """Brings an image of the first engine here; named by the engine's own id, as there is no registry."""
        first, second = docker.APIClient(version="auto"), self.api()
        name = f"sha256:{image.digest.hex()}"
        if images.registry():
            name = str(image)
            first.pull(name)  # an earlier test may have taken it from the engine
        found = first.inspect_image(name)["Id"]
        list(second.load_image(b"".join(first.get_image(found))))
        return ImageRef(image.name, Hash32(bytes.fromhex(found.removeprefix("sha256:"))))

    def api(self) -> docker.APIClient:
        return docker.APIClient(base_url=self.host, version="auto", timeout=60)


@contextmanager
def second_engine(mebibytes: int) -> Iterator[SecondEngine]:
    """A running engine on a disk of that size, in memory."""
    images.need_docker()
    able = sys.platform == "linux" and os.geteuid() == 0 and shutil.which("dockerd")
    if not able:
        if os.environ.get("GPN_REQUIRE_ENGINES") == "1":
            pytest.fail("a second Docker engine needs root and dockerd (GPN_REQUIRE_ENGINES=1)")
        pytest.skip("a second Docker engine needs root and dockerd")
    # A short path: the engine's sockets lie deep in it, and a socket's path may have 108 characters.
    folder = Path(tempfile.mkdtemp(prefix="gpn"))
    root = folder / "root"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "gpn-test", root], check=True)
    engine = SecondEngine(folder, root)
    with bridge(engine.bridge):
        try:
            engine.start()
            yield engine
        finally:
            _clean_up(engine, folder, root)


@contextmanager
def bridge(name: str) -> Iterator[None]:
    """A network bridge of this machine, as brctl makes it."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as control:
        fcntl.ioctl(control, _ADD_BRIDGE, name.encode() + b"\0")
        try:
            yield
        finally:
            request = struct.pack("16sh14x", name.encode(), 0)
            fcntl.ioctl(control, _SET_FLAGS, request)  # down: only then it can be removed
            fcntl.ioctl(control, _REMOVE_BRIDGE, name.encode() + b"\0")


def _clean_up(engine: SecondEngine, folder: Path, root: Path) -> None:
    engine.stop()
    shims = [p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or ())]
    for process in [child for shim in shims for child in shim.children(recursive=True)] + shims:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    for mount in reversed(Path("/proc/mounts").read_text().splitlines()):
        where = mount.split()[1]
        if where.startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", where], check=False)
    assert not root.is_mount()
    shutil.rmtree(folder, ignore_errors=True)
