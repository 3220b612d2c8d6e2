"""Before there is a node: what is being started, or why it could not start and what to do."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gpn_desktop.core.errors import GpnError, NotSetUp
from gpn_desktop.ui import text
from gpn_desktop.ui.opening import Opening
from gpn_desktop.ui.story import Story, StoryLine
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import BusyBar, Card, IconLabel, button, label, set_property
from gpn_desktop.ui.widgets.facts import Fact, FactList

# Of the story; the card should not push its own buttons out of sight.
MOST_STEPS = 9


class StartPage(QWidget):
    again = Signal()
    other = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._story: Story | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(32, 24, 32, 24)
        card = Card(theme)
        card.body.setContentsMargins(24, 24, 24, 24)
        card.setFixedWidth(theme.fonts.px(620))
        self.state = IconLabel(theme, bold=True)
        self.words = label("", theme.fonts.body, "muted", wrap=True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.steps = FactList(theme, height=30)
        self.progress = BusyBar(theme)
        self.offer = label("", theme.fonts.body, "muted", wrap=True)
        self.retry = button(tr("Try again"), theme)
        self.retry.clicked.connect(self.again)
        self.instead = button(tr("Open another"), theme)
        self.instead.clicked.connect(self.other)
        self._buttons = row = QHBoxLayout()
        row.setContentsMargins(0, 8, 0, 0)
        row.addStretch(1)
        row.addWidget(self.retry)
        row.addWidget(self.instead)
        for widget in (self.state, self.words, self.steps, self.progress, self.offer):
            card.body.addWidget(widget)
        card.body.addLayout(row)
        column.addStretch(2)
        column.addWidget(card, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)

    def show_starting(self, opening: Opening) -> None:
        self.state.show_state(opening.starting, "text", "proving")
        self.words.setText(opening.about)
        self._follow(opening.story)
        self.progress.show()
        for widget in (self.offer, self.retry, self.instead):
            widget.hide()

    def show_failure(self, error: BaseException, other: Opening | None = None) -> None:
        """Why it could not start, with what can be done; ``other`` can be opened in its place."""
        self._follow(None)
        if isinstance(error, NotSetUp):
            self._show_missing(error)
        else:
            self._show_error(error)
        self.progress.hide()
        self.offer.setVisible(other is not None)
        self.instead.setVisible(other is not None)
        if other is not None:
            self.offer.setText(other.pitch)
            self.instead.setText(other.offer)
            self.instead.setAccessibleName(other.offer)
        set_property(self.retry, "kind", "" if other else "primary")
        set_property(self.instead, "kind", "primary")
        self.retry.show()
        (self.instead if other is not None else self.retry).setFocus()

    def _show_error(self, error: BaseException) -> None:
        code = error.code if isinstance(error, GpnError) else ""
        self.state.show_state(tr("The start failed. {code}").format(code=code).strip(), "bad", "warn")
        self.words.setText(
            f"{error.message} {error.remedy}" if isinstance(error, GpnError) else text.explain(error)
        )

    def _show_missing(self, error: NotSetUp) -> None:
        self.state.show_state(tr("This node is not set up yet"), "text", "info")
        self.words.setText(f"{error.message} {error.remedy}")
        self.steps.show_facts(
            [Fact(what, how, icon="waiting", value_mono=True) for what, how in error.missing]
        )
        self.steps.show()

    # the story ------------------------------------------------------------------------------------------

    def _follow(self, story: Story | None) -> None:
        if self._story is not None:
            self._story.told.disconnect(self._show_story)
        self._story = story
        if story is not None:
            story.told.connect(self._show_story)
            self._show_story(None)
        self.steps.setVisible(story is not None)

    def _show_story(self, told: object) -> None:
        assert self._story is not None
        lines = self._story.lines
        latest = next((line for line in reversed(lines) if not line.detail), None)
        self.steps.show_facts([_step(line, line is latest) for line in lines[-MOST_STEPS:]])


def _step(line: StoryLine, current: bool) -> Fact:
    if line.detail:
        return Fact(line.text, tone="muted", icon="check")
    return Fact(line.text, tone="text" if current else "muted", icon="proving" if current else "check")
