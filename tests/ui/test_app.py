"""One owner of quitting: close button, SIGINT and SIGTERM all await the node's shutdown."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from gpn_desktop.core.errors import NotSetUp, PortInUse
from gpn_desktop.services.facade import Facade
from gpn_desktop.ui.app import Desktop
from gpn_desktop.ui.opening import Opening, Start
from gpn_desktop.ui.pages.demo import DemoPage
from gpn_desktop.ui.pages.earnings import EarningsPage
from gpn_desktop.ui.shell import Shell, has_display
from gpn_desktop.ui.story import Story
from gpn_desktop.ui.theme import Theme
from tests.ui.conftest import until
from tests.ui.fake import FakeFacade, demo_view
from tests.ui.fake_desk import joining_desk

UI = Path(__file__).resolve().parents[2] / "gpn_desktop" / "ui"


def desktop(
    qapp: QApplication, make: Callable[[], object], background: Callable[[Facade], object] | None = None
) -> Desktop:
    return Desktop(Shell(Theme(qapp)), Opening(make, background=background))  # type: ignore[arg-type]


async def test_closing_awaits_the_shutdown(qapp: QApplication) -> None:
    facade = FakeFacade(demo_view())
    facade.may_close.clear()

    async def make() -> Facade:
        return facade

    run = desktop(qapp, make)
    ended = asyncio.ensure_future(run.run())
    await until(lambda: bool(run.window.pages))
    run.window.close()
    run.window.close()
    await asyncio.sleep(0)
    assert run.window.isVisible()
    assert run.window.banners.shown[0].text.startswith("Closing")
    assert not ended.done()
    facade.may_close.set()
    assert await ended == 0
    assert facade.closed == 1
    assert not run.window.isVisible()
    assert facade.watchers == set()


async def test_a_node_that_cannot_start_says_why_and_can_be_tried_again(qapp: QApplication) -> None:
    facade = FakeFacade(demo_view())
    results: list[object] = [PortInUse("Port 9000 is taken."), facade]

    async def make() -> Facade:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return facade

    run = desktop(qapp, make)
    ended = asyncio.ensure_future(run.run())
    start = run.window.start_page
    await until(start.retry.isVisible)
    assert "GPN-1105" in start.state.text()
    assert "Port 9000" in start.words.text()
    start.retry.click()
    await until(lambda: bool(run.window.pages))
    run.window.close()
    assert await ended == 0


async def test_closing_in_the_middle_of_a_withdrawal(
    qapp: QApplication, capfd: pytest.CaptureFixture[str]
) -> None:
    """The window does not wait for the transaction: the node has it in its journal, and goes on there."""
    facade = FakeFacade(demo_view())
    facade.may_withdraw.clear()

    async def make() -> Facade:
        return facade

    run = desktop(qapp, make)
    ended = asyncio.ensure_future(run.run())
    await until(lambda: bool(run.window.pages))
    run.window.go("earnings")
    page = run.window.pages["earnings"]
    assert isinstance(page, EarningsPage)
    page.withdraw.click()
    page.sheet.confirm.click()
    assert page.sheet.working
    run.window.close()
    async with asyncio.timeout(5):
        assert await ended == 0
    assert facade.closed == 1
    gc.collect()
    assert "never" not in capfd.readouterr().err


async def test_closing_before_there_is_a_node(qapp: QApplication) -> None:
    cancelled = asyncio.Event()
    begun = asyncio.Event()

    async def make() -> Facade:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    run = desktop(qapp, make)
    ended = asyncio.ensure_future(run.run())
    await begun.wait()
    run.window.close()
    assert await ended == 0
    assert cancelled.is_set()


async def test_closing_over_a_failed_start_is_an_error(qapp: QApplication) -> None:
    async def make() -> Facade:
        raise PortInUse("Port 9000 is taken.")

    run = desktop(qapp, make)
    ended = asyncio.ensure_future(run.run())
    await until(run.window.start_page.retry.isVisible)
    assert not run.window.start_page.instead.isVisible()
    run.window.close()
    assert await ended == 1


async def test_where_nothing_is_set_up_the_demo_can_be_opened_instead(
    qapp: QApplication, tmp_path: Path
) -> None:
    async def unset() -> Facade:
        raise NotSetUp("No network is named.")

    facade = FakeFacade(demo_view())
    story = Story()
    standing = asyncio.Event()

    async def make() -> Facade:
        story.tell("Starting a local chain")
        story.tell("  node-1 serves")
        await standing.wait()
        return facade

    other = Opening(
        make, title="Demo", story=story, offer="Try the demo network", pitch="It shows everything."
    )
    run = Desktop(
        Shell(Theme(qapp)), Opening(unset, offer="Join a network"), other, Start(joining_desk(tmp_path))
    )
    window, start = run.window, run.window.start_page
    ended = asyncio.ensure_future(run.run())
    await until(start.instead.isVisible)
    assert start.join is not None
    await until(start.join.rows["key"].act.isVisible)
    assert start.join.rows["key"].act.text() == "Set up the key"
    assert not start.join.rows["start"].act.isEnabled()
    start.instead.click()
    await until(lambda: len(start.steps.facts) == 2)
    assert not start.instead.isVisible()
    assert window.windowTitle() == "Demo"
    standing.set()
    await until(lambda: bool(window.pages))
    story.tell("request-1: proved by node-2")
    assert window.strip.story.toolTip() == "request-1: proved by node-2"
    assert not window.sidebar.buttons["demo"].isHidden()
    window.go("demo")
    page = window.pages["demo"]
    assert isinstance(page, DemoPage)
    story.tell("The demo failed: no reason.", "bad")
    assert [line.text for line in page.model.rows][-1] == "The demo failed: no reason."
    assert any(banner.text == "The demo failed: no reason." for banner in window.banners.shown)
    window.close()
    assert await ended == 0


async def test_the_script_beside_the_window_ends_before_the_node(qapp: QApplication) -> None:
    facade = FakeFacade(demo_view())
    closed_before: list[int] = []

    async def make() -> Facade:
        return facade

    async def script(node: Facade) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closed_before.append(facade.closed)

    run = desktop(qapp, make, script)
    ended = asyncio.ensure_future(run.run())
    await until(lambda: bool(run.window.pages))
    await asyncio.sleep(0.01)
    run.window.close()
    assert await ended == 0
    assert closed_before == [0]


async def test_an_error_of_the_script_is_a_banner(qapp: QApplication) -> None:
    facade = FakeFacade(demo_view())

    async def make() -> Facade:
        return facade

    async def script(node: Facade) -> None:
        raise PortInUse("Port 9000 is taken.")

    run = desktop(qapp, make, script)
    ended = asyncio.ensure_future(run.run())
    await until(lambda: any("GPN-1105" in banner.text for banner in run.window.banners.shown))
    run.window.close()
    assert await ended == 0


PROGRAM = """
import asyncio, sys
from gpn_desktop.ui.app import run_gui
from gpn_desktop.ui.opening import Opening, Start
from tests.ui.fake import FakeFacade, demo_view
from tests.ui.fake_desk import joining_desk

