"""The folder on a machine that has nothing else: it starts, proves, shows its window, and ends entirely."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import threading
import tomllib
from pathlib import Path

import pytest

from gpn_desktop import __version__
from tests.package.machine import BareMachine, assert_all_ended, foreign_libraries, running_from

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "gpn-desktop"
FIRST_PAINT_MS = 600
MAX_MB = 240


def test_it_says_its_version(folder: Path, bare: BareMachine) -> None:
    said = bare.run(folder / PROGRAM, "--version")
    assert (said.returncode, said.stdout) == (0, f"gpn-desktop {__version__}\n")


@pytest.mark.timeout(180)
def test_the_demo_is_paid(folder: Path, bare: BareMachine) -> None:
    """Chain, contract, consumer and five nodes, each a process of this program or of its own anvil."""
    command = (folder / PROGRAM, "demo", "--headless", "--builtin", "--requests", "2", "--json")
    said = bare.run(*command, seconds=150)
    assert said.returncode == 0, said.stdout + said.stderr + bare.logs()
    report = json.loads(said.stdout.splitlines()[-1])
    assert (report["verified"], report["paid"], report["errors"]) == (2, 2, [])
    assert int(report["paid_wei"]) > 0
    assert said.stderr == ""
    assert_all_ended(folder)


def _until_proved(demo: subprocess.Popen[str], bare: BareMachine) -> None:
    """Wait for the demo's first proof."""
    assert demo.stdout is not None
    # A window stays open over a start that failed.
    late = threading.Timer(60, demo.kill)
    late.start()
    said = []
    for line in demo.stdout:
        said.append(line)
        if "proved by" in line:
            late.cancel()
            return
    late.cancel()
    _, errors = demo.communicate()
    pytest.fail("".join(said) + errors + bare.logs())


@pytest.mark.timeout(180)
def test_a_demo_s_processes_use_the_folder_and_end_with_it_when_it_is_killed(
    folder: Path, bare: BareMachine
) -> None:
    demo = bare.start(folder / PROGRAM, "demo", "--headless", "--builtin", "--requests", "50")
    _until_proved(demo, bare)
    processes = running_from(folder)
    assert len(processes) > 5
    assert {name for process in processes for name in foreign_libraries(process, folder)} == set()
    demo.kill()
    demo.communicate()
    assert_all_ended(folder)


def _first_paint(folder: Path, bare: BareMachine, display: str) -> int:
    window = bare.start(folder / PROGRAM, "--startup-report", DISPLAY=display, QT_QPA_PLATFORM="xcb")
    assert window.stdout is not None
    report = window.stdout.readline()
    window.send_signal(signal.SIGTERM)
    _, errors = window.communicate(timeout=30)
    assert window.returncode == 0, errors
    assert errors == ""
    return int(json.loads(report)["first_paint_ms"])


@pytest.mark.timeout(120)
def test_its_window_is_painted_soon_and_closes_in_order(
    folder: Path, bare: BareMachine, display: str
) -> None:
    # The first start reads the files from the disk, and others may use this machine.
    took = [_first_paint(folder, bare, display) for _ in range(4)]
    assert min(took) <= FIRST_PAINT_MS, took
    assert_all_ended(folder)


@pytest.mark.timeout(120)
def test_the_demo_runs_in_its_window(folder: Path, bare: BareMachine, display: str) -> None:
    window = bare.start(folder / PROGRAM, "demo", "--builtin", DISPLAY=display, QT_QPA_PLATFORM="xcb")
    _until_proved(window, bare)
    window.send_signal(signal.SIGTERM)
    _, errors = window.communicate(timeout=60)
    assert window.returncode == 0, errors
    assert_all_ended(folder)


def test_it_has_every_resource(folder: Path) -> None:
    inside = folder / "_internal"
    looked_up = ["resources/icons", "resources/translations", "resources/relay", "contracts/artifacts"]
    listed = subprocess.run(
        ["git", "ls-files", *looked_up], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(listed) > 20
    assert [name for name in listed if not (inside / name).is_file()] == []
    different = [name for name in listed if (inside / name).read_bytes() != (ROOT / name).read_bytes()]
    assert different == []


def test_it_has_nothing_that_it_does_not_use(folder: Path) -> None:
    inside = folder / "_internal"
    names = [path.name for path in inside.rglob("*") if not path.is_relative_to(inside / "resources")]
    unused = r"(lib)?Qt6?(Quick|Qml|Pdf|OpenGL|VirtualKeyboard)|libgtk|libgdk|libreadline|.*\.pyi?$|.*\.qm$"
    assert [name for name in names if re.match(unused, name)] == []
    size = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_symlink())
    assert size <= MAX_MB * 1_000_000


def test_its_links_lead_somewhere_inside(folder: Path) -> None:
    links = [path for path in folder.rglob("*") if path.is_symlink()]
    assert [link for link in links if not link.resolve().is_relative_to(folder)] == []
    assert [link for link in links if not link.exists()] == []


def test_nothing_in_it_is_for_others_to_change(folder: Path) -> None:
    modes = {path: path.lstat().st_mode for path in folder.rglob("*") if not path.is_symlink()}
    assert [path for path, mode in modes.items() if mode & (stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID)] == []


def test_no_file_names_the_place_where_it_was_built(folder: Path) -> None:
    places = {str(ROOT).encode(), str(folder).encode()}
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            found += [path for place in places if place in content]
    assert found == []


def test_the_licences_of_its_parts_are_listed(folder: Path) -> None:
    licences = folder / "_internal" / "licences"
    lines = (licences / "LICENCES.txt").read_text(encoding="utf-8").splitlines()
    listed = {
        _plain(line.split(":")[0].split()[0]): line.partition(": ")[2] for line in lines if ": " in line
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {_plain(re.split(r"[^\w-]", need, maxsplit=1)[0]) for need in project["dependencies"]}
    assert wanted | {"python", "anvil", "qt"} <= set(listed)
    assert [name for name, licence in listed.items() if not licence] == []
    texts = {path.name for path in licences.iterdir()}
    assert {"GPN-Desktop-LICENSE.txt", "LGPL-3.0.txt", "GPL-3.0.txt", "Python-LICENSE.txt"} <= texts
    referred = {line.partition(": see ")[2] for line in lines if ": see " in line} - {"its text"}
    assert referred <= texts


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_an_author_gets_an_image_to_begin_with(folder: Path, bare: BareMachine) -> None:
    said = bare.run(folder / PROGRAM, "image", "new", bare.home / "mine")
    assert said.returncode == 0, said.stderr
    made = {path.name for path in (bare.home / "mine").iterdir()}
    assert {"Dockerfile", "manifest.json", "prover.py", "server.py"} <= made


@pytest.mark.skipif(
    not shutil.which("gnome-keyring-daemon"), reason="needs a keyring (Debian: gnome-keyring)"
)
@pytest.mark.skipif(not shutil.which("dbus-run-session"), reason="needs a session bus (Debian: dbus)")
def test_it_keeps_its_key_in_the_system_s_keyring(folder: Path, bare: BareMachine) -> None:
    program = shlex.quote(str(folder / PROGRAM))
    script = f"""
        printf pass | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
        {program} key new && {program} key show
    """
    bare.env["PATH"] += f"{os.pathsep}/usr/bin{os.pathsep}/bin"
    said = bare.run("/usr/bin/env", "dbus-run-session", "--", "sh", "-c", script)
    assert said.returncode == 0, said.stderr
    made, shown = said.stdout.split()
    assert made == shown
    assert re.fullmatch(r"0x[0-9a-f]{40}", made)
