"""Builds the relay from relay.c, statically, for the processors that Docker engines run on.

The results stand beside the source, because an operator's machine has no compiler; a test builds them again
and compares. Run ``python resources/relay/build.py`` after a change of relay.c.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGETS = {"amd64": "x86_64-linux-musl", "arm64": "aarch64-linux-musl"}  # Docker's name: the compiler's


def build(arch: str, folder: Path) -> Path:
    """Compiles for ``arch``, a key of TARGETS, into ``folder``; gives the binary's path."""
    binary = folder / f"relay-{arch}"
    # Relative and inside the source's folder, so that no path of this machine gets into the binary.
    command = [sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[arch], "-static", "-Os", "-s"]
    command += ["-Wall", "-Wextra", "-Werror", "-o", str(binary), "relay.c"]
    subprocess.run(command, cwd=HERE, check=True)
    return binary


if __name__ == "__main__":
    for name in TARGETS:
        path = build(name, HERE)
        print(f"{path.name}: {path.stat().st_size} bytes")
