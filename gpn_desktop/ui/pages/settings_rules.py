"""Settings: when the node works and when it leaves the machine alone. These take effect at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from gpn_desktop.core.errors import PauseRulesRefused
from gpn_desktop.core.pausing import COOLING, Kind, Rules, Why, Window
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.pages.settings_draft import Draft
from gpn_desktop.ui.pages.settings_fields import FormRow
from gpn_desktop.ui.pages.settings_general import Section
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import IconLabel, button, label
from gpn_desktop.ui.widgets.inputs import Check
from gpn_desktop.ui.widgets.pause_words import cannot_tell, gpu_name, pause_line

if TYPE_CHECKING:
    from gpn_desktop.services.pausing import Pausing

DAY = 24 * 60
FULL_WEEK = frozenset(range(7))
NIGHT = Window(FULL_WEEK, 22 * 60, 7 * 60)
_CLOCK = re.compile(r"(\d{1,2})[:.](\d{2})")


class RulesSection(Section):
    """Edits a copy of the rules; ``edited`` tells of each change, and the page's Apply puts it in force."""

    edited = Signal()

    def __init__(self, context: PageContext, draft: Draft, pausing: Pausing) -> None:
        super().__init__(
            context, draft,
            tr("While the node pauses it declines its turns in time, so no stake is at risk, and goes on "
               "voting. Changes take effect at once."),
        )  # fmt: skip
        self._pausing = pausing
        theme = context.theme
        self.now = IconLabel(theme, bold=True)
        self.column.addWidget(self.now)
        self.add_title(tr("Working hours"))
        self.always = label(tr("None are set: it works at any time."), theme.fonts.body, "muted")
        self.column.addWidget(self.always)
        self.windows: list[WindowRow] = []
        self._list = QVBoxLayout()
        self._list.setSpacing(8)
        self.column.addLayout(self._list)
        row = QHBoxLayout()
        self.add = button(tr("Add working hours"), theme)
        self.add.clicked.connect(self._add)
        row.addWidget(self.add)
        row.addStretch(1)
        self.column.addLayout(row)
        self._build_rules()
        self._gpu_list = QVBoxLayout()
        self._gpu_list.setSpacing(8)
        self.gpus: dict[str, Check] = {}
        self.column.addLayout(self._gpu_list)
        self.column.addStretch(1)
        self.revert()
        undo = pausing.subscribe(self._changed)
        self.destroyed.connect(lambda: undo())
        self._changed()

    def _build_rules(self) -> None:
        self.add_title(tr("Pause"))
        self.idle = self._edit(tr("off"))
        self.idle_row = self.add_row(
            tr("While somebody uses the machine"),
            tr("Minutes without keyboard and mouse before it works again. Empty: it works also meanwhile."),
            self.idle,
        )
        self.battery = Check(self.context.theme, tr("On"))
        self.battery.clicked.connect(self.edited)
        self.battery_row = self.add_row(tr("While on battery"), "", self.battery)
        self.programs = self._edit(tr("none"))
        self.programs_row = self.add_row(
            tr("While one of these programs runs"),
            tr("File names with commas between them, such as blender, game.exe. Case does not matter."),
            self.programs,
        )
        self.celsius = self._edit(tr("no limit"))
        self.celsius_row = self.add_row(
            tr("While a GPU is too hot"),
            tr("In °C. A hotter GPU is left alone until it is {n} °C cooler; the others go on.").format(
                n=COOLING
            ),
            self.celsius,
        )

    def _edit(self, placeholder: str) -> QLineEdit:
        made = QLineEdit()
        made.setPlaceholderText(placeholder)
        made.textEdited.connect(self.edited)
        return made

    # what the page asks ---------------------------------------------------------------------------------

    @property
    def dirty(self) -> bool:
        try:
            return self.rules() != self._pausing.state().rules
        except PauseRulesRefused:
            return True

    @property
    def problem(self) -> str:
        """The first thing that is wrong, said at its row as well; "" if the rules can be used."""
        try:
            self.rules()
        except PauseRulesRefused as error:
            return str(error)
        return ""

    async def apply(self) -> None:
        """PauseRulesRefused, PauseNotKept"""
        await self._pausing.set_rules(self.rules())

    def revert(self) -> None:
        rules = self._pausing.state().rules
        self._show_windows(rules.windows)
        self.idle.setText(str(rules.idle_minutes or ""))
        self.battery.setChecked(rules.on_battery)
        self.programs.setText(", ".join(rules.programs))
        self.celsius.setText(str(rules.max_celsius or ""))
        for uuid, box in self.gpus.items():
            box.setChecked(uuid not in rules.excluded_gpus)
        self.edited.emit()

    def rules(self) -> Rules:
        """As they are edited; PauseRulesRefused."""
        from gpn_desktop.services.pausing import make_rules

        excluded = {uuid for uuid, box in self.gpus.items() if not box.isChecked()}
        gone = self._pausing.state().rules.excluded_gpus - set(self.gpus)  # of a GPU that is not in now
        return make_rules(
            windows=tuple(row.hours() for row in self.windows),
            idle_minutes=_number(self.idle, tr("minutes without use")),
            programs=tuple(name.strip() for name in self.programs.text().split(",") if name.strip()),
            on_battery=self.battery.isChecked(),
            max_celsius=_number(self.celsius, tr("temperature")),
            excluded_gpus=frozenset(excluded | gone),
        )

    # inside ---------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """The node's pause is another one now."""
        state = self._pausing.state()
        if state.paused:
            self.now.show_state(pause_line(state), "warn", "pause")
        else:
            self.now.show_state(tr("The node takes its turns now."), "good", "check")
        blind = {reason.why for reason in state.reasons if reason.kind is Kind.CANNOT_TELL}
        for why, row in self._rows():
            row.say(note=cannot_tell(why) if why in blind else "")
        for gpu in state.gpus:
            if gpu.uuid not in self.gpus:
                box = Check(self.context.theme, tr("Use it"))
                box.setChecked(gpu.uuid not in state.rules.excluded_gpus)
                box.clicked.connect(self.edited)
                self.gpus[gpu.uuid] = box
                name = gpu_name(gpu.uuid, state.gpus)
                box.setAccessibleName(tr("Use {gpu}").format(gpu=name))
                self._gpu_list.addWidget(FormRow(self.context.theme, name, gpu.uuid, box))
        self.lead.setToolTip(state.problem)

    def _rows(self) -> Iterable[tuple[Why, FormRow]]:
        return (
            (Why.NO_IDLE, self.idle_row),
            (Why.NO_BATTERY, self.battery_row),
            (Why.NO_PROGRAMS, self.programs_row),
            (Why.NO_TEMPERATURE, self.celsius_row),
        )

    def _show_windows(self, windows: Iterable[Window]) -> None:
        for row in self.windows:
            self._list.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.windows = []
        for window in windows:
            self._add_row(window)
        self.always.setVisible(not self.windows)

    def _add_row(self, window: Window) -> WindowRow:
        row = WindowRow(self.context.theme, window, self.edited.emit)
        row.remove.clicked.connect(lambda: self._remove(row))
        self.windows.append(row)
        self._list.addWidget(row)
        row.show()  # now, so that it can take the cursor
        self.always.hide()
        return row

    def _add(self) -> None:
        self._add_row(NIGHT).start.setFocus()
        self.edited.emit()

    def _remove(self, row: WindowRow) -> None:
        self.windows.remove(row)
        self._list.removeWidget(row)
        row.hide()
        row.deleteLater()
        self.always.setVisible(not self.windows)
        self.add.setFocus()
        self.edited.emit()


