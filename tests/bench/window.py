"""What an operator feels of the window: how soon it is there, how smooth it is, and what it takes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from tests import displays
from tests.bench.rows import Row

FIRST: Final = "Window: first paint"
RATIO: Final = "Window: first paint, times a bare QMainWindow's"
COMPLETE: Final = "Window: complete, with its start page"
LAG: Final = "Window: lag p99 at 200 gossip messages/s, 500 rows a tick"
WORST: Final = "Window: lag at most"
OPEN: Final = "Jobs, 100,000: open"
SORT: Final = "Jobs, 100,000: sort by earned"
SLOWEST: Final = "Jobs, 100,000: sort by time taken"
FILTER: Final = "Jobs, 100,000: filter by phase"
FIND: Final = "Jobs, 100,000: find one id"
MEMORY: Final = "Window: memory after 10,000 jobs"
GROWTH: Final = "Window: growth over 10,000 jobs more"
NAMES: Final = (FIRST, RATIO, COMPLETE, LAG, WORST, OPEN, SORT, SLOWEST, FILTER, FIND, MEMORY, GROWTH)

ROUNDS: Final = 9
_BARE: Final = """
from PySide6.QtWidgets import QApplication, QMainWindow
app = QApplication([])
window = QMainWindow()
window.resize(1280, 800)
from gpn_desktop.ui import startup
startup.FirstPaint(window, lambda took: (print(took, flush=True), app.quit()))
window.show()
app.exec()
"""


async def _line(*command: str, lines: int = 1, **env: str) -> list[Any]:
    """The first lines of a program, as JSON; then it is ended."""
    program = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env={**os.environ, **env}
    )
    assert program.stdout is not None
    told = [json.loads(await program.stdout.readline()) for _ in range(lines)]
    if program.returncode is None:
        program.terminate()
    await program.wait()
    return told


async def _starts() -> list[Row]:
    """In turns, so that what else the machine does falls on both; on a real display where there is Xvfb."""
    bare, first, complete = [], [], []
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        screen = {"QT_QPA_PLATFORM": "offscreen"}
        if shutil.which("Xvfb"):
            screen = {"QT_QPA_PLATFORM": "xcb", "DISPLAY": stack.enter_context(displays.display())}
        screen |= {"GPN_DATA_DIR": folder, "GPN_CONFIG": str(Path(folder) / "config.toml")}
        for _ in range(ROUNDS):
            bare += await _line(sys.executable, "-c", _BARE, **screen)
            shown, whole = await _line(
                sys.executable, "-m", "gpn_desktop", "--startup-report", lines=2, **screen
            )
            first.append(shown["first_paint_ms"])
            complete.append(whole["complete_ms"])
    middle = [sorted(times)[ROUNDS // 2] for times in (bare, first, complete)]
    ratio = round(middle[1] / middle[0], 2)
    return [
        Row(FIRST, middle[1], "<= 600", "ms", middle[0]),
        Row(RATIO, ratio, "<= 1.5", "x", middle[0]),
        Row(COMPLETE, middle[2], "<= 600", "ms", middle[0]),
    ]


async def _program(case: str) -> dict[str, float]:
    (found,) = await _line(sys.executable, "-m", "tests.bench.window_program", case)
    return dict(found)


async def measure() -> list[Row]:
    rows = await _starts()
    load = await _program("load")
    past = await _program("history")
    growth = round((load["later"] / load["memory"] - 1) * 100, 1)
    return [
        *rows,
        Row(LAG, load["p99"], "<= 16", "ms", peers=f"{load['heard']:.0f} messages/s heard"),
        Row(WORST, load["max"], "<= 50", "ms"),
        Row(OPEN, past["open"], "<= 100", "ms"),
        Row(SORT, past["sort"], "<= 100", "ms"),
        Row(SLOWEST, past["slowest"], "<= 100", "ms"),
        Row(FILTER, past["filter"], "<= 100", "ms"),
        Row(FIND, past["find"], "<= 100", "ms"),
        Row(MEMORY, load["memory"], "<= 300", "MB"),
        Row(GROWTH, growth, "<= 2", "%", load["memory"]),
    ]
