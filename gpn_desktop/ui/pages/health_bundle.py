"""The diagnostics bundle before it is written: every file, every text, every place where a secret was cut."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QTextCharFormat, QTextCursor
from PySide6.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QTextEdit,
    QVBoxLayout,
)

from gpn_desktop.core.redaction import MARK, marks
from gpn_desktop.services.diagnostics import Bundle, Diagnostics
from gpn_desktop.ui import text
from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import BusyBar, Card, IconLabel, button, label

# Of one part of a text: laying out more would hold up the window.
LINES = 300
CHARACTERS = 40_000


def parts_of(whole: str) -> list[str]:
    """The text in parts that can be shown at once; joined they are the text."""
    made: list[str] = []
    part: list[str] = []
    size = 0
    for line in whole.splitlines(keepends=True):
        for at in range(0, len(line), CHARACTERS):
            piece = line[at : at + CHARACTERS]
            if part and (len(part) >= LINES or size + len(piece) > CHARACTERS):
                made.append("".join(part))
                part, size = [], 0
            part.append(piece)
            size += len(piece)
    return [*made, "".join(part)]


class BundleSheet(Card):
    """``save_asked`` carries the bundle that was seen; ``opened`` tells when the sheet comes and goes."""

    save_asked = Signal(object)
    opened = Signal(bool)

    def __init__(self, theme: Theme, tasks: Tasks, diagnostics: Diagnostics) -> None:
        super().__init__(theme)
        self._theme, self._tasks, self._diagnostics = theme, tasks, diagnostics
        self.bundle: Bundle | None = None
        self._parts: list[str] = [""]
        self._at = 0
        self.state = IconLabel(theme, bold=True)
        self.words = label("", theme.fonts.body, "muted", wrap=True)
        self.progress = BusyBar(theme)
        self.progress.setAccessibleName(tr("Collecting"))
        self.body.addWidget(self.state)
        self.body.addWidget(self.words)
        self.body.addWidget(self.progress)
        self.body.addLayout(self._files(), 1)
        self.body.addLayout(self._buttons())
        theme.changed.connect(self._mark)
        self.hide()

    def _files(self) -> QHBoxLayout:
        theme = self._theme
        self.files = QListWidget()
        self.files.setFont(theme.fonts.body)
        self.files.setAccessibleName(tr("Files of the bundle"))
        self.files.setFixedWidth(theme.fonts.px(252))
        self.files.currentRowChanged.connect(self._show_file)
        self.view = QPlainTextEdit()
        self.view.setReadOnly(True)
        self.view.setTabChangesFocus(True)
        self.view.setFont(theme.fonts.mono)
        self.view.setAccessibleName(tr("Text of the file"))
        self.view.setMinimumHeight(theme.fonts.px(160))
        self.earlier = button(tr("Earlier part"), theme)
        self.earlier.clicked.connect(lambda: self._go(self._at - 1))
        self.later = button(tr("Later part"), theme)
        self.later.clicked.connect(lambda: self._go(self._at + 1))
        self.next_mark = button(tr("Next redaction"), theme)
        self.next_mark.clicked.connect(self._to_next_mark)
        self.where = label("", theme.fonts.body, "muted")
        paging = QHBoxLayout()
        paging.setSpacing(8)
        paging.addWidget(self.where, 1)
        for widget in (self.next_mark, self.earlier, self.later):
            paging.addWidget(widget)
        right = QVBoxLayout()
        right.setSpacing(8)
        right.addWidget(self.view, 1)
        right.addLayout(paging)
        row = QHBoxLayout()
        row.setSpacing(16)
        row.addWidget(self.files)
        row.addLayout(right, 1)
        return row

    def _buttons(self) -> QHBoxLayout:
        self.cancel = button(tr("Close"), self._theme)
        self.cancel.clicked.connect(self.dismiss)
        self.save = button(tr("Save…"), self._theme, "primary")
        self.save.clicked.connect(lambda: self.save_asked.emit(self.bundle))
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addStretch(1)
        row.addWidget(self.cancel)
        row.addWidget(self.save)
        return row

    def open_preview(self) -> None:
        """Collect everything and show it; nothing is written."""
        self.bundle = None
        self.state.show_state(tr("Collecting"), "info", "proving")
        self.words.setText(
            tr("Findings, settings, the node’s state and the log are read. Nothing leaves this machine.")
        )
        self._fill(None)
        self.show()
        self.opened.emit(True)
        self._tasks.start(self._collect(), self._failed)

    def dismiss(self) -> None:
        self.hide()
        self.opened.emit(False)

    async def _collect(self) -> None:
        bundle = await self._diagnostics.preview()
        self.bundle = bundle
        self.state.show_state(tr("This is what the bundle will hold"), "text", "info")
        cut = plural(bundle.redactions, tr("secret was"), tr("secrets were"))
        self.words.setText(
            tr(
                "{cut} cut out; each place is marked. Addresses and hashes are public and stay. "
                "Nothing is sent: you save a file, and decide who gets it."
            ).format(cut=cut)
        )
        self._fill(bundle)
        self.save.setFocus()

    def _failed(self, error: BaseException) -> None:
        self.state.show_state(tr("The bundle could not be put together"), "bad", "warn")
        self.words.setText(text.explain(error))
        self.progress.hide()

    def _fill(self, bundle: Bundle | None) -> None:
        self.progress.setVisible(bundle is None)
        for widget in (
            self.files,
            self.view,
            self.where,
            self.next_mark,
            self.earlier,
            self.later,
            self.save,
        ):
            widget.setVisible(bundle is not None)
        self.files.clear()
        for file in bundle.files if bundle is not None else ():
            size = text.size(len(file.text.encode("utf-8", "replace")))
            said = tr("{name} · {size}").format(name=file.name, size=size)
            if file.redactions:
                said += tr(" · {n} cut").format(n=f"{file.redactions:,}")
            self.files.addItem(QListWidgetItem(said))
        self.files.setCurrentRow(0 if bundle is not None else -1)

    # the text -------------------------------------------------------------------------------------------

    def _show_file(self, at: int) -> None:
        if self.bundle is not None and at >= 0:
            self._parts = parts_of(self.bundle.files[at].text)
            self._go(0)

    def _go(self, at: int) -> None:
        self._at = at
        many = len(self._parts)
        self.view.setPlainText(self._parts[at])
        self._mark()
        self.where.setText(tr("Part {n} of {many}").format(n=at + 1, many=many) if many > 1 else "")
        self.earlier.setVisible(many > 1)
        self.later.setVisible(many > 1)
        self.earlier.setEnabled(at > 0)
        self.later.setEnabled(at < many - 1)
        self.next_mark.setVisible(any(marks(part) for part in self._parts))

    def _mark(self) -> None:
        """The places where something was cut, in colour."""
        look = QTextCharFormat()
        look.setForeground(self._theme.color("warn"))
        look.setBackground(self._theme.color("raised"))
        chosen = []
        for found in MARK.finditer(self._parts[self._at]):
            place = QTextEdit.ExtraSelection()
            place.cursor = QTextCursor(self.view.document())
            place.cursor.setPosition(found.start())
            place.cursor.setPosition(found.end(), QTextCursor.MoveMode.KeepAnchor)
            place.format = look
            chosen.append(place)
        self.view.setExtraSelections(chosen)

    def _to_next_mark(self) -> None:
        """In this part behind the cursor, else in the next one that has any, round to the first."""
        after = self.view.textCursor().selectionEnd()
        found = MARK.search(self._parts[self._at], after)
        many = len(self._parts)
        if found is None:
            order = [(self._at + step) % many for step in range(1, many + 1)]
            at = next((at for at in order if marks(self._parts[at])), None)
            if at is None:
                return
            self._go(at)
            found = MARK.search(self._parts[at])
        assert found is not None
        cursor = self.view.textCursor()
        cursor.setPosition(found.start())
        cursor.setPosition(found.end(), QTextCursor.MoveMode.KeepAnchor)
        self.view.setTextCursor(cursor)
        self.view.setFocus(Qt.FocusReason.OtherFocusReason)
