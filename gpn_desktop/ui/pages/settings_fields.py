"""The rows that settings are made of: words at the left, a control at the right, what is wrong below."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from gpn_desktop.ports.preferences import SettingKind, SettingRow, Source
from gpn_desktop.ui.pages.settings_draft import Draft
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import IconLabel, label, line, set_property

CONTROL = 240
WIDE = 360


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
        self.words = label(words, theme.fonts.label, "muted", wrap=True)
        self.words.setVisible(bool(words))
        texts.addWidget(self.title)
        texts.addWidget(self.words)
        row.addLayout(texts, 1)
        if width:
            control.setFixedWidth(theme.fonts.px(width))
        row.addWidget(control, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(row)
        self._note = label("", theme.fonts.label, "muted", wrap=True)
        self._problem = IconLabel(theme)
        self._note.hide()
        self._problem.hide()
        column.addWidget(self._problem)
        column.addWidget(self._note)
        column.addWidget(line())

    def say(self, problem: str = "", note: str = "") -> None:
        self._problem.setVisible(bool(problem))
        self._problem.show_state(problem, "bad", "warn")
        self._note.setVisible(bool(note))
        self._note.setText(note)
        if isinstance(self.control, QLineEdit):
            set_property(self.control, "wrong", "true" if problem else "false")
        self.control.setAccessibleDescription(problem or note)

    @property
    def problem(self) -> str:
        return "" if self._problem.isHidden() else self._problem.text()

    @property
    def note(self) -> str:
        return "" if self._note.isHidden() else self._note.text()


class SettingField(FormRow):
    """One setting of the node's file, edited in the draft. Kept to the draft by ``refresh``."""

    def __init__(self, theme: Theme, draft: Draft, key: str, title: str = "", width: int = CONTROL) -> None:
        row = draft.row(key)
        self.key = key
        self._draft = draft
        control = _control(row, lambda value: draft.set(key, value))
        control.setAccessibleName(title or key)
        super().__init__(theme, title or key, sentence(row.purpose), control, width)
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
            problem = tr("{problem} [GPN-1641]").format(problem=sentence(problem))
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


def combo(options: list[tuple[str, str]], chosen: Callable[[str], None]) -> QComboBox:
    """``options`` are value and words; ``chosen`` gets the value that the operator picks."""
    made = QComboBox()
    for value, words in options:
        made.addItem(words, value)
    made.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # a wheel over it scrolls the page
    made.wheelEvent = lambda event: event.ignore()  # type: ignore[method-assign]
    made.activated.connect(lambda at: chosen(str(made.itemData(at))))
    return made


def _control(row: SettingRow, changed: Callable[[str], None]) -> QWidget:
    if row.kind is SettingKind.CHOICE:
        return combo([(option, option) for option in row.options], changed)
    if row.kind is SettingKind.FLAG:
        made = QCheckBox(tr("On"))
        made.clicked.connect(lambda on: changed("true" if on else "false"))
        return made
    edit = QLineEdit()
    edit.setPlaceholderText(row.default or tr("not set"))
    edit.textEdited.connect(changed)
    return edit


def _show(control: QWidget, row: SettingRow, value: str) -> None:
    with QSignalBlocker(control):
        if isinstance(control, QComboBox):
            control.setCurrentIndex(max(0, control.findData(value.lower() or row.default)))
        elif isinstance(control, QCheckBox):
            control.setChecked((value or row.default).lower() in ("true", "1", "yes", "on"))
        elif isinstance(control, QLineEdit) and control.text() != value:
            control.setText(value)
