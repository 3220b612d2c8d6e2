"""Pictures of every page in both themes: ``python -m tests.ui.screenshots [folder]``.

Needs no display: the platform defaults to offscreen.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from dataclasses import fields
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyside6")

import qasync
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QFont, QImage
from PySide6.QtWidgets import QApplication

from gpn_desktop.ui.pagelist import PAGES
from gpn_desktop.ui.pages.jobs import JobsPage
from gpn_desktop.ui.theme import DARK, LIGHT, Theme, Tokens
from gpn_desktop.ui.window import MainWindow
from tests.ui.fake import FakeFacade, demo_view, history_row

SIZE = QSize(1280, 800)
BANNER = "Demo network on this machine: nothing here has a value."
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
        for spec in (page for page in PAGES if not page.of_story):
            window.go(spec.key)
            await asyncio.sleep(0)
            page = window.pages[spec.key]
            if isinstance(page, JobsPage):
                page.table.choose(view.jobs[1].request_id)
            for _ in range(20):
                await asyncio.sleep(0.01)
            save(window, tokens, folder / f"{spec.key}-{tokens.name}.png")
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
