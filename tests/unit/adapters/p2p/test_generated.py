"""The committed protobuf modules are those of the .proto files."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[4]


def test_the_generated_modules_are_fresh() -> None:
    done = subprocess.run(
        ["sh", "proto/gen.sh", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
