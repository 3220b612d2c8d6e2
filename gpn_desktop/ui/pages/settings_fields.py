"""The rows that settings are made of: words at the left, a control at the right, what is wrong below."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QSizePolicy, QVBoxLayout, QWidget

from gpn_desktop.ports.preferences import SettingKind, SettingRow, Source
from gpn_desktop.ui.pages.settings_draft import Draft
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import Icon, label, line, set_property
from gpn_desktop.ui.widgets.inputs import Check, Choice

CONTROL = 240
WIDE = 360


class Remark(QWidget):
    """An icon and words over as many lines as they need; hidden while there are none."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(6)
        self._icon: Icon | None = None
        self._words = wrapped("", theme, "muted")
        self._row.addWidget(self._words, 1)
        self.hide()

    def say(self, words: str, tone: str = "bad", icon: str = "warn") -> None:
        self.setVisible(bool(words))
        if self._icon is not None:
            self._row.removeWidget(self._icon)
            self._icon.hide()
            self._icon.deleteLater()
            self._icon = None
        if words:
            self._icon = Icon(self._theme, icon, tone, 14)
            self._row.insertWidget(0, self._icon, 0, Qt.AlignmentFlag.AlignTop)
        set_property(self._words, "tone", tone)
        self._words.setText(words)
        self._words.setAccessibleName(words)

    def text(self) -> str:
        return "" if self.isHidden() else self._words.text()


def wrapped(words: str, theme: Theme, tone: str = "muted") -> QLabel:
    """Small words over several lines that claim their own height: a layout that asks for it as well gives
    them the height of a width that they no longer have."""
    made = label(words, theme.fonts.label, tone, wrap=True)
    policy = made.sizePolicy()
    policy.setHeightForWidth(False)
    policy.setHorizontalPolicy(QSizePolicy.Policy.Ignored)
    made.setSizePolicy(policy)
    return made


class FormRow(QWidget):
    """One thing to set. ``words`` say what it does, ``say`` what is wrong with it or worth knowing."""

    def __init__(self, theme: Theme, title: str, words: str, control: QWidget, width: int = CONTROL) -> None:
        super().__init__()
        self.control = control
        if not control.accessibleName():
            control.setAccessibleName(title)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        row = QHBoxLayout()
        row.setSpacing(24)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        self.title = label(title, theme.fonts.medium)
        self.words = wrapped(words, theme)
        self.words.setVisible(bool(words))
        texts.addStretch(1)
        texts.addWidget(self.title)
        texts.addWidget(self.words)
        texts.addStretch(1)
        row.addLayout(texts, 1)
        if width:
            control.setFixedWidth(theme.fonts.px(width))
        row.addWidget(control, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(row)
        self._problem, self._note = Remark(theme), Remark(theme)
        column.addWidget(self._problem)
        column.addWidget(self._note)
        column.addWidget(line())

    def say(self, problem: str = "", note: str = "") -> None:
        if (problem, note) == (self.problem, self.note):
            return
        self._problem.say(problem)
        self._note.say(note, "info", "info")
        if isinstance(self.control, QLineEdit):
            set_property(self.control, "wrong", "true" if problem else "false")
        self.control.setAccessibleDescription(problem or note)

    @property
    def problem(self) -> str:
        return self._problem.text()

    @property
    def note(self) -> str:
        return self._note.text()


class SettingField(FormRow):
    """One setting of the node's file, edited in the draft. Kept to the draft by ``refresh``."""

    def __init__(
        self,
        theme: Theme,
        draft: Draft,
        key: str,
        title: str = "",
        words: str | None = None,
        width: int = CONTROL,
    ) -> None:
        row = draft.row(key)
        self.key = key
        self._draft = draft
        control = _control(theme, row, lambda value: draft.set(key, value))
        control.setAccessibleName(title or key)
        about = sentence(row.purpose) if words is None else words
        super().__init__(theme, title or key, about, control, width)
        draft.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        if not any(row.key == self.key for row in self._draft.rows):
            return  # the file cannot be read now
        row = self._draft.row(self.key)
        _show(self.control, row, self._draft.value(self.key))
        self.control.setEnabled(not row.locked)
        problem = self._draft.problem(self.key)
        if problem:
            problem = tr("{problem} [GPN-2041]").format(problem=sentence(problem))
        self.say(problem, source_words(row) if row.locked else "")


def sentence(words: str) -> str:
    """A purpose or a problem of the settings' table, as a sentence."""
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def source_words(row: SettingRow) -> str:
    if row.source is Source.ENVIRONMENT:
        return tr("Set by the environment variable {name}: it can only be changed there.").format(
            name=row.given_by
        )
    if row.source is Source.COMMAND_LINE:
        return tr("Set by the option {name} of this start: it can only be changed there.").format(
            name=row.given_by
        )
    return tr("From the settings file.") if row.source is Source.FILE else tr("The default.")


def _control(theme: Theme, row: SettingRow, changed: Callable[[str], None]) -> QWidget:
    if row.kind is SettingKind.CHOICE:
        return Choice(theme, [(option, option) for option in row.options], changed)
    if row.kind is SettingKind.FLAG:
        made = Check(theme, tr("On"))
        made.clicked.connect(lambda on: changed("true" if on else "false"))
        return made
    edit = QLineEdit()
    edit.setPlaceholderText(row.default or tr("not set"))
    edit.textEdited.connect(changed)
    return edit


def _show(control: QWidget, row: SettingRow, value: str) -> None:
    with QSignalBlocker(control):
        if isinstance(control, Choice):
            control.choose(value.lower() or row.default)
        elif isinstance(control, Check):
            control.setChecked((value or row.default).lower() in ("true", "1", "yes", "on"))
        elif isinstance(control, QLineEdit) and control.text() != value:
            control.setText(value)
