"""Join a network: the steps from nothing to a running node, each with its state and its button."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gpn_desktop.core.health import Level
from gpn_desktop.core.types import short
from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import Card, IconLabel, button, label, line, set_property
from gpn_desktop.ui.widgets.form import Field, Form, FormSpec, Values

if TYPE_CHECKING:
    from gpn_desktop.services.joining import Joining, Way

ROW = 52


@dataclass(frozen=True, slots=True)
class StepLine:
    """``done`` None: it can be left out, or its outcome is no yes and no."""

    key: str
    title: str
    words: str
    act: str
    done: bool | None = False
    tone: str = ""


class StepRow(QWidget):
    def __init__(self, theme: Theme, act: Callable[[], None]) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 6, 0, 6)
        row.setSpacing(12)
        words = QVBoxLayout()
        words.setSpacing(2)
        self.state = IconLabel(theme, bold=True)
        self.words = label("", theme.fonts.label, "muted", wrap=True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        words.addWidget(self.state)
        words.addWidget(self.words)
        row.addLayout(words, 1)
        self.act = button("", theme)
        self.act.clicked.connect(act)
        self.act.hide()  # until it is known what is to be done
        row.addWidget(self.act, 0, Qt.AlignmentFlag.AlignVCenter)

    def show_step(self, step: StepLine, primary: bool) -> None:
        icon = "check" if step.done else "waiting"
        tone = step.tone or ("good" if step.done else "text")
        self.state.show_state(step.title, tone, "warn" if step.tone in ("warn", "bad") else icon)
        self.words.setText(step.words)
        self.act.setText(step.act)
        self.act.setAccessibleName(f"{step.title}: {step.act}")
        self.act.setVisible(bool(step.act))
        set_property(self.act, "kind", "primary" if primary else "")


class JoinCard(Card):
    """``start``: the node shall be started; ``looked``: whether anything of the way is done. ``go`` opens a
    page."""

    start = Signal()
    looked = Signal(bool)

    def __init__(self, theme: Theme, tasks: Tasks, joining: Joining, go: Callable[[str], None]) -> None:
        super().__init__(theme, tr("Join a network"))
        self._tasks, self._joining, self._go = tasks, joining, go
        self.way: Way | None = None
        self.body.addWidget(
            label(
                tr("You can leave this at any point: it goes on where you stopped."),
                theme.fonts.body, "muted", wrap=True,
            )
        )  # fmt: skip
        self.form = Form(theme, tasks)
        self.form.opened.connect(lambda _: self.look())
        self.rows: dict[str, StepRow] = {}
        for key in ("key", "backup", "network", "checks", "start"):
            self.rows[key] = StepRow(theme, partial(self._act, key))
            self.body.addWidget(self.rows[key])
            if key == "network":
                self.body.addWidget(self.form)
            if key != "start":
                self.body.addWidget(line())

    def look(self) -> None:
        """Find out again how far it is."""
        self._tasks.start(self._look())

    async def _look(self) -> None:
        self.way = await self._joining.look()
        self._show(self.way)

    def _show(self, way: Way) -> None:
        steps = steps_of(way)
        following = next((s for s in steps if s.done is False and s.key != "start"), None)
        first = following.key if following is not None else "start"
        for step in steps:
            primary = way.begun and step.key == first and not self.form.isVisible()
            self.rows[step.key].show_step(step, primary)
        self.rows["start"].act.setEnabled(way.may_start)
        self.looked.emit(way.begun)

    def _act(self, key: str) -> None:
        if key in ("key", "backup"):
            self._go("wallet")
        elif key == "network":
            self.form.ask(self._network())
        elif key == "checks":
            self._tasks.start(self._check())
        else:
            self.start.emit()

    async def _check(self) -> None:
        row = self.rows["checks"]
        row.act.setEnabled(False)
        row.state.show_state(tr("Checking this machine…"), "info", "proving")
        try:
            await self._joining.health.recheck()
        finally:
            row.act.setEnabled(True)
        await self._look()
        if self.way is not None and self.way.checked in (Level.BAD, Level.WARN):
            self._go("health")

    def _network(self) -> FormSpec:
        way = self.way

        async def choose(values: Values) -> str:
            found = await self._joining.choose_network(values["endpoint"], values["contract"])
            await self._look()
            return tr("Chain {id}, at block {head}; the contract is there.").format(
                id=found.chain_id, head=f"{found.head:,}"
            )

        return FormSpec(
            tr("Which network"),
            tr("Whoever runs a network tells its contract. The endpoint is of your own chain node, or of a "
               "provider; nobody else sees it, and the address may carry a key."),
            tr("Check and keep"),
            tr("Asking the chain"),
            (
                Field("endpoint", tr("Chain endpoint"), value=way.endpoint if way else "",
                      hint=tr("Begins with wss:// or ws://.")),
                Field("contract", tr("Settlement contract"), value=way.contract if way else "",
                      hint=tr("0x and 40 hex digits.")),
            ),
            choose,
        )  # fmt: skip


def steps_of(way: Way) -> tuple[StepLine, ...]:
    return (_key(way), _backup(way), _network(way), _checks(way), _start(way))


def _key(way: Way) -> StepLine:
    wallet = way.wallet
    if wallet.locked:
        return StepLine("key", tr("The wallet is locked"), tr("The node needs its key."), tr("Unlock"))
    if wallet.address is None:
        words = tr("It signs this node’s proofs and votes, and holds its stake. {why}").format(why=wallet.why)
        return StepLine("key", tr("A key of your own"), words.strip(), tr("Set up the key"))
    return StepLine("key", tr("A key of your own"), short(wallet.address), tr("Open the wallet"), True)


def _backup(way: Way) -> StepLine:
    title = tr("A backup that was tested")
    if way.wallet.address is None:
        words = tr("The first thing to do with a new key. Without it a broken disk costs the stake.")
        return StepLine("backup", title, words, "", None)
    if way.wallet.backed_up:
        return StepLine("backup", title, tr("A restore of this key has passed."), "", True)
    words = tr("Without it a broken disk costs the stake.")
    return StepLine("backup", title, words, tr("Back it up"), None, "warn")


def _network(way: Way) -> StepLine:
    title = tr("A network")
    if way.problem:
        return StepLine("network", title, way.problem, tr("Choose the network"), False, "bad")
    if not way.has_network:
        words = tr("A chain’s endpoint, and the settlement contract on it.")
        return StepLine("network", title, words, tr("Choose the network"))
    words = tr("Chain {id}, contract {contract}").format(
        id=way.chain_id or "?", contract=way.contract or tr("found by the node")
    )
    return StepLine("network", title, words, tr("Change it"), True)


def _checks(way: Way) -> StepLine:
    title = tr("What this machine needs")
    found = {
        None: (tr("Docker, disk, clock, ports, chain and keyring: the doctor looks at each."), None, ""),
        Level.GOOD: (tr("All checks are good."), True, ""),
        Level.UNKNOWN: (tr("Some checks could not be carried out; see Logs & health."), None, ""),
        Level.WARN: (tr("Some checks want a look; see Logs & health."), None, "warn"),
        Level.BAD: (tr("Something holds this machine back; Logs & health says what to do."), None, "bad"),
    }
    words, done, tone = found[way.checked]
    return StepLine("checks", title, words, tr("Check") if way.checked is None else tr("Check again"),
                    done, tone)  # fmt: skip


def _start(way: Way) -> StepLine:
    words = tr("Then the node runs. Stake and the first commitment are made on Consumers & images.")
    return StepLine("start", tr("Start"), words, tr("Start the node"))
