"""The doctor's findings as rows: state, result, and on demand what it means and what to do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import pairwise

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from gpn_desktop.core.health import Finding, Level
from gpn_desktop.ui.models.phases import Look
from gpn_desktop.ui.text import say, tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import CopyButton, Elided, IconLabel, button, label, line

ROW = 40
STATE = 108
TITLE = 172
INDENT = 16


def level_look(level: Level | None) -> Look:
    """``None``: it is being checked for the first time."""
    return {
        Level.GOOD: Look(tr("Good"), "good", "check"),
        Level.WARN: Look(tr("Look at it"), "warn", "warn"),
        Level.BAD: Look(tr("Bad"), "bad", "cross"),
        Level.UNKNOWN: Look(tr("Not known"), "muted", "dash"),
        None: Look(tr("Waiting"), "muted", "waiting"),
    }[level]


class FindingRow(QWidget):
    def __init__(self, theme: Theme, key: str, title: str, recheck: Callable[[str], None]) -> None:
        super().__init__()
        self._theme = theme
        self._title = title
        self.finding: Finding | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        head = QWidget()
        head.setFixedHeight(theme.fonts.px(ROW))
        row = QHBoxLayout(head)
        row.setContentsMargins(INDENT, 0, INDENT, 0)
        row.setSpacing(8)
        self.state = IconLabel(theme)
        self.state.setFixedWidth(theme.fonts.px(STATE))
        name = label(title, theme.fonts.medium)
        name.setFixedWidth(theme.fonts.px(TITLE))
        self.result = Elided(theme.fonts.body)
        self.more = button(tr("Details ▾"), theme, "link")
        self.more.setCheckable(True)
        self.more.setAccessibleName(tr("Details of {title}").format(title=title))
        self.more.toggled.connect(self._expand)
        self.again = button(tr("Re-check"), theme, "link")
        self.again.setAccessibleName(tr("Re-check {title}").format(title=title))
        self.again.clicked.connect(lambda: recheck(key))
        row.addWidget(self.state)
        row.addWidget(name)
        row.addWidget(self.result, 1)
        row.addWidget(self.more)
        row.addWidget(self.again)
        column.addWidget(head)
        column.addWidget(self._details())
        column.addWidget(line())

    def _details(self) -> QWidget:
        theme = self._theme
        self.details = QWidget()
        column = QVBoxLayout(self.details)
        inset = INDENT + theme.fonts.px(STATE) + 8
        column.setContentsMargins(inset, 0, INDENT, 12)
        column.setSpacing(6)
        self.full = label("", theme.fonts.body, wrap=True)
        self.meaning = label("", theme.fonts.body, "muted", wrap=True)
        self.remedy = label("", theme.fonts.body, wrap=True)
        self.command = label("", theme.fonts.mono)
        self.command.setProperty("mono", True)
        self.command.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.copy = CopyButton(theme, tr("the command for {title}").format(title=self._title))
        self.command_row = QWidget()
        row = QHBoxLayout(self.command_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.command)
        row.addWidget(self.copy)
        row.addStretch(1)
        for widget in (self.full, self.meaning, self.remedy, self.command_row):
            column.addWidget(widget)
        self.details.hide()
        return self.details

    def show_finding(self, finding: Finding | None, running: bool) -> None:
        look = (
            Look(tr("Checking"), "info", "proving")
            if running
            else level_look(finding.level if finding else None)
        )
        self.state.show_state(look.word, look.tone, look.icon)
        self.again.setEnabled(not running)
        self.more.setEnabled(finding is not None)
        said = say(finding.result) if finding is not None else ""
        self.setAccessibleName(f"{self._title}: {look.word}. {said}".strip())
        if finding is None or finding == self.finding:
            return
        first = self.finding is None
        self.finding = finding
        self.result.say(said)
        # Rich text would be taken from a result that looks like it.
        self.result.setToolTip("")
        self.full.setText(said)
        self.meaning.setText(say(finding.meaning))
        self.remedy.setText(tr("To do: {remedy}").format(remedy=say(finding.remedy)))
        self.remedy.setVisible(bool(finding.remedy))
        self.command.setText(finding.command)
        self.copy.value = finding.command
        self.command_row.setVisible(bool(finding.command))
        if first and finding.level is Level.BAD:
            self.more.setChecked(True)

    def _expand(self, open_: bool) -> None:
        self.details.setVisible(open_)
        # Said twice only where the line above had to be shortened.
        self.full.setVisible(self.result.text() != self.full.text())
        self.more.setText(tr("Details ▴") if open_ else tr("Details ▾"))


class FindingList(QScrollArea):
    """All checks, those first that are not well; the order changes only when nothing is under way."""

    def __init__(
        self, theme: Theme, checks: Sequence[tuple[str, str]], recheck: Callable[[str], None]
    ) -> None:
        super().__init__()
        self.setObjectName("scroll")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(theme.fonts.px(ROW * 4))
        inside = QWidget()
        inside.setObjectName("scrolled")
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.rows = {key: FindingRow(theme, key, tr(title), recheck) for key, title in checks}
        for row in self.rows.values():
            self._column.addWidget(row)
        self._column.addStretch(1)
        self._order = tuple(self.rows)
        self.setWidget(inside)
        self.viewport().setAutoFillBackground(False)
        inside.setAutoFillBackground(False)

    def show_findings(self, findings: dict[str, Finding], running: Collection[str]) -> None:
        for key, row in self.rows.items():
            row.show_finding(findings.get(key), key in running)
        if not running:
            self._sort(findings)

    def _sort(self, findings: dict[str, Finding]) -> None:
        rank = {Level.BAD: 0, Level.WARN: 1, Level.UNKNOWN: 2, Level.GOOD: 3}
        order = tuple(sorted(self.rows, key=lambda key: rank[findings[key].level] if key in findings else 4))
        if order == self._order:
            return
        self._order = order
        for at, key in enumerate(order):
            self._column.insertWidget(at, self.rows[key])
        # Tab goes down the rows as they stand.
        chain = [widget for key in order for widget in self._stops(self.rows[key])]
        for before, after in pairwise(chain):
            QWidget.setTabOrder(before, after)

    @staticmethod
    def _stops(row: FindingRow) -> tuple[QWidget, ...]:
        return (row.more, row.again, row.copy)
