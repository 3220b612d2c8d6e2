"""Messages across the top of every page: derived from state, or an error that waits to be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import Icon, button, label


@dataclass(frozen=True, slots=True)
class Banner:
    """``tone``: info, warn, bad. ``act`` names the button that opens ``page``, "" where none does."""

    text: str
    tone: str = "info"
    dismissable: bool = False
    act: str = ""
    page: str = ""


class BannerArea(QWidget):
    """Shows the banners it is given; ``dismiss`` gets one whose button was pressed, ``go`` opens a page."""

    def __init__(self, theme: Theme, dismiss: Callable[[Banner], None], go: Callable[[str], None]) -> None:
        super().__init__()
        self._theme, self._go = theme, go
        self._dismiss = dismiss
        self.shown: tuple[Banner, ...] = ()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(32, 16, 32, 0)
        self._column.setSpacing(8)
        self.hide()

    def show_banners(self, banners: Sequence[Banner]) -> None:
        banners = tuple(banners)
        if banners == self.shown:
            return
        self.shown = banners
        while (item := self._column.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        for banner in banners:
            self._column.addWidget(self._row(banner))
        self.setVisible(bool(banners))

    def _row(self, banner: Banner) -> QWidget:
        theme = self._theme
        frame = QFrame()
        frame.setObjectName("banner")
        frame.setProperty("tone", banner.tone)
        frame.setAccessibleName(banner.text)
        row = QHBoxLayout(frame)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(8)
        icon = Icon(theme, "info" if banner.tone == "info" else "warn", banner.tone)
        row.addWidget(icon, 0, Qt.AlignmentFlag.AlignTop)
        text = label(banner.text, theme.fonts.body, wrap=True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row.addWidget(text, 1)
        if banner.act:
            act = button(banner.act, theme, "link")
            act.clicked.connect(lambda: self._go(banner.page))
            row.addWidget(act, 0, Qt.AlignmentFlag.AlignTop)
        if banner.dismissable:
            close = button(tr("Dismiss"), theme, "link")
            close.clicked.connect(lambda: self._dismiss(banner))
            row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        return frame
