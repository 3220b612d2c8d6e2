"""The window's process: the Qt application with the node's asyncio loop in it, and the one owner of quitting.

Knows no adapter: composition hands in a factory that builds the node. The window is up before the node is
built, so that slow imports belong into that factory.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from PySide6.QtWidgets import QApplication

from gpn_desktop.core.errors import GpnError
from gpn_desktop.ui.collector import MainThreadCollector
from gpn_desktop.ui.signals import QuitSignals
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.window import MainWindow

if TYPE_CHECKING:
    # For the types only: they pull in the protocol's cryptography, 0.3 s before the first paint.
    from gpn_desktop.services.facade import Facade

log = logging.getLogger("gpn.ui")

MakeFacade: TypeAlias = "Callable[[], Awaitable[Facade]]"
Background: TypeAlias = "Callable[[Facade], Awaitable[None]]"
# The facade shuts down within 5 s; a window that outlives it by this much would look hung.
CLOSE_SECONDS = 15.0
SWITCH_SECONDS = 0.0005


def has_display() -> bool:
    """Whether a window can be shown here."""
    if sys.platform in ("darwin", "win32"):
        return True
    if os.environ.get("QT_QPA_PLATFORM", "").startswith(("offscreen", "minimal", "vnc")):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def run_gui(
    make_facade: MakeFacade,
    *,
    title: str = "GPN Desktop",
    banner: str = "",
    background: Background | None = None,
) -> int:
    """Run the window until it is closed, or SIGINT or SIGTERM comes; the process's exit code.

    Args:
        make_facade: builds and starts the node on the loop it is awaited on. A GpnError is shown with its
            remedy and a button that calls it again; so is any other error.
        banner: shown on every page, such as that nothing in a demo has a value.
        background: runs beside the window, such as the demo's script; its error becomes a banner, and it is
            cancelled before the node is shut down.

    Returns:
        0, or 1 if the node never started or did not shut down in order.
    """
    os.environ.setdefault("QT_API", "pyside6")
    import qasync  # type: ignore[import-untyped]  # picks its Qt by QT_API when it is imported

    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(sys.argv[:1])
    app.setApplicationName("gpn-desktop")
    app.setApplicationDisplayName("GPN Desktop")
    app.setQuitOnLastWindowClosed(False)
    # Network and chain threads must hand the interpreter over within a frame.
    sys.setswitchinterval(SWITCH_SECONDS)
    qt_app = app
    with asyncio.Runner(loop_factory=lambda: qasync.QEventLoop(qt_app)) as runner:
        return runner.run(_desktop(qt_app, make_facade, title, banner, background))


async def _desktop(
    app: QApplication, make_facade: MakeFacade, title: str, banner: str, background: Background | None
) -> int:
    return await Desktop(app, make_facade, title, banner, background).run()


class Desktop:
    """One run: start, live, shut down in order. Made on the running loop, which its window's tasks use."""

    def __init__(
        self,
        app: QApplication,
        make_facade: MakeFacade,
        title: str,
        banner: str,
        background: Background | None,
    ) -> None:
        self._make_facade = make_facade
        self._background = background
        self._quit = asyncio.Event()
        self.window = MainWindow(Theme(app), title, banner)
        self.window.quit_asked.connect(self._quit.set)

    async def run(self) -> int:
        signals = QuitSignals(self.window.close)
        collector = MainThreadCollector(self.window)
        self.window.show()
        try:
            facade = await self._start()
            if facade is None:
                self.window.finish()
                return 1
            self._settle_memory()
            self.window.attach(facade)
            return await self._live(facade)
        finally:
            collector.stop()
            signals.close()

    async def _start(self) -> Facade | None:
        """The running node, or None if the window was closed before there was one."""
        again = asyncio.Event()
        self.window.start_page.again.connect(again.set)
        while not self._quit.is_set():
            building = asyncio.ensure_future(self._make_facade())
            await self._first(building)
            if self._quit.is_set():
                await self._abandon(building)
                return None
            error = building.exception()
            if error is None:
                return building.result()
            log.error("the node did not start", exc_info=None if isinstance(error, GpnError) else error)
            self.window.show_failure(error)
            again.clear()
            retry = asyncio.ensure_future(again.wait())
            await self._first(retry)
            retry.cancel()
            self.window.show_starting()
        return None

    async def _first(self, work: asyncio.Future[Facade] | asyncio.Task[bool]) -> None:
        """Wait for the work, or for the wish to quit."""
        quitting = asyncio.ensure_future(self._quit.wait())
        try:
            await asyncio.wait({work, quitting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            quitting.cancel()

    async def _abandon(self, building: asyncio.Future[Facade]) -> None:
        building.cancel()
        results = await asyncio.gather(building, return_exceptions=True)
        if not isinstance(results[0], BaseException):
            await self._shut_down(results[0])

    async def _live(self, facade: Facade) -> int:
        script: asyncio.Task[None] | None = None
        if self._background is not None:
            script = self.window.tasks.start(_run(self._background, facade))
        await self._quit.wait()
        if script is not None:
            script.cancel()
            await asyncio.gather(script, return_exceptions=True)
        code = await self._shut_down(facade)
        await self.window.tasks.aclose()
        self.window.finish()
        return code

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
        """What start-up made lives as long as the process; collecting over it again costs frames."""
        gc.collect()
        gc.freeze()


async def _run(background: Background, facade: Facade) -> None:
    await background(facade)
