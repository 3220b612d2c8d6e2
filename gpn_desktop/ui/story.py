"""What happens while a network is set up and played, as lines for people.

Whoever plays it tells; the start page, the strip and the Demo page show it. Told on the GUI thread only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

if TYPE_CHECKING:
    from gpn_desktop.services.demo.encore import Encore

# A demo of 100 requests tells about 130; the page shows them all.
MOST_LINES = 2000


@dataclass(frozen=True, slots=True)
class StoryLine:
    """``number`` counts from 0; ``detail`` lines belong to the one before them. ``tone`` as in the theme."""

    number: int
    time_ms: int
    text: str
    tone: str = "text"
    detail: bool = False


class Story(QObject):
    """Lines in the order in which they were told; ``told`` carries each as it comes."""

    told = Signal(object)
    tour_opened = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.tour: Encore | None = None
        """What can be asked of the network once its own play is over."""
        self.lines: list[StoryLine] = []
        self._count = 0

    def tell(self, text: str, tone: str = "text") -> None:
        """A line; leading spaces make it a detail."""
        words = text.strip()
        line = StoryLine(self._count, time.time_ns() // 1_000_000, words, tone, text.startswith(" "))
        self._count += 1
        self.lines.append(line)
        del self.lines[:-MOST_LINES]
        self.told.emit(line)

    def open_tour(self, tour: Encore) -> None:
        self.tour = tour
        self.tour_opened.emit()

    def clear(self) -> None:
        """Another try begins."""
        self.tour = None
        self.lines.clear()
