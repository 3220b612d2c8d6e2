"""The shipped relays are what their source compiles to."""

from __future__ import annotations

import importlib.util
import stat
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "resources" / "relay"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("relay_build", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.timeout(600)  # the first compilation for a processor builds its C library too
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_a_shipped_relay_comes_from_its_source(arch: str, tmp_path: Path) -> None:
    shipped = FOLDER / f"relay-{arch}"

    assert load().build(arch, tmp_path).read_bytes() == shipped.read_bytes()
    assert shipped.stat().st_mode & stat.S_IXUSR
