"""The window before its content, and how it is known that one is coming."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QWidget

from gpn_desktop import early
from gpn_desktop.composition import preferences
from gpn_desktop.services.preferences import Look, UiPreferences, write_ui
from gpn_desktop.ui.shell import Shell
from gpn_desktop.ui.theme import DARK, Theme
from tests.ui.conftest import until


class Content(QWidget):
    """Closes when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_close = False
        self.asked = 0

    def closeEvent(self, event) -> None:  # type: ignore[no-untyped-def]  # noqa: N802
        self.asked += 1
        event.setAccepted(self.may_close)


@pytest.mark.parametrize(
    "words",
    ["", "--startup-report", "demo", "demo --nodes 3", "--config a.toml", "--config node demo", "--config=x"],
)
def test_a_window_is_coming(words: str) -> None:
    assert early.wants_window(words.split())


@pytest.mark.parametrize(
    "words",
    [
        "node",
        "--config a.toml node",
        "demo --headless",
        "--help",
        "demo -h",
        "--version",
        "doctor",
        "image try x",
    ],
)
def test_no_window_is_coming(words: str) -> None:
    assert not early.wants_window(words.split())


def test_without_a_display_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr("gpn_desktop.ui.shell.has_display", lambda: False)
    try:
        assert early.early_shell([]) is None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("named", ["option", "joined", "environment"])
def test_it_has_the_look_that_the_window_was_given(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    made = preferences.make_preferences(file)
    (tmp_path / preferences.WINDOW_FILE).write_text(write_ui(UiPreferences(look=Look.LIGHT)))
    assert made.ui.look is Look.SYSTEM
    assert preferences.make_preferences(file).ui.look is Look.LIGHT
    if named == "environment":
        monkeypatch.setenv("GPN_CONFIG", str(file))
    argv = {"option": ["--config", str(file)], "joined": [f"--config={file}"], "environment": []}[named]
    assert early.early_look(argv) == "light"


def test_by_default_it_asks_the_file_that_the_window_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPN_CONFIG", raising=False)
    assert early._settings([]) == preferences.settings_path(None)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"look": 7}', '{"look": "../x"}', '{"lok": "light"}', "[" * 99_999]
)
def test_a_damaged_preference_leaves_the_system_s(text: str, tmp_path: Path) -> None:
    (tmp_path / early.WINDOW_FILE).write_text(text)
    assert early.early_look(["--config", str(tmp_path / "config.toml")]) == "system"


async def test_the_content_decides_whether_it_closes(qapp: QApplication) -> None:
    shell, content = Shell(Theme(qapp, DARK)), Content()
    content.setWindowTitle("First")
    shell.show()
    shell.hold(content)
    assert shell.windowTitle() == "First"
    content.setWindowTitle("Second")
    assert shell.windowTitle() == "Second"
    assert content.isVisible()
    assert not shell.close()
    assert shell.isVisible()
    content.may_close = True
    assert shell.close()
    assert (content.asked, shell.isVisible()) == (2, False)


async def test_a_close_before_there_is_content_is_asked_of_it(qapp: QApplication) -> None:
    qapp.setQuitOnLastWindowClosed(False)
    shell, content = Shell(Theme(qapp, DARK)), Content()
    shell.show()
    assert not shell.close()
    content.may_close = True
    shell.hold(content)
    await until(lambda: not shell.isVisible())
    assert content.asked == 1


def test_it_is_painted_first_and_then_the_window_s_content(tmp_path: Path) -> None:
    ours = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "GPN_DATA_DIR": str(tmp_path)}
    command = [
        sys.executable,
        "-m",
        "gpn_desktop",
        "--config",
        str(tmp_path / "config.toml"),
        "--startup-report",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ours) as program:
        assert program.stdout is not None
        shown, complete = (json.loads(program.stdout.readline()) for _ in range(2))
        program.terminate()
        assert program.wait(30) == 0
    assert 0 < shown["first_paint_ms"] < complete["complete_ms"]


SIGNALLED = {
    "between two lines": "os.kill(os.getpid(), signal.SIGTERM)",
    # As each import does when it lets its lock go: what is raised there is printed and forgotten.
    "in a callback that nobody hears": (
        "import weakref\n"
        "class Lock: pass\n"
        "lock = Lock()\n"
        "seen = weakref.ref(lock, lambda _: [os.kill(os.getpid(), signal.SIGTERM), len('heard')])\n"
        "del lock"
    ),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals between processes")
@pytest.mark.parametrize("where", SIGNALLED)
def test_a_signal_before_the_content_is_there_ends_the_program(tmp_path: Path, where: str) -> None:
    ours = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "GPN_CONFIG": str(tmp_path / "config.toml")}
    program = (
        "import os, signal\n"
        "from gpn_desktop.early import early_shell\n"
        "early_shell([])\n"
        f"{SIGNALLED[where]}\n"
        "print('still here')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], env=ours, capture_output=True, text=True, timeout=30, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
