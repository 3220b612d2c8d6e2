"""The Pause menu over the real service: what it offers, what it does, and what it says."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QVBoxLayout, QWidget

from gpn_desktop.adapters.gpu import MemorySensors
from gpn_desktop.adapters.system.clock import SystemClock
from gpn_desktop.adapters.system.machine import MemoryMachine
from gpn_desktop.adapters.system.preferences import MemoryDocument
from gpn_desktop.core.errors import SettingsNotWritten
from gpn_desktop.core.gpus import Gpu, GpuReading
from gpn_desktop.core.pausing import Reason, Rules, Why
from gpn_desktop.services.pausing import PauseView, Pausing
from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.pause_menu import PauseButton, PauseNote
from gpn_desktop.ui.widgets.pause_words import cannot_tell, moment, pause_line
from tests.ui.conftest import until


class Corner:
    """A window with the button and the note, and a node that does as it is told."""

    def __init__(self, theme: Theme) -> None:
        self.errors: list[BaseException] = []
        self.gone: list[str] = []
        self.lost = 0
        self.machine = MemoryMachine(zone=ZoneInfo("Europe/Berlin"))
        self.sensors = MemorySensors((Gpu(0, "GPU-a", "RTX 4090", 0, ""), Gpu(1, "GPU-b", "RTX 4090", 0, "")))
        self.kept = MemoryDocument()
        self.pausing = Pausing(
            self.machine, SystemClock(), self.kept, lambda paused, gpus: None, self.stop, self.sensors
        )
        self.tasks = Tasks(self.errors.append)
        self.window = QWidget()
        column = QVBoxLayout(self.window)
        self.button = PauseButton(theme, self.tasks, self.gone.append, "strip", above=True)
        self.note = PauseNote(theme, self.tasks, self.gone.append)
        column.addWidget(self.note)
        column.addWidget(self.button)
        self.window.show()

    async def stop(self) -> None:
        self.lost += 1

    async def sense(self, **fields: object) -> None:
        self.machine.tell(**fields)
        await self.pausing.look()
        self.refresh()

    def refresh(self, running: int = 0) -> None:
        self.button.refresh(running)
        self.note.refresh(self.pausing)

    def offered(self) -> list[str]:
        return [a.text() for a in self.button.menu_.actions() if a.isVisible() and not a.isSeparator()]


@pytest_asyncio.fixture
async def corner(theme: Theme) -> AsyncIterator[Corner]:
    made = Corner(theme)
    await made.pausing.load()
    made.button.attach(made.pausing)
    made.refresh()
    yield made
    made.button.menu_.close()
    await made.tasks.aclose()
    made.window.close()
    made.window.deleteLater()


async def test_the_menu_says_what_pausing_now_costs(corner: Corner) -> None:
    corner.refresh(running=2)
    corner.button.click()
    assert corner.button.menu_.isVisible()
    assert corner.offered() == [
        "Finish the work, then pause until resumed",
        "Pause for 1 h",
        "Pause for 3 h",
        "Pause now: 2 proofs at work are lost",
        "Pause rules…",
    ]
    corner.button.menu_.now.trigger()
    await until(lambda: corner.lost == 1)
    assert corner.pausing.state().paused


async def test_pausing_for_an_hour_and_resuming(corner: Corner) -> None:
    corner.button.click()
    corner.button.menu_.hour.trigger()
    await until(lambda: corner.pausing.state().paused)
    end = corner.pausing.state().until
    assert end is not None
    assert abs(end - time.time() - 3600) < 60
    assert corner.lost == 0
    await until(lambda: corner.button.text() == "Paused ▾")
    corner.refresh()
    assert corner.note.isVisible()
    assert corner.note.words.text().startswith("Paused: by you. Resumes ")
    corner.note.resume.click()
    await until(lambda: not corner.pausing.state().paused)
    await until(lambda: not corner.note.isVisible())


async def test_a_rule_is_explained_and_cannot_be_resumed_away(corner: Corner) -> None:
    await corner.pausing.set_rules(Rules(on_battery=True, programs=("game",)))
    await corner.sense(on_battery=True)
    assert corner.note.words.text() == "Paused: on battery. Resumes when plugged in."
    assert corner.note.resume.isHidden()
    corner.button.click()
    assert corner.button.menu_.why.text() == "Paused: on battery. Resumes when plugged in."
    assert not corner.button.menu_.resume.isVisible()
    corner.note.rules.click()
    assert corner.gone == ["settings:pausing"]
    await corner.sense(programs=frozenset({"game"}))
    assert corner.note.words.text() == (
        "Paused: game is running; on battery. Resumes when none of this holds."
    )
    await corner.sense(on_battery=False, programs=frozenset())
    assert corner.note.isHidden()
    assert corner.button.text() == "Pause ▾"


async def test_a_hot_gpu_is_named_while_the_others_work(corner: Corner) -> None:
    await corner.pausing.set_rules(Rules(max_celsius=80))
    corner.sensors.show(GpuReading("GPU-b", 91))
    await corner.sense()
    assert corner.note.words.text() == (
        "RTX 4090 (GPU 1) is left alone at 91 °C, until it has cooled to 75 °C."
    )
    assert not corner.pausing.state().paused


async def test_what_cannot_be_kept_is_shown(corner: Corner) -> None:
    corner.kept.refuse = SettingsNotWritten("No space left.")
    corner.button.toggle()
    await until(lambda: bool(corner.errors))
    assert "GPN-2043" in str(corner.errors[0])
    assert corner.pausing.state().paused
    corner.kept.refuse = None
    corner.button.toggle()
    await until(lambda: not corner.pausing.state().paused)


async def test_by_keyboard_alone(corner: Corner) -> None:
    corner.button.setFocus()
    QTest.keyClick(corner.button, Qt.Key.Key_Space)
    menu = corner.button.menu_
    assert menu.isVisible()
    QTest.keyClick(menu, Qt.Key.Key_Down)
    first = menu.activeAction()
    assert isinstance(first, QAction)
    assert first.isEnabled()
    QTest.keyClick(menu, Qt.Key.Key_Return)
    await until(lambda: corner.pausing.state().manual.active)
    QTest.keyClick(corner.button, Qt.Key.Key_Space)
    assert corner.button.menu_.resume.isVisible()
    QTest.keyClick(menu, Qt.Key.Key_Escape)
    assert not menu.isVisible()


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        ((Reason(Why.BY_HAND),), "Paused: by you. Stays so until you resume."),
        ((Reason(Why.IN_USE, ("10",)),),
         "Paused: this machine is in use. Resumes after 10 min without keyboard and mouse."),
        ((Reason(Why.PROGRAM, ("blender",)),), "Paused: blender is running. Resumes when it has ended."),
        ((Reason(Why.ALL_HOT, ("80",)),), "Paused: every GPU is above 80 °C. Resumes when one has cooled."),
        ((Reason(Why.SCHEDULE),), "Paused: outside of its working hours. No working hours lie ahead."),
        ((Reason(Why.NO_IDLE),), ""),
    ],
)  # fmt: skip
def test_each_reason_has_its_words(reasons: tuple[Reason, ...], words: str) -> None:
    assert pause_line(PauseView(bool(words), reasons)) == words


def test_what_cannot_be_told_and_when() -> None:
    for why in (Why.NO_IDLE, Why.NO_BATTERY, Why.NO_PROGRAMS, Why.NO_TEMPERATURE):
        assert "no effect" in cannot_tell(why)
    day = 24 * 3600
    assert moment(time.time()).startswith("at ")
    assert "day at" in moment(time.time() + 2 * day)
    assert moment(time.time() + 30 * day).startswith("on ")