class Node(FakeFacade):
    async def aclose(self):
        await asyncio.sleep(0.05)
        print("closed", flush=True)

async def make():
    return Node(demo_view())

async def ready(node):
    print("ready", flush=True)
    await asyncio.Event().wait()

sys.exit(run_gui(Opening(make, background=ready)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals between processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_program_in_order(number: signal.Signals) -> None:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=UI.parents[1],
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(number)
        out, errors = program.communicate(timeout=20)
    assert out == "closed\n", errors
    assert program.returncode == 0
    assert "Traceback" not in errors


def test_display_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert not has_display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert has_display()
    monkeypatch.delenv("WAYLAND_DISPLAY")
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert has_display()
    monkeypatch.delenv("QT_QPA_PLATFORM")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert has_display()


def test_nothing_in_the_window_blocks_the_loop() -> None:
    forbidden = (".exec(", ".exec_(", "asyncSlot", "asyncClose", "Signal(int)", "time.sleep")
    for module in UI.rglob("*.py"):
        source = module.read_text(encoding="utf-8")
        assert not [word for word in forbidden if word in source], module.name


def test_the_window_is_up_before_slow_imports() -> None:
    code = "import sys, gpn_desktop.ui.app; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=UI.parents[1]
    ).stdout.split()
    assert "PySide6.QtWidgets" in loaded
    slow = {
        "web3",
        "libp2p",
        "trio",
        "docker",
        "grpc",
        "coincurve",
        "Crypto",
        "eth_account",
        "sqlite3",
        "keyring",
    }
    assert slow.isdisjoint(loaded)
