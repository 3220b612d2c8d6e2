"""The window's process: the Qt application with the node's asyncio loop in it, and the one owner of quitting.

Knows no adapter: composition hands in what can be opened. The window is up before the node is built, so that
slow imports belong into the opening's factory.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gpn_desktop.core.errors import GpnError
from gpn_desktop.ui import language, startup
from gpn_desktop.ui.collector import MainThreadCollector
from gpn_desktop.ui.opening import Background, Opening, Start
from gpn_desktop.ui.pages.start import UNSET
from gpn_desktop.ui.shell import Shell, open_shell
from gpn_desktop.ui.signals import QuitSignals
from gpn_desktop.ui.single import SingleInstance, raise_other
from gpn_desktop.ui.window import MainWindow

if TYPE_CHECKING:
    # For the types only: they pull in the protocol's cryptography, 0.3 s before the first paint.
    from gpn_desktop.services.facade import Facade

log = logging.getLogger("gpn.ui")

# For what runs beside the node and for the node, each: both end within seconds, and a window that outlives
# them by more looks hung.
CLOSE_SECONDS = 7.0
SWITCH_SECONDS = 0.0005


def run_gui(
    opening: Opening, other: Opening | None = None, start: Start | None = None, shell: Shell | None = None
) -> int:
    """Run the window until it is closed, or SIGINT or SIGTERM comes; the process's exit code.

    Args:
        opening: what is opened first.
        other: offered where that cannot start.
        start: what is there without a node, and under which name a second start finds this one.
        shell: the window, where it is in sight already.

    Returns:
        0, or 1 if the window was closed over a failed start or the node did not shut down in order.
    """
    os.environ.setdefault("QT_API", "pyside6")
    import qasync  # type: ignore[import-untyped]  # picks its Qt by QT_API when it is imported

    shell = shell or open_shell("system", report=False)
    app = shell.theme.app
    if start is not None and start.instance and raise_other(start.instance):
        return 0
    # Network and chain threads must hand the interpreter over within a frame.
    sys.setswitchinterval(SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=lambda: qasync.QEventLoop(app)) as runner:
        return runner.run(_desktop(shell, opening, other, start or Start()))


async def _desktop(shell: Shell, opening: Opening, other: Opening | None, start: Start) -> int:
    return await Desktop(shell, opening, other, start).run()


class Desktop:
    """One run: start, live, shut down in order. Made on the running loop, which its window's tasks use."""

    def __init__(
        self, shell: Shell, opening: Opening, other: Opening | None = None, start: Start | None = None
    ) -> None:
        app = shell.theme.app
        app.setQuitOnLastWindowClosed(False)  # the node is to be shut down first
        self._begin = start = start or Start()
        self._opening = opening
        self._other = other
        self._failed = False
        self._quit = asyncio.Event()
        self._again = asyncio.Event()
        self._choice = asyncio.Event()
        self._preferences = start.desk.preferences
        if self._preferences is not None:
            language.use(app, self._preferences.ui.language)
            self._preferences.subscribe(self._prefer)
        self._shell, self._theme = shell, shell.theme
        self._prefer()
        self.window = MainWindow(self._theme, opening.title, opening.banner, start.desk)
        self._instance = SingleInstance(start.instance, self.window) if start.instance else None
        if self._instance is not None:
            self._instance.raised.connect(self.window.show_window)
        self.window.quit_asked.connect(self._quit.set)
        self.window.join_asked.connect(self._switch)
        self.window.start_page.again.connect(self._choice.set)
        self.window.start_page.other.connect(self._switch)

    async def run(self) -> int:
        signals = QuitSignals(self.window.quit_now)
        collector = MainThreadCollector(self.window)
        self.window.show_starting(self._opening)
        if self._begin.report:
            startup.report(self.window, "complete_ms")
        self._shell.hold(self.window)
        self._shell.show()
        self.window.open_tray()
        code = 0
        try:
            await self._furnish()
            while (facade := await self._start()) is not None:
                code = max(code, await self._live(facade))
                if self._quit.is_set():
                    break
                await self.window.detach()
            await self.window.tasks.aclose()
            self.window.finish()
            return code or int(self._failed)
        finally:
            collector.stop()
            if self._instance is not None:
                self._instance.close()
            signals.close()  # last: from here on a signal ends the process where it stands

    async def restart(self) -> None:
        """End the node and start it with the settings as they are by then."""
        self._again.set()

    def _prefer(self) -> None:
        if self._preferences is not None:
            self._theme.choose(self._preferences.ui.look.value)
            self._theme.move(self._preferences.ui.motion)

    async def _furnish(self) -> None:
        """What takes a moment is imported while the window is in sight, and its pages wait for it."""
        if self._begin.furnish is not None:
            self.window.sidebar.setEnabled(False)
            try:
                await self._begin.furnish(self._begin.desk)
            finally:
                self.window.sidebar.setEnabled(True)

    async def _start(self) -> Facade | None:
        """The running node, or None if the window was closed before there was one."""
        while not self._quit.is_set():
            self._failed = False
            self.window.show_starting(self._opening)
            building = asyncio.ensure_future(self._opening.make_facade())
            await self._first(building)
            if self._quit.is_set():
                await self._abandon(building)
                return None
            error = building.exception()
            if error is None:
                return building.result()
            # A node that nobody has set up yet is no failure.
            self._failed = not isinstance(error, UNSET)
            if self._failed:
                log.error(
                    "the start failed: %s", error, exc_info=None if isinstance(error, GpnError) else error
                )
            self._choice.clear()
            self.window.show_failure(error, self._other)
            choosing = asyncio.ensure_future(self._choice.wait())
            await self._first(choosing)
            choosing.cancel()
        return None

    def _switch(self) -> None:
        """To the other of the two: the operator's own node, or the demo."""
        if self._other is not None:
            self._opening, self._other = self._other, self._opening
            self._choice.set()
            self._again.set()

    async def _first(self, work: asyncio.Future[Any]) -> None:
        """Wait for the work, or for the wish to quit."""
        quitting = asyncio.ensure_future(self._quit.wait())
        try:
            await asyncio.wait({work, quitting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            quitting.cancel()

    async def _abandon(self, building: asyncio.Future[Facade]) -> None:
        await _end(building, "the start")
        if building.done() and not building.cancelled() and building.exception() is None:
            await self._shut_down(building.result())

    async def _live(self, facade: Facade) -> int:
        """Until it is to end, for good or for another one; what its shutdown came to."""
        self._settle_memory()
        self._again.clear()
        self.window.attach(facade)
        if self._preferences is not None:
            self._preferences.node_started()
            restart = self.restart if self._opening.story is None else None
            self._preferences.doors = replace(self._preferences.doors, restart=restart)
        script: asyncio.Task[None] | None = None
        if self._opening.background is not None:
            script = self.window.tasks.start(_run(self._opening.background, facade))
        ending = asyncio.ensure_future(self._again.wait())
        await self._first(ending)
        ending.cancel()
        if script is not None:
            await _end(script, "what runs beside the node")
        return await self._shut_down(facade)

    async def _shut_down(self, facade: Facade) -> int:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await facade.aclose()
        except TimeoutError:
            log.error("the node did not shut down within %.0f s", CLOSE_SECONDS)
            return 1
        except GpnError as error:
            log.error("the node did not shut down in order: %s", error)
            return 1
        return 0

    def _settle_memory(self) -> None:
        """What start-up made lives as long as the process; collecting over it costs frames, so it is left out
        from now on, and its oldest part even now."""
        gc.collect(1)
        gc.freeze()


async def _run(background: Background, facade: Facade) -> None:
    await background(facade)


async def _end(work: asyncio.Future[Any], name: str) -> None:
    """Cancel it and wait, but not for ever: what is left ends with the process."""
    work.cancel()
    _, late = await asyncio.wait({work}, timeout=CLOSE_SECONDS)
    if late:
        log.error("%s did not end within %.0f s", name, CLOSE_SECONDS)
