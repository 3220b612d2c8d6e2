"""Settings: the operator's other machines, which prove for this node."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLineEdit

from gpn_desktop.ports.cluster import WorkerState, WorkerView
from gpn_desktop.services.views import NodeView
from gpn_desktop.ui import text
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.pages.settings_draft import Draft
from gpn_desktop.ui.pages.settings_fields import Remark
from gpn_desktop.ui.pages.settings_general import Section
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.widgets.basic import CopyButton, button, label
from gpn_desktop.ui.widgets.facts import Fact, FactList


class MachinesSection(Section):
    def __init__(self, context: PageContext, draft: Draft) -> None:
        super().__init__(
            context, draft,
            tr("Other machines of yours can prove for this node. Each joins once, with a code, and needs "
               "Docker."),
        )  # fmt: skip
        theme = context.theme
        self.machines = FactList(theme)
        self.column.addWidget(self.machines)
        self.none = label(tr("No other machine is connected."), theme.fonts.body, "muted")
        self.column.addWidget(self.none)
        self.add_field(
            "cluster.listen", tr("Where other machines reach this one"),
            tr("HOST:PORT, such as 192.168.1.10:4420. The port above it is for joining."),
        )  # fmt: skip
        self.add_title(tr("Add a machine"))
        self._add_words(
            tr("A code is good for one machine and 15 minutes, while the node runs. On the other machine, "
               "run the command that is shown.")
        )  # fmt: skip
        row = QHBoxLayout()
        row.setSpacing(8)
        self.make = button(tr("Make a join code"), theme)
        self.make.clicked.connect(self._invite)
        self.command = QLineEdit()
        self.command.setReadOnly(True)
        self.command.setAccessibleName(tr("Command for the other machine"))
        self.copy = CopyButton(theme, tr("the command"))
        row.addWidget(self.make)
        row.addWidget(self.command, 1)
        row.addWidget(self.copy)
        row.addStretch(0)
        self.column.addLayout(row)
        for widget in (self.command, self.copy):
            widget.hide()
        self.state = Remark(theme)
        self.column.addWidget(self.state)
        self.add_title(tr("Take a machine out"))
        self._add_words(
            tr("Press Ctrl+C where gpn-desktop worker runs on it: it takes nothing more, finishes what it "
               "has and ends. Pressed twice, it ends at once and its proofs are made elsewhere.")
        )  # fmt: skip
        if self.preferences.doors.invite is None:
            self.make.setEnabled(False)
            self.make.setToolTip(tr("Not possible here."))
        self.column.addStretch(1)

    def _add_words(self, words: str) -> None:
        self.column.addWidget(label(words, self.context.theme.fonts.body, "muted", wrap=True))

    def refresh(self, view: NodeView) -> None:
        self.machines.show_facts([_machine(worker) for worker in view.workers])
        self.none.setVisible(not view.workers)

    def _invite(self) -> None:
        self.make.setEnabled(False)
        self.state.say(tr("Making a code"), "info", "proving")
        self.context.tasks.start(self._invited(), self._refused)

    async def _invited(self) -> None:
        invite = self.preferences.doors.invite
        assert invite is not None
        code = await invite()
        self.make.setEnabled(True)
        self.command.setText(f"gpn-desktop worker --join {code}")
        self.command.setCursorPosition(0)
        self.copy.value = self.command.text()
        self.command.show()
        self.copy.show()
        self.state.say(tr("Good for one machine and 15 minutes."), "good", "check")

    def _refused(self, error: BaseException) -> None:
        self.make.setEnabled(True)
        self.state.say(text.explain(error))


def _machine(worker: WorkerView) -> Fact:
    words, tone, icon = {
        WorkerState.PREPARING: (tr("Preparing its images"), "info", "proving"),
        WorkerState.READY: (tr("Ready"), "good", "check"),
        WorkerState.BUSY: (tr("Full"), "good", "check"),
        WorkerState.DRAINING: (tr("Finishing, takes nothing more"), "warn", "pause"),
        WorkerState.LOST: (tr("Lost"), "bad", "warn"),
    }[worker.state]
    slots = plural(worker.slots, tr("slot"), tr("slots"))
    used = tr("{used} of {slots} at work").format(used=worker.used, slots=slots)
    gpus = plural(worker.gpus, tr("GPU"), tr("GPUs"))
    if worker.state is not WorkerState.LOST:
        words = f"{words} · {used} · {gpus}"
    if worker.error:
        words, tone, icon = f"{words} · {worker.error}", "warn", "warn"
    return Fact(
        worker.name, words, value_tone=tone, value_icon=icon, tip=f"{worker.address}\n{worker.version}"
    )
