"""The Debian package: what is in it, and that installing and removing it leaves a system as it was."""

from __future__ import annotations

import configparser
import hashlib
import os
import shutil
import subprocess
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpn_desktop import __version__
from tests.package.machine import BareMachine

DPKG_OWN = ("var/lib/dpkg",)


@pytest.fixture(scope="module")
def unpacked(deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["dpkg-deb", "--raw-extract", str(deb), str(root)], check=True)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def fields(deb: Path) -> dict[str, str]:
    said = subprocess.run(
        ["dpkg-deb", "--field", str(deb)], check=True, capture_output=True, text=True
    ).stdout
    lines = [line for line in said.splitlines() if not line.startswith(" ")]
    return dict(line.split(": ", 1) for line in lines)


def test_its_fields(fields: dict[str, str], unpacked: Path) -> None:
    assert (fields["Package"], fields["Version"]) == ("gpn-desktop", __version__)
    needs = {need.split(" ")[0] for need in fields["Depends"].split(", ")}
    # Of each kind one: the C library, the display, its text.
    assert {"libc6", "libxcb-cursor0", "libxkbcommon-x11-0", "libegl1", "libfontconfig1"} <= needs
    assert not any("python" in need or "node" in need or "docker" in need for need in needs)
    files = [path for path in unpacked.rglob("*") if "DEBIAN" not in path.parts]
    size = sum(path.lstat().st_size for path in files if path.is_file() and not path.is_symlink())
    assert int(fields["Installed-Size"]) == pytest.approx(size / 1024, rel=0.02)


def test_its_sums_are_those_of_its_files(unpacked: Path) -> None:
    lines = (unpacked / "DEBIAN" / "md5sums").read_text().splitlines()
    listed = {name: checksum for checksum, name in (line.split("  ", 1) for line in lines)}
    files = [path for path in unpacked.rglob("*") if path.is_file() and not path.is_symlink()]
    there = {str(path.relative_to(unpacked)): path for path in files if "DEBIAN" not in path.parts}
    assert listed.keys() == there.keys()
    wrong = [n for n, path in there.items() if hashlib.md5(path.read_bytes()).hexdigest() != listed[n]]
    assert wrong == []


def test_its_files_are_root_s_and_as_old_as_the_sources(deb: Path) -> None:
    unpack = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with (
        subprocess.Popen(unpack, stdout=subprocess.PIPE) as unpacking,
        tarfile.open(fileobj=unpacking.stdout, mode="r|") as tar,
    ):
        members = list(tar)
    assert {(m.uid, m.gid) for m in members} == {(0, 0)}
    assert len({m.mtime for m in members}) == 1
    assert {m.mode for m in members if not m.issym()} <= {0o755, 0o644}
    tops = {"/".join(m.name.split("/")[1:3]) for m in members}
    assert tops == {"", "usr", "usr/bin", "usr/share", "opt", "opt/gpn-desktop"}


def test_the_desktop_finds_it(unpacked: Path) -> None:
    share = unpacked / "usr" / "share"
    entry = configparser.ConfigParser(interpolation=None)
    entry.optionxform = str  # type: ignore[assignment,method-assign]  # as the module's manual says
    entry.read(share / "applications" / "org.gpn.desktop.desktop", encoding="utf-8")
    main = entry["Desktop Entry"]
    assert (unpacked / "usr" / "bin" / main["Exec"]).is_symlink()
    icons = {path.parts[-3] for path in share.glob(f"icons/hicolor/*/apps/{main['Icon']}.*")}
    assert {"16x16", "48x48", "256x256", "512x512", "scalable"} <= icons
    about = ET.parse(share / "metainfo" / "org.gpn.desktop.metainfo.xml").getroot()
    assert about.findtext("launchable") == "org.gpn.desktop.desktop"
    release = about.find("releases/release")
    assert release is not None
    assert release.get("version") == __version__


def test_installed_it_runs_and_removed_it_leaves_nothing(
    deb: Path, tmp_path: Path, bare: BareMachine
) -> None:
    if os.geteuid() != 0:
        pytest.skip("dpkg installs as root only")
    root = tmp_path / "root"
    admin = root / "var" / "lib" / "dpkg"
    for made in ("info", "updates", "triggers"):
        (admin / made).mkdir(parents=True)
    (admin / "status").touch()
    before = _tree(root)
    # What it depends on is this machine's own.
    dpkg = ["dpkg", f"--root={root}", "--force-depends", "--log=/dev/null"]
    done = subprocess.run([*dpkg, "--install", str(deb)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = bare.run(root / "usr" / "bin" / "gpn-desktop", "--version")
    assert said.stdout == f"gpn-desktop {__version__}\n", said.stderr
    assert len(_tree(root)) > len(before)
    gone = subprocess.run([*dpkg, "--purge", "gpn-desktop"], capture_output=True, text=True, check=False)
    assert gone.returncode == 0, gone.stderr
    assert _tree(root) == before


def _tree(root: Path) -> set[str]:
    """Everything but dpkg's own books."""
    names = {str(path.relative_to(root)) for path in root.rglob("*")}
    return {name for name in names if not name.startswith(DPKG_OWN)}