class WindowRow(QWidget):
    """Days, from and to; a time that ends before it begins goes on into the next day."""

    def __init__(self, theme: Theme, window: Window, edited: Callable[[], None]) -> None:
        super().__init__()
        self._edited = edited
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.days = []
        for day, (short, name) in enumerate(_days()):
            box = button(short, theme)
            box.setCheckable(True)
            box.setChecked(day in window.days)
            box.setAccessibleName(name)
            box.setToolTip(name)
            box.clicked.connect(self._changed)
            self.days.append(box)
            row.addWidget(box)
        row.addSpacing(12)
        self.start = self._time(theme, window.start, tr("From"))
        self.end = self._time(theme, window.end, tr("To"))
        row.addWidget(label(tr("from"), theme.fonts.body, "muted"))
        row.addWidget(self.start)
        row.addWidget(label(tr("to"), theme.fonts.body, "muted"))
        row.addWidget(self.end)
        self.next_day = label("", theme.fonts.label, "muted")
        row.addWidget(self.next_day)
        row.addStretch(1)
        self.remove = button(tr("Remove"), theme)
        self.remove.setAccessibleName(tr("Remove these working hours"))
        row.addWidget(self.remove)
        self._say()

    def hours(self) -> Window:
        """PauseRulesRefused"""
        start, end = minutes(self.start.text()), minutes(self.end.text())
        days = frozenset(day for day, box in enumerate(self.days) if box.isChecked())
        if start is None or end is None or start == DAY:
            raise PauseRulesRefused(tr("Working hours need times such as 22:00 and 7:30."))
        if not days:
            raise PauseRulesRefused(tr("Working hours need at least one day."))
        return Window(days, start, end)

    def _time(self, theme: Theme, value: int, name: str) -> QLineEdit:
        made = QLineEdit(f"{value // 60:02d}:{value % 60:02d}")
        made.setAccessibleName(name)
        made.setFixedWidth(theme.fonts.px(80))
        made.textEdited.connect(self._changed)
        return made

    def _changed(self) -> None:
        self._say()
        self._edited()

    def _say(self) -> None:
        start, end = minutes(self.start.text()), minutes(self.end.text())
        later = start is not None and end is not None and end <= start
        self.next_day.setText(tr("of the next day") if later else "")


def minutes(text: str) -> int | None:
    """``22:30`` as minutes of the day; 24:00 is its end."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    value = int(found[1]) * 60 + int(found[2])
    return value if int(found[2]) < 60 and value <= DAY else None


def _number(edit: QLineEdit, what: str) -> int:
    words = edit.text().strip()
    if not words:
        return 0
    if not words.isascii() or not words.isdecimal() or len(words) > 6:
        raise PauseRulesRefused(tr("{what}: a whole number is expected.").format(what=what.capitalize()))
    return int(words)


def _days() -> list[tuple[str, str]]:
    return [
        (tr("Mo"), tr("Monday")),
        (tr("Tu"), tr("Tuesday")),
        (tr("We"), tr("Wednesday")),
        (tr("Th"), tr("Thursday")),
        (tr("Fr"), tr("Friday")),
        (tr("Sa"), tr("Saturday")),
        (tr("Su"), tr("Sunday")),
    ]
