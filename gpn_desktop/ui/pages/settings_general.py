"""Settings of the window itself, which take effect at once: looks, start, closing, notifications."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSignalBlocker, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gpn_desktop.services.preferences import Look, Notice
from gpn_desktop.ui import language, text
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.pages.settings_draft import Draft
from gpn_desktop.ui.pages.settings_fields import FormRow, SettingField, source_words
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.widgets.basic import button, label
from gpn_desktop.ui.widgets.facts import Fact, FactList
from gpn_desktop.ui.widgets.inputs import Check, Choice

if TYPE_CHECKING:
    from gpn_desktop.services.preferences import Preferences


class Section(QWidget):
    """One entry of the list at the left; ``lead`` says what its settings have in common."""

    def __init__(self, context: PageContext, draft: Draft, lead: str) -> None:
        super().__init__()
        self.context, self.draft = context, draft
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 16, 0)
        self.column.setSpacing(12)
        self.lead = label(lead, context.theme.fonts.body, "muted", wrap=True)
        self.column.addWidget(self.lead)

    def add_title(self, words: str) -> None:
        self.column.addSpacing(8)
        self.column.addWidget(label(words, self.context.theme.fonts.strong))

    def add_field(self, key: str, title: str, words: str | None = None) -> SettingField:
        """``words`` in place of the purpose that the settings' table gives."""
        made = SettingField(self.context.theme, self.draft, key, title, words)
        self.column.addWidget(made)
        return made

    def add_row(self, title: str, words: str, control: QWidget, width: int = 240) -> FormRow:
        made = FormRow(self.context.theme, title, words, control, width)
        self.column.addWidget(made)
        return made

    @property
    def preferences(self) -> Preferences:
        return self.draft.preferences

    def change_ui(self, **fields: Any) -> None:
        ui = replace(self.preferences.ui, **fields)
        self.context.tasks.start(self.preferences.set_ui(ui))


class GeneralSection(Section):
    def __init__(self, context: PageContext, draft: Draft) -> None:
        super().__init__(context, draft, tr("How the window looks and behaves. Changes take effect at once."))
        ui = self.preferences.ui
        self.look = Choice(
            context.theme,
            [(Look.SYSTEM.value, tr("As the system")), (Look.LIGHT.value, tr("Light")),
             (Look.DARK.value, tr("Dark"))],
            self._choose_look,
        )  # fmt: skip
        self.look.choose(ui.look.value)
        self.add_row(tr("Theme"), "", self.look)
        self.language = Choice(context.theme, _languages(), lambda code: self.change_ui(language=code))
        self.language.choose(ui.language)
        words = tr("Takes effect when the application is started the next time.")
        self.add_row(tr("Language"), words, self.language)
        self.autostart = Check(context.theme, tr("On"))
        self.autostart.clicked.connect(self._set_autostart)
        self.autostart.setEnabled(False)
        self._autostart_row = self.add_row(
            tr("Start at login"),
            tr("The application starts when you log in to this machine."),
            self.autostart,
        )
        self._flag(
            "close_to_tray",
            tr("Keep working when the window is closed"),
            tr("The node goes on in the system's tray, where there is one. Quit ends it."),
        )
        self._flag("motion", tr("Animations"), tr("Off: nothing moves on the screen that does not have to."))
        self.column.addStretch(1)
        if self.preferences.doors.autostart is None:
            self._autostart_row.say(note=tr("This cannot be set from here."))
        else:
            context.tasks.start(self._look_up_autostart(), self._autostart_failed)

    def _flag(self, name: str, title: str, words: str) -> None:
        box = Check(self.context.theme, tr("On"))
        box.setChecked(getattr(self.preferences.ui, name))
        box.clicked.connect(lambda on: self.change_ui(**{name: on}))
        self.add_row(title, words, box)

    def _choose_look(self, look: str) -> None:
        self.context.theme.choose(look)
        self.change_ui(look=Look(look))

    async def _look_up_autostart(self) -> None:
        autostart = self.preferences.doors.autostart
        assert autostart is not None
        on = await autostart.enabled()
        with QSignalBlocker(self.autostart):
            self.autostart.setChecked(on)
        self.autostart.setEnabled(True)

    def _set_autostart(self, on: bool) -> None:
        autostart = self.preferences.doors.autostart
        assert autostart is not None
        self._autostart_row.say()
        self.context.tasks.start(autostart.set_enabled(on), self._autostart_failed)

    def _autostart_failed(self, error: BaseException) -> None:
        self._autostart_row.say(problem=text.explain(error))
        self.context.tasks.start(self._look_up_autostart())


