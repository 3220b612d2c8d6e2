"""The status strip, always there: which network, how connected, what runs, what proves, and Pause."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QWidget

from gpn_desktop.core.gpus import GpuReading
from gpn_desktop.services.views import NodeView
from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.theme import STRIP, Theme
from gpn_desktop.ui.widgets.basic import Elided, IconLabel, label, set_property
from gpn_desktop.ui.widgets.pause_menu import PauseButton

# Networks where nothing has a value are framed in amber; a real one is quiet.
PLAY_NETWORKS = frozenset({"demo", "testing"})


def is_test_prover(view: NodeView) -> bool:
    return view.runtime.startswith("builtin:")


class Strip(QWidget):
    def __init__(self, theme: Theme, tasks: Tasks, rules: Callable[[str], None]) -> None:
        super().__init__()
        self.setObjectName("strip")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        fonts = theme.fonts
        self.setFixedHeight(fonts.px(STRIP))
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 0, 12, 0)
        row.setSpacing(20)
        self.badge = label("", fonts.badge, "")
        self.badge.setObjectName("badge")
        self.badge.hide()
        self.head = label("", fonts.label, "muted")
        self.peers = label("", fonts.label, "muted")
        self.running = label(tr("Starting"), fonts.label, "muted")
        self.prover = IconLabel(theme)
        self.gpus = label("", fonts.label, "muted")
        for widget in (self.badge, self.head, self.peers, self.running, self.prover, self.gpus):
            row.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)
        for widget in (self.head, self.peers, self.prover, self.gpus):
            widget.hide()
        self.story = Elided(fonts.label)
        row.addWidget(self.story, 1)
        self.pause = PauseButton(theme, tasks, rules, "strip", above=True)
        row.addWidget(self.pause)

    def say(self, words: str) -> None:
        """Before there is a node."""
        self.running.setText(words)

    def detach(self) -> None:
        """There is no node any more."""
        for widget in (self.badge, self.head, self.peers, self.prover, self.gpus):
            widget.hide()
        self.pause.detach()

    def refresh(self, view: NodeView) -> None:
        play = view.network in PLAY_NETWORKS
        self.badge.setText(view.network.upper() if play else tr("Chain {id}").format(id=view.network))
        set_property(self.badge, "quiet", "false" if play else "true")
        self.badge.setToolTip(tr("Nothing here has a value.") if play else tr("Amounts are real."))
        self.badge.show()
        chainless = view.network == "testing"
        self.head.setVisible(not chainless)
        self.head.setText(
            tr("Block {n}").format(n=f"{view.head:,}") if view.chain_up else tr("Chain unreachable")
        )
        set_property(self.head, "tone", "muted" if view.chain_up else "warn")
        self.peers.show()
        self.prover.show()
        self.peers.setText(plural(view.peers, tr("peer"), tr("peers")))
        set_property(self.peers, "tone", "muted" if view.peers else "warn")
        self.running.setText(plural(view.running, tr("proof running"), tr("proofs running")))
        if is_test_prover(view):
            self.prover.show_state(tr("Test prover: no real proofs"), "warn", "warn")
            self.prover.setToolTip(tr("The built-in test prover answers ({name}).").format(name=view.runtime))
        else:
            self.prover.show_state(view.runtime, "muted")
        self.pause.refresh(view.running)

    def show_gpus(self, readings: Sequence[GpuReading]) -> None:
        """The warmest one's temperature, and the power that all of them draw."""
        warmest = max((r.temperature for r in readings if r.temperature is not None), default=None)
        watts = [reading.power for reading in readings if reading.power is not None]
        parts = [] if warmest is None else [tr("{n} °C").format(n=warmest)]
        parts += [tr("{n} W").format(n=round(sum(watts)))] if watts else []
        self.gpus.setVisible(bool(parts))
        self.gpus.setText(tr("GPU {values}").format(values=" · ".join(parts)))
        self.gpus.setToolTip(
            tr("The warmest GPU, and the power of all.") if len(readings) > 1 else tr("This machine’s GPU.")
        )
