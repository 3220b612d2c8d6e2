"""Would I have earned? A consumer's settled past with this machine in it: shares, gas, electricity."""

from __future__ import annotations

import asyncio
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLineEdit, QProgressBar, QWidget

from gpn_desktop.core.types import Wei, hex0x, parse_address, short
from gpn_desktop.ports.runtime import ImageRef
from gpn_desktop.services.views import ConsumerView, NodeView
from gpn_desktop.ui import text
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.widgets.basic import Card, button, label
from gpn_desktop.ui.widgets.facts import Fact, FactList
from gpn_desktop.ui.widgets.inputs import Choice

if TYPE_CHECKING:
    from gpn_desktop.core.replay import Outlook

USUAL_TURN = 60.0
MILLIONTHS = 10**6
DAYS = (1, 7, 30)
MOST_WATTS = 100_000


class ReplayCard(Card):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context.theme, tr("Would I have earned?"))
        self._context = context
        self._view: NodeView | None = None
        self._running: asyncio.Task[None] | None = None
        theme = context.theme
        self.words = label(
            tr("What a consumer’s settled requests would have brought this machine, by its share of the "
               "stake and its measured speed. Nothing is sent."),
            theme.fonts.body, "muted", wrap=True,
        )  # fmt: skip
        self.body.addWidget(self.words)
        self.body.addLayout(self._inputs())
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(tr("Blocks read"))
        self.progress.hide()
        self.answer = label("", theme.fonts.body, "bad", wrap=True)
        self.answer.hide()
        self.facts = FactList(theme, height=30)
        for widget in (self.progress, self.answer, self.facts):
            self.body.addWidget(widget)
        self.setVisible(context.facade.replay is not None)

    def _inputs(self) -> QGridLayout:
        theme = self._context.theme
        self.consumer = Choice(theme, [], lambda _: self._show_buttons())
        self.days = Choice(theme, [(str(n), plural(n, tr("day"), tr("days"))) for n in DAYS], lambda _: None)
        self.stake = self._line("1")
        self.watts = self._line("300")
        self.price = self._line("0.30")
        self.run = button(tr("Reckon"), theme)
        self.run.clicked.connect(self._start)
        self.cancel = button(tr("Cancel"), theme)
        self.cancel.clicked.connect(self._stop)
        self.cancel.hide()
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(4)
        named: tuple[tuple[str, QWidget], ...] = (
            (tr("Consumer"), self.consumer), (tr("Time back"), self.days), (tr("Stake, ETH"), self.stake),
            (tr("Watts at work"), self.watts), (tr("Price of a kWh"), self.price),
        )  # fmt: skip
        for column, (name, made) in enumerate(named):
            made.setAccessibleName(name)
            grid.addWidget(label(name, theme.fonts.label, "muted"), 0, column)
            grid.addWidget(made, 1, column)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.run)
        grid.addLayout(buttons, 1, len(named))
        grid.setColumnStretch(0, 1)
        return grid

    def _line(self, value: str) -> QLineEdit:
        made = QLineEdit(value)
        made.setFont(self._context.theme.fonts.body)
        made.setFixedWidth(self._context.theme.fonts.px(96))
        made.returnPressed.connect(self._start)
        return made

    def refresh(self, view: NodeView) -> None:
        self._view = view
        for consumer in view.consumers:
            if self.consumer.findData(hex0x(consumer.address)) < 0:
                name = f"{short(consumer.address)}  {consumer.image_name}"
                self.consumer.addItem(name, hex0x(consumer.address))
        self._show_buttons()

    def _show_buttons(self) -> None:
        working = self._running is not None
        self.run.setEnabled(not working and self.consumer.count() > 0)
        self.cancel.setVisible(working)

    # at work --------------------------------------------------------------------------------------------

    def _start(self) -> None:
        chosen = self._chosen()
        if chosen is None or self._running is not None:
            return
        try:
            stake, watts, price = self._amounts()
        except ValueError as error:
            self._say(str(error))
            return
        self.answer.hide()
        self.facts.show_facts(())
        self.progress.setRange(0, 0)
        self.progress.show()
        self._running = self._context.tasks.start(
            self._reckon(chosen, stake, watts, price), lambda error: self._say(text.explain(error))
        )
        self._running.add_done_callback(self._ended)
        self._show_buttons()

    def _stop(self) -> None:
        if self._running is not None:
            self._running.cancel()

    def _ended(self, _: object) -> None:
        self._running = None
        self.progress.hide()
        self._show_buttons()

    async def _reckon(self, consumer: ConsumerView, stake: Wei, watts: int, price: int) -> None:
        from gpn_desktop.services.replay import Wanted

        facade = self._context.facade
        assert facade.replay is not None
        image = ImageRef(consumer.image_name, consumer.image_digest)
        trial = await facade.trials.load(image) if facade.trials is not None else None
        wanted = Wanted(
            consumer.address, int(str(self.days.currentData())), stake,
            float(consumer.turn_seconds or USUAL_TURN), watts, price,
        )  # fmt: skip
        outlook = await facade.replay.run(wanted, trial.measured if trial else None, self._read)
        self.facts.show_facts(outlook_facts(outlook))

    def _read(self, blocks: int, of: int) -> None:
        self.progress.setRange(0, of)
        self.progress.setValue(blocks)

    def _say(self, words: str) -> None:
        self.answer.setText(words)
        self.answer.show()

    def _chosen(self) -> ConsumerView | None:
        address = str(self.consumer.currentData() or "")
        if self._view is None or not address:
            return None
        wanted = parse_address(address)
        return next((one for one in self._view.consumers if one.address == wanted), None)

    def _amounts(self) -> tuple[Wei, int, int]:
        """Stake in wei, watts, and the price of a kWh in millionths. ValueError in words."""
        stake = _number(self.stake, tr("Stake, ETH"), 10**18)
        watts = _number(self.watts, tr("Watts at work"), 1)
        if watts > MOST_WATTS:
            raise ValueError(tr("{what}: at most {most}.").format(what=tr("Watts at work"), most=MOST_WATTS))
        return Wei(stake), watts, _number(self.price, tr("Price of a kWh"), MILLIONTHS)


