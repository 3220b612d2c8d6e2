"""Leaving while proofs run: finish them first, stop now with what that costs, or stay in the tray."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout

from gpn_desktop.core.types import Gwei
from gpn_desktop.services.views import JobView, NodeView, Phase
from gpn_desktop.ui import text
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import Card, IconLabel, button, label


def my_proofs(view: NodeView) -> list[JobView]:
    """The requests that this node proves at the moment."""
    return [
        job
        for job in view.jobs
        if job.phase is Phase.PROVING and any(turn.mine and turn.state == "proving" for turn in job.turns)
    ]


class QuitSheet(Card):
    """Shown above the page. ``finish``, ``stop`` and ``stay`` are what its buttons do."""

    def __init__(
        self, theme: Theme, finish: Callable[[], None], stop: Callable[[], None], stay: Callable[[], None]
    ) -> None:
        super().__init__(theme)
        self.finishing = False
        self.state = IconLabel(theme, bold=True)
        self.words = label("", theme.fonts.body, "muted", wrap=True)
        self.finish = button(tr("Finish, then quit"), theme, "primary")
        self.stop = button(tr("Stop now"), theme)
        self.stay = button(tr("Keep running in the tray"), theme)
        self.cancel = button(tr("Don’t quit"), theme)
        self.finish.clicked.connect(self._begin)
        self._finish = finish
        self.stop.clicked.connect(stop)
        self.stay.clicked.connect(self.hide)
        self.stay.clicked.connect(stay)
        self.cancel.clicked.connect(self.dismiss)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addStretch(1)
        for made in (self.cancel, self.stay, self.stop, self.finish):
            row.addWidget(made)
        self.body.addWidget(self.state)
        self.body.addWidget(self.words)
        self.body.addLayout(row)
        self.hide()

    def ask(self, view: NodeView, tray: bool) -> None:
        self.finishing = False
        self.stay.setVisible(tray)
        for made in (self.finish, self.cancel):
            made.show()
        self.refresh(view)
        self.show()
        self.finish.setFocus()

    def refresh(self, view: NodeView) -> None:
        running = my_proofs(view)
        proofs = plural(max(1, len(running)), tr("proof is"), tr("proofs are"))
        title = tr("Quitting when {proofs} done") if self.finishing else tr("{proofs} still being made")
        self.state.show_state(title.format(proofs=proofs), "info" if self.finishing else "warn",
                              "proving" if self.finishing else "warn")  # fmt: skip
        self.setAccessibleName(self.state.text())
        lost = text.eth(Gwei(sum(job.reward for job in running)))
        latest = max((job.deadline for job in running), default=0)
        words = tr(
            "Stopping now declines these turns: the next prover takes over, and up to {eth} ETH go to "
            "others. No stake is at risk."
        ).format(eth=lost)
        if self.finishing:
            words = tr("No new turn is taken. At the latest {when}.").format(when=text.until(latest))
        self.words.setText(words)

    def dismiss(self) -> None:
        self.hide()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Escape and not self.finishing:
            self.dismiss()
        else:
            super().keyPressEvent(event)

    def _begin(self) -> None:
        self.finishing = True
        self.finish.hide()
        self.stop.setFocus()
        self._finish()
