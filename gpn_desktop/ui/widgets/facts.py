"""A list of facts, one per line with a rule between: state on the left, figure on the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import CopyButton, IconLabel, label, line, set_property

LEAD = 16


@dataclass(frozen=True, slots=True)
class Fact:
    """``copy`` is the full value behind a shortened one; it adds a copy button. ``lead`` numbers the line."""

    text: str
    value: str = ""
    tone: str = "text"
    icon: str = ""
    value_tone: str = "muted"
    tip: str = ""
    mono: bool = False
    value_mono: bool = False
    copy: str = ""
    value_icon: str = ""
    lead: str = ""


class FactList(QWidget):
    """Lines are made once and refilled; a fact that did not change costs a comparison."""

    def __init__(self, theme: Theme, height: int = 34) -> None:
        super().__init__()
        self._theme = theme
        self._height = height
        self._lines: list[_FactLine] = []
        self._facts: tuple[Fact, ...] = ()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)

    @property
    def facts(self) -> tuple[Fact, ...]:
        return self._facts

    def show_facts(self, facts: Sequence[Fact]) -> None:
        facts = tuple(facts)
        if facts == self._facts:
            return
        while len(self._lines) < len(facts):
            made = _FactLine(self._theme, self._height)
            self._lines.append(made)
            self._layout.addWidget(made)
        for at, widget in enumerate(self._lines):
            widget.setVisible(at < len(facts))
            if at < len(facts):
                widget.show_fact(facts[at], last=at == len(facts) - 1)
        self._facts = facts


class _FactLine(QWidget):
    def __init__(self, theme: Theme, height: int) -> None:
        super().__init__()
        self._shown: Fact | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        row = QHBoxLayout()
        row.setSpacing(8)
        self._lead = label("", theme.fonts.body, "muted")
        self._lead.setFixedWidth(theme.fonts.px(LEAD))
        row.addWidget(self._lead)
        self._left = IconLabel(theme)
        self._value_state = IconLabel(theme)
        self._right = label("", theme.fonts.body, "muted")
        self._copy = CopyButton(theme, "")
        row.addWidget(self._left, 1)
        row.addWidget(self._right)
        row.addWidget(self._value_state)
        row.addWidget(self._copy)
        column.addStretch(1)
        column.addLayout(row)
        column.addStretch(1)
        self._rule = line()
        column.addWidget(self._rule)
        self.setFixedHeight(theme.fonts.px(height))

    def show_fact(self, fact: Fact, last: bool) -> None:
        self._rule.setVisible(not last)
        if fact == self._shown:
            return
        self._shown = fact
        self._lead.setVisible(bool(fact.lead))
        self._lead.setText(fact.lead)
        self._left.show_state(fact.text, fact.tone, fact.icon, fact.mono)
        with_icon = bool(fact.value_icon)
        self._value_state.setVisible(with_icon)
        self._right.setVisible(not with_icon)
        if with_icon:
            self._value_state.show_state(fact.value, fact.value_tone, fact.value_icon)
        else:
            self._right.setText(fact.value)
            set_property(self._right, "tone", fact.value_tone)
            set_property(self._right, "mono", fact.value_mono)
        self._copy.setVisible(bool(fact.copy))
        self._copy.value = fact.copy
        self._copy.setAccessibleName(f"{self._copy.text()} {fact.text}")
        self.setToolTip(fact.tip)
        self.setAccessibleName(f"{fact.lead} {fact.text} {fact.value}".strip())
