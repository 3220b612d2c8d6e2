"""Saving to a file from inside the page: where to, how far, done or why not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from PySide6.QtCore import QStandardPaths, Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit

from gpn_desktop.ui import text
from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import Card, IconLabel, button

Save = Callable[[Path, Callable[[int], None]], Awaitable[str]]
"""Writes to the path, tells how much is done, and returns the closing line."""


class SaveSheet(Card):
    opened = Signal(bool)

    def __init__(self, theme: Theme, tasks: Tasks) -> None:
        super().__init__(theme)
        self._tasks = tasks
        self._theme = theme
        self._save: Save | None = None
        self._task: asyncio.Task[None] | None = None
        self._dialog: QFileDialog | None = None
        self.state = IconLabel(theme, bold=True)
        self.path = QLineEdit()
        self.path.setFont(theme.fonts.body)
        self.path.setAccessibleName(tr("File"))
        self.path.returnPressed.connect(self._begin)
        self.browse = button(tr("Browse…"), theme)
        self.browse.clicked.connect(self._browse)
        self.save = button(tr("Save"), theme, "primary")
        self.save.clicked.connect(self._begin)
        self.cancel = button(tr("Cancel"), theme)
        self.cancel.clicked.connect(self._cancel)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.path, 1)
        for made in (self.browse, self.cancel, self.save):
            row.addWidget(made)
        self.body.addWidget(self.state)
        self.body.addLayout(row)
        self.hide()

    def ask(self, title: str, name: str, save: Save) -> None:
        """``name`` is the file's, proposed in the documents' folder."""
        if self._task is not None:
            return
        self._save = save
        folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        self.path.setText(str(Path(folder or str(Path.home())) / name))
        self._say(title, "text", "")
        self._mode(True)
        self.show()
        self.opened.emit(True)
        self.path.setFocus()

    def _begin(self) -> None:
        if self._save is not None and self._task is None and self.path.text().strip():
            path = Path(self.path.text().strip()).expanduser()
            self._mode(False)
            self._task = self._tasks.start(self._run(self._save, path), self._failed)

    async def _run(self, save: Save, path: Path) -> None:
        try:
            said = await save(path, self._progress)
        finally:
            self._task = None
        self._say(said, "good", "check")
        self._mode(True, done=True)

    def _progress(self, count: int) -> None:
        self._say(tr("{n} lines so far").format(n=f"{count:,}"), "info", "proving")

    def _failed(self, error: BaseException) -> None:
        self._say(text.explain(error), "bad", "warn")
        self._mode(True)

    def _cancel(self) -> None:
        """Ends the writing, of which nothing is left; a second time closes the sheet."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self._say(tr("Cancelled: nothing was written."), "muted", "dash")
            self._mode(True)
            return
        self.hide()
        self.opened.emit(False)

    def _browse(self) -> None:
        """Shown beside the node's loop, never in a loop of its own."""
        self._dialog = QFileDialog(self, tr("Save as"), self.path.text())
        self._dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        self._dialog.fileSelected.connect(self.path.setText)
        self._dialog.open()

    def _say(self, words: str, tone: str, icon: str) -> None:
        self.state.show_state(words, tone, icon)
        self.setAccessibleName(words)

    def _mode(self, asking: bool, done: bool = False) -> None:
        for widget in (self.path, self.browse, self.save):
            widget.setVisible(asking and not done)
        self.cancel.setText(tr("Close") if done else tr("Cancel"))
        self.cancel.setAccessibleName(self.cancel.text())
