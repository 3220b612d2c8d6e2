"""Resources are found in a checkout, in an installed wheel and in a frozen application."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gpn_desktop import resources


def test_a_checkout_has_everything_beside_the_package() -> None:
    assert (resources.RESOURCES / "icons" / "app.svg").is_file()
    assert (resources.RESOURCES / "relay").is_dir()
    assert (resources.CONTRACTS / "artifacts" / "GpnSettlement.json").is_file()


def test_a_frozen_application_has_them_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    assert resources.base() == tmp_path
    assert resources.program() == (sys.executable,)


def test_a_wheel_has_them_under_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "share" / "gpn-desktop"
    (shared / "resources" / "icons").mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(resources, "__file__", str(tmp_path / "lib" / "gpn_desktop" / "resources.py"))
    assert resources.base() == shared


def test_from_sources_another_one_is_started_by_the_interpreter() -> None:
    assert resources.program() == (sys.executable, "-m", "gpn_desktop")
