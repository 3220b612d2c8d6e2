"""A form inside the page: named fields, an answer beside them, and no secret left behind in them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtWidgets import QCheckBox, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from gpn_desktop.ui import text
from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.asking import Asking
from gpn_desktop.ui.widgets.basic import label


@dataclass(frozen=True, slots=True)
class Field:
    """``kind``: "line", "secret", "block" (several lines) or "check". ``hint`` stands below it."""

    key: str
    name: str
    kind: str = "line"
    value: str = ""
    hint: str = ""
    optional: bool = False


Values = dict[str, str]


@dataclass(frozen=True, slots=True)
class FormSpec:
    """``act`` gets the values when it is confirmed, and returns the closing line. A check is "yes" or ""."""

    title: str
    words: str
    confirm: str
    working: str
    fields: Sequence[Field]
    act: Callable[[Values], Coroutine[Any, Any, str]]
    tone: str = "text"


class Form(Asking):
    def __init__(self, theme: Theme, tasks: Tasks) -> None:
        self._spec: FormSpec | None = None
        self._inputs: dict[str, QWidget] = {}
        self._holder = QWidget()
        self._rows = QVBoxLayout(self._holder)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(8)
        self.answer = label("", theme.fonts.body, "bad", wrap=True)
        super().__init__(theme, tasks, self._holder, self.answer)

    def ask(self, spec: FormSpec) -> None:
        if self.working:
            return
        self._spec = spec
        self._clear()
        for field in spec.fields:
            self._add(field)
        self._title(spec.title, spec.tone, "warn" if spec.tone in ("warn", "bad") else "")
        self.words.setText(spec.words)
        self.words.setVisible(bool(spec.words))
        self.answer.hide()
        self._name(spec.confirm)
        self._mode(asking=True)
        self._open()
        first = next(iter(self._inputs.values()), self.confirm)
        first.setFocus()

    def input(self, key: str) -> Any:
        return self._inputs[key]

    def dismiss(self) -> None:
        """Close it, and forget what was typed; what is at work goes on to its end."""
        if not self.working:
            self._clear()
        super().dismiss()

    def _add(self, field: Field) -> None:
        made = self._input(field)
        made.setAccessibleName(field.name)
        self._inputs[field.key] = made
        if field.kind != "check":
            name = label(field.name, self._theme.fonts.label, "muted")
            name.setBuddy(made)
            self._rows.addWidget(name)
        self._rows.addWidget(made)
        if field.hint:
            self._rows.addWidget(label(field.hint, self._theme.fonts.label, "muted", wrap=True))

    def _input(self, field: Field) -> QWidget:
        if field.kind == "check":
            box = QCheckBox(field.name)
            box.setFont(self._theme.fonts.body)
            return box
        if field.kind == "block":
            block = QPlainTextEdit(field.value)
            block.setFont(self._theme.fonts.mono)
            block.setFixedHeight(self._theme.fonts.px(88))
            block.setTabChangesFocus(True)
            return block
        line = QLineEdit(field.value)
        line.setFont(self._theme.fonts.body)
        line.returnPressed.connect(self._act)
        if field.kind == "secret":
            line.setEchoMode(QLineEdit.EchoMode.Password)
        return line

    def _values(self) -> Values:
        found = {}
        for key, made in self._inputs.items():
            if isinstance(made, QCheckBox):
                found[key] = "yes" if made.isChecked() else ""
            elif isinstance(made, QPlainTextEdit):
                found[key] = made.toPlainText()
            elif isinstance(made, QLineEdit):
                found[key] = made.text()
        return found

    def _act(self) -> None:
        assert self._spec is not None
        if self.working:
            return
        values = self._values()
        missing = [f.name for f in self._spec.fields
                   if not f.optional and f.kind != "check" and not values[f.key].strip()]  # fmt: skip
        if missing:
            self._answer(tr("Still missing: {fields}.").format(fields=", ".join(missing)))
            return
        self.working = True
        self.answer.hide()
        self._title(self._spec.working, "info", "proving")
        self._mode(working=True)
        self._tasks.start(self._work(self._spec, values), self._failed)

    async def _work(self, spec: FormSpec, values: Values) -> None:
        said = await spec.act(values)
        self.working = False
        self._clear()
        self.words.hide()
        self._title(said, "good", "check")
        self._mode()
        self.cancel.setFocus()

    def _failed(self, error: BaseException) -> None:
        self.working = False
        if self._spec is not None:
            self._title(self._spec.title, self._spec.tone)
        self._answer(text.explain(error))
        self._mode(asking=True)

    def _answer(self, words: str) -> None:
        self.answer.setText(words)
        self.answer.show()

    def _clear(self) -> None:
        """Nothing that was typed stays in a widget that nobody sees."""
        for made in self._inputs.values():
            if isinstance(made, QLineEdit | QPlainTextEdit):
                made.clear()
        self._inputs.clear()
        while (item := self._rows.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()

    def _mode(self, asking: bool = False, working: bool = False) -> None:
        super()._mode(asking, working)
        self._holder.setVisible(asking)
