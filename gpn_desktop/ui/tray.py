"""The tray icon, where the desktop has a tray: the node's state, pause, the window, and the end."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from gpn_desktop.services.views import NodeView
from gpn_desktop.ui.notify import Note
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.theme import ICONS

NOTE_MS = 8000


class Tray(QObject):
    """``show_window(page)`` opens the window on a page, or as it was with ""."""

    def __init__(
        self,
        show_window: Callable[[str], None],
        pause: Callable[[], None],
        end: Callable[[], object],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._page = ""
        self._open = show_window
        self.icon = QSystemTrayIcon(QIcon(str(ICONS / "app.svg")), self)
        self.menu = QMenu()
        self.state = self.menu.addAction(tr("Starting"))
        self.state.setEnabled(False)
        self.menu.addSeparator()
        self.menu.addAction(tr("Show the window")).triggered.connect(lambda: show_window(""))
        self.pause = self.menu.addAction(tr("Pause"))
        self.pause.triggered.connect(lambda: pause())
        self.pause.setEnabled(False)
        self.menu.addSeparator()
        self.menu.addAction(tr("Quit")).triggered.connect(lambda: end())
        self.icon.setContextMenu(self.menu)
        self.icon.activated.connect(self._activated)
        self.icon.messageClicked.connect(lambda: show_window(self._page))

    @staticmethod
    def available() -> bool:
        return QSystemTrayIcon.isSystemTrayAvailable()

    def open(self) -> None:
        self.icon.show()

    def refresh(self, view: NodeView) -> None:
        words = (
            tr("Paused") if view.paused else plural(view.running, tr("proof running"), tr("proofs running"))
        )
        if not view.chain_up and view.network != "testing":
            words = tr("The chain cannot be reached")
        self.state.setText(words)
        self.icon.setToolTip(f"GPN Desktop: {words}")
        self.pause.setText(tr("Resume") if view.paused else tr("Pause"))
        self.pause.setEnabled(True)

    def note(self, note: Note) -> None:
        self._page = note.page
        self.icon.showMessage(note.title, note.words, QIcon(str(ICONS / "app.svg")), NOTE_MS)

    def close(self) -> None:
        self.icon.hide()
        self.menu.deleteLater()

    def _activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason in (QSystemTrayIcon.ActivationReason.Trigger, QSystemTrayIcon.ActivationReason.DoubleClick):
            self._open("")
