"""The frame: quitting with work running, one instance, notifications that stay few."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton

from gpn_desktop.adapters.gpu import MemorySensors
from gpn_desktop.adapters.system.clock import SystemClock
from gpn_desktop.adapters.system.machine import MemoryMachine
from gpn_desktop.adapters.system.preferences import MemoryDocument
from gpn_desktop.core.gpus import Gpu, GpuReading
from gpn_desktop.core.types import Gwei
from gpn_desktop.services.desk import Desk
from gpn_desktop.services.pausing import Pausing
from gpn_desktop.services.preferences import Notice, UiPreferences
from gpn_desktop.services.views import NodeView, Phase
from gpn_desktop.ui.notify import Note, Notifier
from gpn_desktop.ui.quitting import my_proofs
from gpn_desktop.ui.single import SingleInstance, instance_name, raise_other
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.tray import Tray
from gpn_desktop.ui.window import MainWindow
from tests.ui.conftest import Attach, until
from tests.ui.fake import FakeFacade, demo_view, turns_of
from tests.ui.fake_desk import joining_desk


def click(widget: QPushButton) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


def real_view() -> NodeView:
    """A network where things have a value, and this node proves one request."""
    return replace(demo_view(), network="1", runtime="docker")


def without_work(view: NodeView) -> tuple[object, ...]:
    first = view.jobs[0]
    done = replace(first, phase=Phase.VERIFIED, turns=turns_of(("verified",) + ("skipped",) * 4, 0, 0))
    return (done, *view.jobs[1:])


async def test_quitting_with_a_proof_running_asks_first_and_can_be_taken_back(attach: Attach) -> None:
    facade = FakeFacade(real_view())
    window = attach(facade)
    asked = []
    window.quit_asked.connect(lambda: asked.append(True))
    assert len(my_proofs(facade.now)) == 1

    window.close()
    assert window.quit_sheet.isVisible()
    assert window.isVisible()
    assert "0.0021 ETH" in window.quit_sheet.words.text()
    assert not window.quit_sheet.stay.isVisible(), "there is no tray here"
    QTest.keyClick(window.quit_sheet, Qt.Key.Key_Escape)
    assert not window.quit_sheet.isVisible()
    assert asked == []

    window.close()
    click(window.quit_sheet.stop)
    assert asked == [True]


async def test_finish_then_quit_takes_no_new_turn_and_waits_for_the_proof(attach: Attach) -> None:
    facade = FakeFacade(real_view())
    window = attach(facade)
    asked = []
    window.quit_asked.connect(lambda: asked.append(True))
    window.close()
    click(window.quit_sheet.finish)
    await until(lambda: facade.now.paused)
    await until(lambda: "Quitting when 1 proof is done" in window.quit_sheet.state.text())
    assert asked == []
    facade.change(jobs=without_work(facade.now))
    await until(lambda: asked == [True])


async def test_without_work_or_on_a_demo_network_nothing_is_asked(attach: Attach) -> None:
    for view in (replace(real_view(), jobs=without_work(real_view())), demo_view()):
        window = attach(FakeFacade(view))
        asked: list[bool] = []
        window.quit_asked.connect(lambda asked=asked: asked.append(True))
        window.close()
        assert asked == [True]
        assert not window.quit_sheet.isVisible()


async def test_a_signal_asks_nothing(attach: Attach) -> None:
    window = attach(FakeFacade(real_view()))
    asked = []
    window.quit_asked.connect(lambda: asked.append(True))
    window.quit_now()
    window.quit_now()
    assert asked == [True]


async def test_a_second_start_raises_the_first_and_a_crashed_ones_name_is_free(qapp: QApplication) -> None:
    name = f"gpn-test-{uuid4().hex[:8]}"
    assert not raise_other(name), "nobody is there"
    first = SingleInstance(name)
    seen = []
    first.raised.connect(lambda: seen.append(True))
    assert await asyncio.to_thread(raise_other, name)
    await until(lambda: seen == [True])
    first.close()
    second = SingleInstance(name)
    assert second.listening
    second.close()


def test_instances_are_told_apart_by_their_folder() -> None:
    assert instance_name("/a") != instance_name("/b")
    assert instance_name("/a") == instance_name("/a")
    assert len(instance_name("/" + "x" * 4000)) < 40, "a socket's path has a limit"


class Bell:
    def __init__(self) -> None:
        self.time = 0.0
        self.rung: list[Note] = []
        self.unwanted: set[str] = set()
        self.notifier = Notifier(self.rung.append, lambda: self.time, lambda kind: kind not in self.unwanted)


def test_news_is_what_changed_and_not_what_was_there() -> None:
    bell = Bell()
    view = demo_view()
    bell.notifier.see(view)
    bell.notifier.see(view)
    assert bell.rung == []

    settled = next(job for job in view.jobs if job.phase is Phase.SETTLED and job.earned)
    paid = tuple(replace(job, phase=Phase.PAID) if job is settled else job for job in view.jobs)
    bell.notifier.see(replace(view, jobs=paid))
    (note,) = bell.rung
    assert (note.kind, note.page) == ("paid", "earnings")
    assert "for 1 request" in note.words


def test_a_flood_of_alerts_rings_once_and_tells_how_many_were_held_back() -> None:
    bell = Bell()
    view = demo_view()
    bell.notifier.see(view)
    for number in range(100):
        view = replace(view, alerts=(*view.alerts, f"alert {number}"))
        bell.notifier.see(view)
    assert len(bell.rung) == 1
    assert bell.notifier.held_back == 99
    bell.time = 61.0
    bell.notifier.see(replace(view, alerts=(*view.alerts, "one more")))
    assert len(bell.rung) == 2
    assert "99 notifications were held back" in bell.rung[1].words
    for minute in range(20):
        bell.time += 11
        bell.notifier.see(replace(view, alerts=(f"again {minute}",)))
    assert len(bell.rung) <= 2 + 4 * 4, "four a minute"


def test_a_kind_that_is_not_wanted_is_silent() -> None:
    bell = Bell()
    bell.unwanted.add("alert")
    view = demo_view()
    bell.notifier.see(view)
    bell.notifier.see(replace(view, alerts=("look",), chain_up=False))
    assert [note.kind for note in bell.rung] == ["chain"]


def test_a_lost_turn_is_told_with_its_reason() -> None:
    bell = Bell()
    view = demo_view()
    bell.notifier.see(view)
    first = view.jobs[0]
    down = replace(first, turns=turns_of(("voted down",) + ("waiting",) * 4, 0, 0), earned=Gwei(0))
    bell.notifier.see(replace(view, jobs=(down, *view.jobs[1:])))
    assert [(note.kind, "voted down" in note.words) for note in bell.rung] == [("lost", True)]


async def test_the_strip_tells_how_warm_the_gpus_are(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    gpus = tuple(Gpu(n, f"GPU-{n}", "RTX 4090", 0, "") for n in range(2))
    sensors = MemorySensors(gpus)
    sensors.show(GpuReading("GPU-0", 61, 182.4))
    sensors.show(GpuReading("GPU-1", 74, 233.0))
    facade.pausing = Pausing(
        MemoryMachine(), SystemClock(), MemoryDocument(), facade._pause, facade._stop, sensors
    )
    await facade.pausing.load()
    window = attach(facade)
    assert window.strip.gpus.isVisible()
    assert window.strip.gpus.text() == "GPU 74 °C · 415 W"


async def test_closing_leaves_a_node_in_the_tray_and_quitting_ends_it(theme: Theme, tmp_path: Path) -> None:
    desk = Desk(preferences=joining_desk(tmp_path).preferences)
    window = MainWindow(theme, "GPN Desktop", desk=desk)
    asked: list[bool] = []
    window.quit_asked.connect(lambda: asked.append(True))
    window.tray = Tray(window.show_window, window.strip.pause.toggle, window.ask_quit, window)
    window.show()
    window.attach(FakeFacade(replace(demo_view(), network="1", runtime="docker", jobs=())))
    window.close()
    assert not window.isVisible()
    assert asked == []
    window.tray.pause.trigger()
    await until(lambda: window.tray is not None and window.tray.pause.text() == "Resume")
    window.show_window("earnings")
    assert window.isVisible()
    assert window.current == "earnings"

    assert desk.preferences is not None
    await desk.preferences.set_ui(UiPreferences(close_to_tray=False))
    window.close()
    assert asked == [True]
    await window.tasks.aclose()
    window.finish()


async def test_muted_notifications_do_not_come(theme: Theme, tmp_path: Path) -> None:
    desk = Desk(preferences=joining_desk(tmp_path).preferences)
    assert desk.preferences is not None
    await desk.preferences.set_ui(UiPreferences(muted=frozenset({Notice.PAID})))
    window = MainWindow(theme, "GPN Desktop", desk=desk)
    assert [window._wants(notice.value) for notice in (Notice.PAID, Notice.LOST)] == [False, True]
    await window.tasks.aclose()
    window.finish()
