"""Before there is a node: what is being started, or why it could not start and what to do."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gpn_desktop.core.errors import GpnError, KeyLocked, KeyMissing, KeyringUnavailable, NotSetUp
from gpn_desktop.services.desk import Desk
from gpn_desktop.ui import text
from gpn_desktop.ui.opening import Opening
from gpn_desktop.ui.pages.joining import JoinCard
from gpn_desktop.ui.story import Story, StoryLine
from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.text import say, tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import BusyBar, Card, IconLabel, button, label, set_property
from gpn_desktop.ui.widgets.facts import Fact, FactList

# Of the story; the card should not push its own buttons out of sight.
MOST_STEPS = 9
CARD = 620
# What the steps of joining a network are the answer to.
UNSET = (NotSetUp, KeyMissing, KeyLocked, KeyringUnavailable)


class StartPage(QWidget):
    """``go`` opens a page; what nobody has set up yet is set up here, where the desk has what it takes."""

    again = Signal()
    other = Signal()

    def __init__(self, theme: Theme, tasks: Tasks, desk: Desk, go: Callable[[str], None]) -> None:
        super().__init__()
        self._theme, self._tasks, self._desk, self._go = theme, tasks, desk, go
        self._story: Story | None = None
        self.join: JoinCard | None = None
        self._column = column = QVBoxLayout(self)
        column.setContentsMargins(32, 24, 32, 24)
        column.setSpacing(16)
        self._card = card = Card(theme)
        card.body.setContentsMargins(24, 24, 24, 24)
        card.setFixedWidth(theme.fonts.px(CARD))
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
        row = QHBoxLayout()
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
        self._card.show()
        self.state.show_state(say(opening.starting), "text", "proving")
        self.words.setText(say(opening.about))
        self.words.show()
        self._follow(opening.story)
        self.progress.show()
        if self.join is not None:
            self.join.hide()
        for widget in (self.offer, self.retry, self.instead):
            widget.hide()

    def show_failure(self, error: BaseException, other: Opening | None = None) -> None:
        """Why it could not start, with what can be done; ``other`` can be opened in its place."""
        self._follow(None)
        unset = isinstance(error, UNSET) and self._desk.joining is not None
        if unset:
            self._show_way()
        else:
            self._show_error(error)
        self.progress.hide()
        self.offer.setVisible(other is not None)
        self.instead.setVisible(other is not None)
        if other is not None:
            self.offer.setText(say(other.pitch))
            self.instead.setText(say(other.offer))
            self.instead.setAccessibleName(say(other.offer))
        set_property(self.retry, "kind", "" if other else "primary")
        set_property(self.instead, "kind", "primary")
        self.retry.setVisible(not unset)
        self._card.setVisible(not unset or other is not None)
        (self.instead if other is not None else self.retry).setFocus()

    def _show_error(self, error: BaseException) -> None:
        if self.join is not None:
            self.join.hide()
        code = error.code if isinstance(error, GpnError) else ""
        self.state.show_state(tr("The start failed. {code}").format(code=code).strip(), "bad", "warn")
        self.words.setText(
            f"{error.message} {error.remedy}" if isinstance(error, GpnError) else text.explain(error)
        )
        self.words.show()

    def _show_way(self) -> None:
        """Nobody has set a node up here, or has not finished."""
        assert self._desk.joining is not None
        self.state.show_state(tr("Try it first"), "text", "play")
        self.words.hide()
        if self.join is None:
            self.join = JoinCard(self._theme, self._tasks, self._desk.joining, self._go)
            self.join.setFixedWidth(self._theme.fonts.px(CARD))
            self.join.body.setContentsMargins(24, 24, 24, 24)
            self.join.start.connect(self.again)
            self.join.looked.connect(self._one_filled)
            self._column.insertWidget(2, self.join, 0, Qt.AlignmentFlag.AlignHCenter)
        self.join.show()
        self.join.look()

    def _one_filled(self, begun: bool) -> None:
        """The demo’s button is the filled one until a node of one’s own was begun."""
        set_property(self.instead, "kind", "" if begun else "primary")

    def opened(self) -> None:
        """Back from another page, where a step may have been done."""
        if self.join is not None and not self.join.isHidden():
            self.join.look()

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