def _number(line: QLineEdit, name: str, unit: int) -> int:
    """What was typed, in whole units; exact, since money is never a float."""
    try:
        value = Decimal(line.text().strip().replace(",", ".")) * unit
        if not value.is_finite() or value < 0 or value > 10**30 or value != int(value):
            raise InvalidOperation
    except InvalidOperation:
        raise ValueError(tr("{what}: a number is expected, such as 0.30.").format(what=name)) from None
    return int(value)


def outlook_facts(outlook: Outlook) -> list[Fact]:
    if not outlook.requests:
        return [Fact(tr("No request of this consumer was settled in this time."), tone="muted", icon="info")]
    brought = tr("{n} for {eth} ETH")
    proofs = brought.format(n=f"{float(outlook.proofs):.1f}", eth=text.eth(outlook.proved))
    votes = brought.format(n=f"{float(outlook.votes):.1f}", eth=text.eth(outlook.verified))
    facts = []
    if not outlook.in_time:
        words = tr("Too slow for this consumer’s turns: it would have lived of its votes alone.")
        facts.append(Fact(words, tone="warn", icon="warn"))
    spent = f"{Decimal(outlook.power) / MILLIONTHS:.2f}"
    kwh = f"{outlook.joules / 3_600_000:.2f}"
    return [
        *facts,
        Fact(tr("Settled requests"), f"{outlook.requests:,}"),
        Fact(tr("Proofs, expected"), proofs),
        Fact(tr("Votes, expected"), votes),
        Fact(tr("Gas at the present price"), tr("{eth} ETH").format(eth=text.eth_of_wei(outlook.gas))),
        Fact(tr("Electricity"), tr("{kwh} kWh, {cost} in your currency").format(kwh=kwh, cost=spent)),
        Fact(tr("Left over"), tr("{eth} ETH").format(eth=_signed(outlook.net)),
             value_tone="good" if outlook.net > 0 else "bad"),
        Fact(tr("An expectation with all votes counted: the order cannot be drawn anew with one more prover"),
             tone="muted", icon="info"),
    ]  # fmt: skip


def _signed(amount: Wei) -> str:
    return text.eth_of_wei(amount) if amount >= 0 else f"-{text.eth_of_wei(Wei(-amount))}"
