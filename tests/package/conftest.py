"""The built folder and package, and a machine that has nothing else.

They take minutes to build, so these tests run where GPN_PACKAGE names a folder: ``make package
ARGS=--check``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.package.machine import BareMachine

REASON = "GPN_PACKAGE names no built folder; `make package ARGS=--check` builds one and tests it"


@pytest.fixture(scope="session")
def folder() -> Path:
    """The application's folder."""
    named = os.environ.get("GPN_PACKAGE", "")
    if not named:
        pytest.skip(REASON)
    return Path(named).resolve(strict=True)


@pytest.fixture(scope="session")
def deb(folder: Path) -> Path:
    """The Debian package of the folder."""
    named = os.environ.get("GPN_PACKAGE_DEB", "")
    if not named:
        pytest.skip("GPN_PACKAGE_DEB names no Debian package: there is no dpkg-deb here")
    return Path(named).resolve(strict=True)


@pytest.fixture
def bare(tmp_path: Path) -> BareMachine:
    return BareMachine(tmp_path)


@pytest.fixture
def display(folder: Path) -> Iterator[str]:
    """An X server of its own."""
    if shutil.which("Xvfb") is None:
        pytest.skip("There is no Xvfb here (Debian: xvfb), so no window can be shown")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as answer:
            number = answer.readline().strip()
        try:
            assert number, "Xvfb did not start"
            yield f":{number}"
        finally:
            server.terminate()
