"""The window before its content: what can be painted while the content's code is still being imported.

Reading that code takes three times as long as showing a window does, so the window is shown first, in the
colours and with the edges that it is going to have. Imports nothing but Qt and the theme.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from PySide6.QtCore import QEventLoop, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QIcon
from PySide6.QtWidgets import QApplication, QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from gpn_desktop.ui import startup
from gpn_desktop.ui.theme import ICONS, SIDEBAR, STRIP, WINDOW, WINDOW_LEAST, Theme
from gpn_desktop.ui.widgets.brand import MARGINS, NAME, Brand

# A window that opens minimised is not painted at all.
PAINTED_MS: Final = 1000


def has_display() -> bool:
    """Whether a window can be shown here."""
    if sys.platform in ("darwin", "win32"):
        return True
    if os.environ.get("QT_QPA_PLATFORM", "").startswith(("offscreen", "minimal", "vnc")):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


class Shell(QWidget):
    """The top-level window around ``hold``'s content, which decides whether it closes."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self._content: QWidget | None = None
        self._asked = False
        self.setWindowTitle(NAME)
        self.setWindowIcon(QIcon(str(ICONS / "app.svg")))
        self.resize(*map(theme.fonts.px, WINDOW))
        self.setMinimumSize(*map(theme.fonts.px, WINDOW_LEAST))
        self._layout = QStackedLayout(self)
        self._outline = _outline(theme)
        self._layout.addWidget(self._outline)

    def hold(self, content: QWidget) -> None:
        """Show this from now on, under its title; a close that was asked for meanwhile is asked again."""
        self._content = content
        content.windowTitleChanged.connect(self.setWindowTitle)
        self.setWindowTitle(content.windowTitle())
        self._layout.addWidget(content)
        self._layout.setCurrentWidget(content)
        self._outline.deleteLater()
        if self._asked:
            QTimer.singleShot(0, self.close)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        if self._content is None:
            self._asked = True
            event.ignore()
        else:
            event.setAccepted(self._content.close())


def open_shell(look: str, report: bool) -> Shell:
    """Make the application and show its window; returns once it is painted."""
    app = QApplication(sys.argv[:1])
    app.setApplicationName("gpn-desktop")
    app.setApplicationDisplayName(NAME)
    app.setDesktopFileName("org.gpn.desktop")  # the package's entry; Wayland takes the window's icon from it
    theme = Theme(app)
    theme.choose(look)
    shell = Shell(theme)
    seen: list[int] = []
    startup.FirstPaint(shell, seen.append)
    if report:
        startup.report(shell, "first_paint_ms")
    QTimer.singleShot(PAINTED_MS, shell, lambda: seen.append(PAINTED_MS))
    shell.show()
    while not seen:
        app.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    return shell


def _outline(theme: Theme) -> QWidget:
    """Sidebar, page and strip, empty."""
    outline = QWidget()
    column = QVBoxLayout(outline)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    upper = QHBoxLayout()
    upper.setSpacing(0)
    sidebar, page, strip = (_part(name) for name in ("sidebar", "content", "strip"))
    sidebar.setFixedWidth(theme.fonts.px(SIDEBAR))
    strip.setFixedHeight(theme.fonts.px(STRIP))
    head = QVBoxLayout(sidebar)
    head.setContentsMargins(*MARGINS)
    head.addWidget(Brand(theme))
    head.addStretch(1)
    upper.addWidget(sidebar)
    upper.addWidget(page, 1)
    column.addLayout(upper, 1)
    column.addWidget(strip)
    return outline


def _part(name: str) -> QWidget:
    part = QWidget()
    part.setObjectName(name)
    part.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    return part
