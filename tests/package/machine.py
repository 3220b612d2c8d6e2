"""A machine that has nothing else, and what runs on it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psutil  # type: ignore[import-untyped]

END_SECONDS = 15


class BareMachine:
    """Runs programs with a home of their own and nothing on the path: no Python, Node, Docker or anvil."""

    def __init__(self, place: Path) -> None:
        self.home = place / "home"
        bin_ = place / "bin"
        runtime = place / "run"
        self.temporary = place / "tmp"
        for made in (self.home, bin_, runtime, self.temporary):
            made.mkdir(mode=0o700)
        self.env = {
            "HOME": str(self.home),
            "PATH": str(bin_),
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(runtime),
            "TMPDIR": str(self.temporary),
            # There may be an engine where the tests run.
            "DOCKER_HOST": f"unix://{runtime}/none.sock",
        }

    def run(self, *command: str | Path, seconds: float = 100) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.env, cwd=self.home, capture_output=True, text=True, timeout=seconds, check=False
        )

    def logs(self) -> str:
        """What the nodes of a demo wrote that left its folder behind."""
        found = sorted(self.temporary.rglob("node.log"))
        return "\n".join(f"{path.parent.name}: {path.read_text()}" for path in found)

    def start(self, *command: str | Path, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            env=self.env | env,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def running_from(folder: Path) -> list[psutil.Process]:
    """The processes whose program lies in the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            place = Path(process.exe())
        except (psutil.Error, OSError):
            continue
        if place.is_relative_to(folder):
            found.append(process)
    return found


def foreign_libraries(process: psutil.Process, folder: Path) -> set[str]:
    """The libraries that the folder has and that the process took from the system all the same."""
    brought = {path.name for path in folder.rglob("*.so*")}
    mapped = {Path(region.path) for region in process.memory_maps()}
    return {str(path) for path in mapped if path.name in brought and not path.is_relative_to(folder)}


def assert_all_ended(folder: Path) -> None:
    """What a killed parent's children need to notice it counts in seconds."""
    _, left = psutil.wait_procs(running_from(folder), timeout=END_SECONDS)
    assert [process.cmdline() for process in left] == []
