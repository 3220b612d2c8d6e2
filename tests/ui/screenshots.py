"""Pictures of every page in both themes: ``python -m tests.ui.screenshots [folder]``.

Needs no display: the platform defaults to offscreen.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyside6")

import qasync
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QApplication

from gpn_desktop.ui.pages.jobs import JobsPage
from gpn_desktop.ui.theme import DARK, LIGHT, Theme
from gpn_desktop.ui.window import PAGES, MainWindow
from tests.ui.fake import FakeFacade, demo_view, history_row

SIZE = QSize(1280, 800)
COLORS = 128
BANNER = "Demo network on this machine: nothing here has a value."
FOLDER = Path(__file__).resolve().parents[2] / "resources" / "screenshots"


def save(window: MainWindow, path: Path) -> None:
    """As a palette image: a third of the size, and no difference in flat surfaces and text."""
    image = window.grab().toImage()
    image = image.convertToFormat(image.Format.Format_Indexed8, Qt.ImageConversionFlag.ThresholdDither)
    image.save(str(path), "PNG", 0)


async def shoot(app: QApplication, folder: Path) -> None:
    theme = Theme(app, DARK)
    window = MainWindow(theme, "GPN Desktop", BANNER)
    view = demo_view()
    oldest = view.jobs[-1].received_ms
    window.resize(SIZE)
    window.show()
    window.attach(FakeFacade(view, [history_row(n, oldest - 60_000) for n in range(40)]))
    for tokens in (DARK, LIGHT):
        theme.use(tokens)
        for spec in PAGES:
            window.go(spec.key)
            await asyncio.sleep(0)
            page = window.pages[spec.key]
            if isinstance(page, JobsPage):
                page.table.choose(view.jobs[1].request_id)
            for _ in range(20):
                await asyncio.sleep(0.01)
            save(window, folder / f"{spec.key}-{tokens.name}.png")
    window.finish()


def main() -> None:
    app = QApplication(sys.argv[:1])
    font = QFont("Inter")
    font.setPixelSize(13)
    app.setFont(font)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with asyncio.Runner(loop_factory=lambda: qasync.QEventLoop(app)) as runner:
        runner.run(shoot(app, folder))


if __name__ == "__main__":
    main()
