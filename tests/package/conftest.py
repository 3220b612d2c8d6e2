"""The built folder and package, and a machine that has nothing else.

They take minutes to build, so these tests run where GPN_PACKAGE names a folder: ``make package
ARGS=--check``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import displays
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
    """A screen of its own, for the tests that a built folder lets run."""
    with displays.display("1280x800") as name:
        yield name
