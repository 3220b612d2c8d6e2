"""Drives the real window from inside its process, as a person would: by clicks and keys on what is visible.

Run as a program of its own on a real display. It tells what it saw as lines of JSON; the test judges them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_API", "pyside6")

import qasync
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.composition.demo_args import DemoArgs
from gpn_desktop.composition.desk import window_start
from gpn_desktop.composition.openings import demo_opening, node_opening
from gpn_desktop.services.node import Node
from gpn_desktop.services.views import Phase
from gpn_desktop.ui.app import Desktop
from gpn_desktop.ui.pages.demo import DemoPage
from gpn_desktop.ui.pages.wallet import WalletPage
from gpn_desktop.ui.shell import Shell, open_shell

PASSPHRASE = "correct horse battery"
SECONDS = float(os.environ.get("E2E_SECONDS", "200"))


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


async def until(true: Callable[[], object], what: str, within: float = SECONDS) -> None:
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        await asyncio.sleep(0.02)


async def click(widget: QWidget, at: QPoint | None = None) -> None:
    name = widget.accessibleName()
    await until(lambda: widget.isVisible() and widget.isEnabled(), f"{name!r}")
    done = asyncio.get_running_loop().create_future()

    def press() -> None:
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=at or widget.rect().center())
        done.set_result(None)

    # From Qt's own loop: a click handles events, and must not do so inside of a task.
    QTimer.singleShot(0, press)
    await done


class Person:
    def __init__(self, desktop: Desktop, folder: Path) -> None:
        self.desktop, self.window, self.folder = desktop, desktop.window, folder

    async def wallet(self) -> None:
        """A key of one's own in the system's keyring, exported, and the export tested."""
        await until(lambda: self.window.start_page.join is not None, "the start page")
        join = self.window.start_page.join
        assert join is not None
        await click(join.rows["key"].act)
        page = self.window.pages["wallet"]
        assert isinstance(page, WalletPage)
        await until(lambda: page._looking is None, "the keyring")
        await click(page.main)
        await until(page.form.isVisible, "the words")
        words = [w for w in page.form.input("words").toPlainText().split() if not w.isdigit()]
        for key in list(page.form._inputs):
            if key.startswith("word") and key != "words":
                page.form.input(key).setText(words[int(key.removeprefix("word"))])
        await click(page.form.confirm)
        await until(lambda: "Made" in page.form.state.text(), "the key")
        await click(page.form.cancel)
        await self.backup(page)
        state = page.context.desk.wallet.state if page.context.desk.wallet is not None else None
        assert state is not None
        tell(wallet=state.place.value, tested=state.backed_up, keyring=state.keyring)

    async def backup(self, page: WalletPage) -> None:
        path = self.folder / "backup.json"
        for entry, values, said in (
            ("Export", {"path": str(path), "new": PASSPHRASE, "again": PASSPHRASE}, "Written"),
            ("Test a keystore", {"path": str(path), "secret": PASSPHRASE}, "backup"),
        ):
            await click(page.main)
            (action,) = [a for a in page.menu.actions() if entry in a.text()]
            await click(page.menu, page.menu.actionGeometry(action).center())
            await until(page.form.isVisible, entry)
            for key, value in values.items():
                made = page.form.input(key)
                made.setPlainText(value) if isinstance(made, QPlainTextEdit) else made.setText(value)
            await click(page.form.confirm)
            form = page.form
            await until(lambda f=form: not f.working, entry)  # type: ignore[misc]
            assert said in form.state.text(), f"{form.state.text()} {form.answer.text()}"
            await click(page.form.cancel)

    async def demo(self) -> None:
        """The demo network from the start page, to its last paid request."""
        self.window.go("home")
        await click(self.window.start_page.instead)
        await until(lambda: "home" in self.window.pages, "the demo network")
        shown = self.window
        await until(
            lambda: (
                shown.shown is not None
                and len(shown.shown.jobs) >= 2
                and all(job.phase is Phase.PAID for job in shown.shown.jobs)
            ),
            "the payout",
        )
        assert shown.shown is not None
        view = shown.shown
        earned = sum(job.earned for job in view.jobs)
        tell(paid=len(view.jobs), runtime=view.runtime, peers=view.peers, earned=earned)

    async def tour(self) -> None:
        """One request of one's own, watched until its verdict."""
        self.window.go("demo")
        page = self.window.pages["demo"]
        assert isinstance(page, DemoPage)
        await click(page.tour.send)
        await until(lambda: page.tour.job is not None and page.tour.job.phase is Phase.SETTLED, "a proof")
        tell(tour=[fact.text for fact in page.tour.steps.facts if fact.tone == "good"])

    async def crash(self) -> None:
        """The network's thread dies beneath the window; one request more shows that the node is whole."""
        node = self.window._facade
        assert isinstance(node, Node)
        network = node.ctx.network
        assert isinstance(network, LibP2PNetwork)

        def die() -> None:
            raise SystemExit("the network's thread ends")

        before = node.view().peers
        began = time.monotonic()
        network._thread.post(die)
        await until(lambda: node.view().peers == 0, "the peers to be lost")
        await until(lambda: node.view().peers == before, "the peers to be back")
        tell(back_in=round(time.monotonic() - began, 2))
        page = self.window.pages["demo"]
        assert isinstance(page, DemoPage)
        assert page.tour.job is not None
        first = page.tour.job.request_id
        await click(page.tour.send)
        await until(lambda: page.tour.job is not None and page.tour.job.request_id != first, "one more")
        await until(lambda: page.tour.job is not None and page.tour.job.phase is Phase.SETTLED, "its proof")

    async def pages(self) -> None:
        """Every page opens; the window is neither empty nor torn."""
        for key in self.window.sidebar.buttons:
            if not self.window.sidebar.buttons[key].isHidden():
                self.window.go(key)
                await asyncio.sleep(0.2)  # and is painted
        banners = [banner.text for banner in self.window.banners.shown if banner.tone == "bad"]
        tell(pages=sorted(self.window.pages), bad=banners)


async def main(shell: Shell, folder: Path, requests: int) -> int:
    start = window_start(None)
    demo = demo_opening(DemoArgs(nodes=3, requests=requests))
    desktop = Desktop(shell, node_opening(None, start.desk), demo, start)
    ended = asyncio.ensure_future(desktop.run())
    person = Person(desktop, folder)
    for act in (person.wallet, person.demo, person.tour, person.crash):
        doing = asyncio.ensure_future(act())
        await asyncio.wait({doing, ended}, return_when=asyncio.FIRST_COMPLETED)
        doing.result()
    await person.pages()
    began = time.monotonic()
    desktop.window.ask_quit()
    code = await ended
    tell(code=code, closed_in=round(time.monotonic() - began, 2), platform=shell.theme.app.platformName())
    return code


if __name__ == "__main__":
    window = open_shell("dark", report=False)
    with asyncio.Runner(loop_factory=lambda: qasync.QEventLoop(window.theme.app)) as runner:
        sys.exit(runner.run(main(window, Path(sys.argv[1]), int(sys.argv[2]))))