class NotificationsSection(Section):
    def __init__(self, context: PageContext, draft: Draft) -> None:
        lead = tr("What the application tells while its window is out of sight. Changes take effect at once.")
        super().__init__(context, draft, lead)
        self.boxes: dict[Notice, Check] = {}
        for notice, title, words in (
            (Notice.PAID, tr("Rewards"), tr("A reward has passed its window and can be withdrawn.")),
            (Notice.LOST, tr("Lost turns"), tr("A proof of this node was voted down or came too late.")),
            (Notice.ALERT, tr("Needs attention"), tr("Something keeps this node from earning.")),
            (Notice.CHAIN, tr("Chain"), tr("The chain cannot be reached, so nothing is settled.")),
        ):
            box = Check(context.theme, tr("On"))
            box.setChecked(notice not in self.preferences.ui.muted)
            box.clicked.connect(self._changed)
            self.boxes[notice] = box
            self.add_row(title, words, box)
        self.column.addStretch(1)

    def _changed(self) -> None:
        muted = frozenset(notice for notice, box in self.boxes.items() if not box.isChecked())
        self.change_ui(muted=muted)


class DataSection(Section):
    def __init__(self, context: PageContext, draft: Draft) -> None:
        super().__init__(
            context, draft, tr("Where this node keeps its journal, its requests and its proofs.")
        )
        self.facts = FactList(context.theme)
        self.column.addWidget(self.facts)
        row = QHBoxLayout()
        self.open = button(tr("Open the folder"), context.theme)
        self.open.clicked.connect(self._open)
        row.addWidget(self.open)
        row.addStretch(1)
        self.column.addLayout(row)
        self.note = label("", context.theme.fonts.body, "muted", wrap=True)
        self.column.addWidget(self.note)
        self.add_title(tr("How to move it"))
        steps = (
            tr("Quit the application, so that nothing is written any more."),
            tr("Copy the whole folder to its new place, with its hidden files."),
            tr("Start the application, set the new folder below and apply, then restart the node."),
            tr("Remove the old folder once the node works. Never run two nodes on copies of one folder: "
               "they would sign against each other, which costs the stake."),
        )  # fmt: skip
        for number, step in enumerate(steps, 1):
            self.column.addWidget(label(f"{number}. {step}", context.theme.fonts.body, wrap=True))
        self.add_field("node.data_dir", tr("New data folder"), tr("A full path on this machine."))
        self.add_field(
            "limits.keep_days",
            tr("Days to keep payloads and proofs"),
            tr("What is older is removed; the journal and the history of requests stay."),
        )
        self.column.addStretch(1)
        draft.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        if not self.draft.rows:
            return
        row = self.draft.row("node.data_dir")
        view = self.draft.view
        assert view is not None
        self.facts.show_facts(
            [
                Fact(tr("Data folder"), row.value, value_mono=True, value_tone="text", copy=row.value),
                Fact(tr("Settings file"), view.path, value_mono=True, value_tone="text", copy=view.path),
            ]
        )
        self.note.setText(source_words(row))

    def _open(self) -> None:
        folder = self.draft.row("node.data_dir").value
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(folder)):
            self.note.setText(tr("No file manager opened it. It is there: {folder}").format(folder=folder))


def _languages() -> list[tuple[str, str]]:
    return [("", tr("As the system")), *((code, language.name_of(code)) for code in language.languages())]
