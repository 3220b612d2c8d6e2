"""Pictures of every page, busy and empty, in both themes, at one and two times the scale:
``python -m tests.ui.screenshots [folder]``.

Needs no display: the platform defaults to offscreen.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import mkdtemp

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyside6")

import qasync
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QFont, QImage
from PySide6.QtWidgets import QApplication

from gpn_desktop.adapters.system.bundles import FileBundles
from gpn_desktop.adapters.system.logbook import RingLogBook
from gpn_desktop.composition.openings import OFFER
from gpn_desktop.core.errors import NotSetUp
from gpn_desktop.core.types import Wei
from gpn_desktop.ports.chain import ProverInfo
from gpn_desktop.services.desk import Desk
from gpn_desktop.services.diagnostics import Diagnostics
from gpn_desktop.services.facade import Facade
from gpn_desktop.services.health import Health
from gpn_desktop.services.health_checks import NodeChecks
from gpn_desktop.services.views import NodeView
from gpn_desktop.ui.opening import Opening
from gpn_desktop.ui.pagelist import PAGES
from gpn_desktop.ui.pages.jobs import JobsPage
from gpn_desktop.ui.theme import DARK, LIGHT, Theme, Tokens
from gpn_desktop.ui.window import MainWindow
from tests.ui.fake import ME, FakeFacade, demo_view, empty_view, history_row
from tests.ui.fake_desk import joining_desk
from tests.ui.test_wallet import FakeAccount
from tests.unit.services.test_health import Machine, subject
from tests.unit.services.test_wallet import PASSPHRASE, SECRET

SIZE = QSize(1280, 800)
BANNER = "Demo network on this machine: nothing here has a value."
LOG = (
    (logging.INFO, "the node serves peers on port 4410 and consumers on 127.0.0.1:4411"),
    (logging.INFO, "chain 17000 is followed from block 18,402"),
    (logging.WARNING, "0x38b4…a3a6 announced a proof that was voted down; the evidence is kept"),
    (logging.INFO, "settled 3 requests in one transaction"),
    (logging.ERROR, "the endpoint two.example does not answer; one.example takes over"),
)
FOLDER = Path(__file__).resolve().parents[2] / "resources" / "screenshots"


def tints(tokens: Tokens) -> list[int]:
    """The theme's colours and the steps between text and ground that smooth letters use."""
    ground = QColor(tokens.surface)
    made = [QColor(tokens.color(f.name)) for f in fields(tokens) if f.name != "name"]
    for color in list(made):
        for part in (0.25, 0.5, 0.75):
            mixed = [
                a * part + b * (1 - part) for a, b in zip(color.getRgbF(), ground.getRgbF(), strict=True)
            ]
            made.append(QColor.fromRgbF(*mixed))
    return [color.rgb() for color in made]


def save(window: MainWindow, tokens: Tokens, path: Path) -> None:
    """With a palette of the theme's and the window's most frequent colours: a third of the size."""
    image = window.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = memoryview(image.constBits()).cast("I")
    frequent = [color for color, _ in Counter(pixels).most_common(256)]
    table = list(dict.fromkeys([*tints(tokens), *frequent]))[:256]
    flags = Qt.ImageConversionFlag.ThresholdDither
    image.convertToFormat(QImage.Format.Format_Indexed8, table, flags).save(str(path), "PNG", 0)


@dataclass(frozen=True)
class Scene:
    """``name`` stands in the files' names; "" is the busy node."""

    name: str
    view: NodeView
    history: int = 0


async def shoot(app: QApplication, folder: Path, scale: int) -> None:
    theme = Theme(app, DARK)
    suffix = f"-{scale}x" if scale > 1 else ""
    for scene in (Scene("", demo_view(), 40), Scene("empty", empty_view())):
        window = await _window(theme, scene)
        for tokens in (DARK, LIGHT):
            theme.use(tokens)
            for spec in (page for page in PAGES if not page.of_story):
                await _open(window, spec.key, scene)
                parts = [spec.key, tokens.name, *([scene.name] if scene.name else [])]
                save(window, tokens, folder / f"{'-'.join(parts)}{suffix}.png")
        await window.tasks.aclose()
        window.finish()
    await _start_page(theme, folder, suffix)


def _desk() -> Desk:
    """In a folder without a name, so that none of the machine's is in the pictures."""
    os.chdir(mkdtemp(prefix="gpn-screenshots-"))
    made = joining_desk(Path())
    made.logs = RingLogBook()
    lines = logging.Logger("gpn")
    lines.addHandler(made.logs)
    for level, words in LOG:
        lines.log(level, words)
    checks = NodeChecks(Machine(), subject, lambda: (True, False))  # type: ignore[arg-type]
    made.health = Health(checks.all())
    made.diagnostics = Diagnostics(made.health, made.logs, FileBundles(), dict)
    return made


async def _window(theme: Theme, scene: Scene) -> MainWindow:
    desk = _desk()
    window = MainWindow(theme, "GPN Desktop", BANNER, desk)
    window.resize(SIZE)
    window.show()
    oldest = min((job.received_ms for job in scene.view.jobs), default=0)
    facade = FakeFacade(scene.view, [history_row(n, oldest - 60_000) for n in range(scene.history)])
    if scene.view.jobs:
        facade.account = FakeAccount()
        facade.membership.me = ProverInfo(ME, 4, ME, Wei(10**18), 0, False)
        wallet = desk.wallet
        assert wallet is not None
        await wallet.import_hex(SECRET)
        await wallet.export_keystore(Path("backup.json"), PASSPHRASE)
        await wallet.test_restore(Path("backup.json"), PASSPHRASE)
    window.attach(facade)
    return window


async def _open(window: MainWindow, key: str, scene: Scene) -> None:
    window.go(key)
    await asyncio.sleep(0)
    page = window.pages[key]
    if isinstance(page, JobsPage) and scene.view.jobs:
        page.table.choose(scene.view.jobs[1].request_id)
    for _ in range(40):
        await asyncio.sleep(0.01)


async def _start_page(theme: Theme, folder: Path, suffix: str) -> None:
    """Where nothing is set up yet."""
    desk = _desk()
    window = MainWindow(theme, "GPN Desktop", "", desk)
    window.resize(SIZE)
    window.show()
    demo = Opening(_nothing, offer="Try the demo network", pitch=OFFER)
    window.show_failure(NotSetUp("No network is named."), demo)
    for tokens in (DARK, LIGHT):
        theme.use(tokens)
        for _ in range(40):
            await asyncio.sleep(0.01)
        save(window, tokens, folder / f"start-{tokens.name}{suffix}.png")
    await window.tasks.aclose()
    window.finish()


async def _nothing() -> Facade:
    raise AssertionError("nothing is opened here")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    scale = int(os.environ.get("QT_SCALE_FACTOR", "1"))
    if scale == 1:  # Qt takes another scale at its start only
        command = [sys.executable, "-m", "tests.ui.screenshots", str(folder)]
        subprocess.run(command, check=True, env={**os.environ, "QT_SCALE_FACTOR": "2"})
    app = QApplication(sys.argv[:1])
    font = QFont("Inter")
    font.setPixelSize(13)
    app.setFont(font)
    with asyncio.Runner(loop_factory=lambda: qasync.QEventLoop(app)) as runner:
        runner.run(shoot(app, folder, scale))


if __name__ == "__main__":
    main()
