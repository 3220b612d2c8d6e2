"""Settings: a list of sections, one of them open, and a bar that applies or reverts what was edited.

The window's own preferences take effect at once and never meet the bar. Sections are built when they are
first opened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QListWidget,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from gpn_desktop.services.views import NodeView
from gpn_desktop.ui import text
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.pages.settings_advanced import AdvancedSection
from gpn_desktop.ui.pages.settings_chain import ChainSection
from gpn_desktop.ui.pages.settings_draft import Draft
from gpn_desktop.ui.pages.settings_general import DataSection, GeneralSection, NotificationsSection, Section
from gpn_desktop.ui.pages.settings_limits import LimitsSection
from gpn_desktop.ui.pages.settings_machines import MachinesSection
from gpn_desktop.ui.pages.settings_rules import RulesSection
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import BusyBar, Card, IconLabel, button, label
from gpn_desktop.ui.widgets.empty import EmptyState

if TYPE_CHECKING:
    from gpn_desktop.services.pausing import Pausing
    from gpn_desktop.services.preferences import Preferences

LIST = 184
# Sections that show nothing of the settings file, and so are there when it cannot be read.
_WITHOUT_FILE = frozenset({"general", "notifications", "pausing"})


class SettingsPage(Page):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context, tr("Settings"))
        preferences: Preferences | None = context.desk.preferences
        self.built: dict[str, QWidget] = {}
        self._view: NodeView | None = None
        if preferences is None:
            none = EmptyState(context.theme)
            none.say(tr("No settings here"), tr("This window runs without settings of its own."))
            self.column.addWidget(none, 1)
            return
        self.draft = Draft(preferences)
        self.subtitle.setText(str(preferences.file.path))
        self._build()
        self.draft.changed.connect(self._changed)

    def _build(self) -> None:
        body = QHBoxLayout()
        body.setSpacing(24)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Sections"))
        self.list.setFixedWidth(self.context.theme.fonts.px(LIST))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setFont(self.context.theme.fonts.medium)
        self._sections = self._specs()
        for _, title, _ in self._sections:
            self.list.addItem(title)
        self.list.currentRowChanged.connect(self._open)
        body.addWidget(self.list)
        self.stack = QStackedWidget()
        body.addWidget(self.stack, 1)
        self.column.addLayout(body, 1)
        self.bar = ApplyBar(self.context.theme)
        self.bar.apply.clicked.connect(self._apply)
        self.bar.revert.clicked.connect(self._revert)
        self.bar.restart.clicked.connect(self._restart)
        self.column.addWidget(self.bar)
        self.failure = FileFailure(self.context.theme)
        self.failure.again.clicked.connect(self._read)
        self.loading = label(tr("Reading the settings…"), self.context.theme.fonts.body, "muted")
        self.loading.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.failed = QWidget()
        above = QVBoxLayout(self.failed)
        above.setContentsMargins(0, 0, 0, 0)
        above.addWidget(self.failure)
        above.addStretch(1)
        self.stack.addWidget(self.failed)
        self.stack.addWidget(self.loading)

    def _specs(self) -> list[tuple[str, str, Callable[[], Section]]]:
        context, draft = self.context, self.draft
        specs: list[tuple[str, str, Callable[[], Section]]] = [
            ("general", tr("General"), lambda: GeneralSection(context, draft)),
            ("chain", tr("Chain endpoints"), lambda: ChainSection(context, draft)),
            ("limits", tr("Limits"), lambda: LimitsSection(context, draft)),
        ]
        if self.pausing is not None:
            specs.append(("pausing", tr("Schedule and pauses"), self._make_rules))
        return [
            *specs,
            ("notifications", tr("Notifications"), lambda: NotificationsSection(context, draft)),
            ("data", tr("Data folder"), lambda: DataSection(context, draft)),
            ("machines", tr("Machines"), lambda: MachinesSection(context, draft)),
            ("advanced", tr("Advanced"), lambda: AdvancedSection(context, draft)),
        ]

    @property
    def pausing(self) -> Pausing | None:
        """Of the node, where one runs."""
        return getattr(self.context.node, "pausing", None)

    @property
    def rules(self) -> RulesSection | None:
        found = self.sections.get("pausing")
        return found if isinstance(found, RulesSection) else None

    @property
    def sections(self) -> dict[str, Section]:
        """Those that were opened."""
        return {key: area.section for key, area in self.built.items() if isinstance(area, _Area)}

    def _make_rules(self) -> Section:
        assert self.pausing is not None
        made = RulesSection(self.context, self.draft, self.pausing)
        made.edited.connect(self._changed)
        return made

    # opening --------------------------------------------------------------------------------------------

    def opened(self) -> None:
        if self.context.desk.preferences is None:
            return
        if self.list.currentRow() < 0:
            self.list.setCurrentRow(0)
        self._read()

    def open_part(self, name: str) -> None:
        if self.context.desk.preferences is not None:
            self.open_section(name)

    def open_section(self, key: str) -> None:
        """Such as "pausing", from the Pause menu."""
        at = next((at for at, (name, _, _) in enumerate(self._sections) if name == key), -1)
        if at >= 0:
            self.list.setCurrentRow(at)

    def open_search(self) -> bool:
        if self.context.desk.preferences is None:
            return False
        self.open_section("advanced")
        section = self.sections.get("advanced")
        if isinstance(section, AdvancedSection):
            section.search.setFocus()
            return True
        return False

    def refresh(self, view: NodeView) -> None:
        self._view = view
        section = self.sections.get("machines")
        if isinstance(section, MachinesSection):
            section.refresh(view)

    def _open(self, at: int) -> None:
        if at < 0:
            return
        key, _, make = self._sections[at]
        view = self.draft.view
        if key not in _WITHOUT_FILE and (view is None or not view.rows):
            self.stack.setCurrentWidget(self.loading if view is None else self.failed)
            return
        if key not in self.built:
            area = _Area(make())
            self.built[key] = area
            self.stack.addWidget(area)
            if key == "machines" and self._view is not None:
                self.refresh(self._view)
        self.stack.setCurrentWidget(self.built[key])

    def _read(self) -> None:
        self.context.tasks.start(self._reload())

    async def _reload(self) -> None:
        self.draft.load(await self.draft.preferences.read())

    # applying -------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        view = self.draft.view
        if view is not None and view.error is not None:
            self.failure.show_error(view.error)
        self._open(self.list.currentRow())
        edits = len(self.draft.edits)
        rules = self.rules
        dirty = rules is not None and rules.dirty
        problem = rules.problem if rules is not None and dirty else ""
        if self.draft.wrong:
            problem = tr("{key} cannot be used as it is.").format(key=", ".join(self.draft.wrong))
        self.bar.show_edits(edits, dirty, problem)
        if not edits and not dirty and view is not None:
            self.bar.show_state(view.restart, view.problems, self._can_restart)

    @property
    def _can_restart(self) -> bool:
        return self.draft.preferences.doors.restart is not None and self.context.node is not None

    def _revert(self) -> None:
        if self.rules is not None:
            self.rules.revert()
        self.draft.revert()
        self.list.setFocus()

    def _apply(self) -> None:
        self.bar.show_working(tr("Writing the settings"))
        self.context.tasks.start(self._applied(), self._failed)

    async def _applied(self) -> None:
        if self.rules is not None and self.rules.dirty:
            await self.rules.apply()
        if self.draft.edits:
            view = await self.draft.preferences.apply(dict(self.draft.edits))
            self.draft.edits.clear()
            self.draft.load(view)
        self._changed()
        self.bar.show_done()

    def _restart(self) -> None:
        restart = self.draft.preferences.doors.restart
        if restart is not None:
            self.bar.show_working(tr("Restarting the node"))
            self.context.tasks.start(self._restarted(restart()), self._failed)

    async def _restarted(self, restart: object) -> None:
        await restart  # type: ignore[misc]
        await self._reload()

    def _failed(self, error: BaseException) -> None:
        self._changed()
        self.bar.show_failure(text.explain(error))


class _Area(QScrollArea):
    """A section that scrolls by itself, so that list and bar stay in sight."""

    def __init__(self, section: Section) -> None:
        super().__init__()
        self.section = section
        self.setObjectName("scroll")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(section)
        self.viewport().setAutoFillBackground(False)
        section.setAutoFillBackground(False)


class FileFailure(Card):
    """In place of a section, when the settings file cannot be read."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self.state = IconLabel(theme, bold=True)
        self.state.show_state(tr("The settings file cannot be read"), "bad", "warn")
        self.words = label("", theme.fonts.body, wrap=True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.again = button(tr("Read it again"), theme)
        row = QHBoxLayout()
        row.addWidget(self.again)
        row.addStretch(1)
        self.body.addWidget(self.state)
        self.body.addWidget(self.words)
        self.body.addLayout(row)

    def show_error(self, error: BaseException) -> None:
        self.words.setText(text.explain(error))
        self.setAccessibleName(text.explain(error))


class ApplyBar(Card):
    """Appears when something was edited, or waits for a restart; the one filled button of the page."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        row = QHBoxLayout()
        row.setSpacing(8)
        words = QWidget()
        self.state = IconLabel(theme, bold=True)
        self.words = label("", theme.fonts.label, "muted", wrap=True)
        self.body.addLayout(row)
        self.progress = BusyBar(theme)
        row.addWidget(self.state)
        row.addWidget(words, 1)
        self.revert = button(tr("Revert"), theme)
        self.apply = button(tr("Apply"), theme, "primary")
        self.restart = button(tr("Restart the node"), theme)
        for each in (self.revert, self.apply, self.restart):
            row.addWidget(each)
        self.body.addWidget(self.words)
        self.body.addWidget(self.progress)
        self.hide()

    def show_edits(self, settings: int, rules: bool, problem: str) -> None:
        self._say("", "", "text")
        self._mode()
        if not settings and not rules:
            self.hide()
            return
        count = settings + rules
        changes = plural(count, tr("change"), tr("changes"))
        title = tr("{changes} not applied yet").format(changes=changes)
        words = []
        if settings:
            words.append(tr("Settings of the node need a restart of the node to take effect."))
        if rules:
            words.append(tr("Pause rules take effect at once."))
        if problem:
            self._say(title, problem, "bad")
        else:
            self._say(title, " ".join(words), "info")
        self._mode(editing=True, able=not problem)
        self.show()

    def show_state(self, restart: tuple[str, ...], problems: tuple[str, ...], can_restart: bool) -> None:
        """Nothing is edited: what waits, and what is wrong in the file already."""
        if problems:
            self._say(tr("The settings file has an error, and the node will not start with it"),
                      " ".join(problems), "bad")  # fmt: skip
            self.show()
        elif restart:
            waiting = plural(len(restart), tr("setting needs"), tr("settings need"))
            self._say(
                tr("{waiting} a restart of the node").format(waiting=waiting), ", ".join(restart), "warn"
            )
            self._mode(waiting=can_restart)
            self.show()

    def show_working(self, words: str) -> None:
        self._say(words, "", "info")
        self._mode(working=True)
        self.show()

    def show_done(self) -> None:
        """What waits for a restart says so by itself; all else is in force."""
        if self.isHidden():
            self._say(tr("Applied"), "", "good")
            self._mode()
            self.show()

    def show_failure(self, words: str) -> None:
        self._say(tr("Not applied"), words, "bad")
        self._mode(editing=True)
        self.show()

    def _say(self, title: str, words: str, tone: str) -> None:
        icon = {"bad": "warn", "warn": "warn", "info": "info", "good": "check"}.get(tone, "")
        self.state.show_state(title, tone, icon)
        self.words.setText(words)
        self.words.setVisible(bool(words))
        self.setAccessibleName(f"{title}. {words}".strip())

    def _mode(
        self, editing: bool = False, able: bool = True, working: bool = False, waiting: bool = False
    ) -> None:
        self.progress.setVisible(working)
        self.revert.setVisible(editing)
        self.apply.setVisible(editing)
        self.apply.setEnabled(able)
        self.restart.setVisible(waiting)
