"""Withdrawing: asks once, shows that it works on it, and ends in a plain word of success or failure."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar

from gpn_desktop.core.types import Wei, hex0x, short, to_wei
from gpn_desktop.services.views import NodeView
from gpn_desktop.ui import text
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.widgets.basic import Card, IconLabel, button, label
from gpn_desktop.ui.widgets.facts import Fact, FactList


class WithdrawSheet(Card):
    """Opens below the page's head. While it works the amount cannot be sent a second time."""

    opened = Signal(bool)

    def __init__(self, context: PageContext) -> None:
        super().__init__(context.theme)
        theme = context.theme
        self._context = context
        self.working = False
        self.state = IconLabel(theme, bold=True)
        self.words = label("", theme.fonts.body, "muted", wrap=True)
        self.facts = FactList(theme, height=30)
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(tr("Withdrawing"))
        self.confirm = button(tr("Withdraw"), theme, "primary")
        self.confirm.clicked.connect(self._send)
        self.cancel = button(tr("Cancel"), theme)
        self.cancel.clicked.connect(self._close)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addStretch(1)
        row.addWidget(self.cancel)
        row.addWidget(self.confirm)
        self.body.addWidget(self.state)
        self.body.addWidget(self.words)
        self.body.addWidget(self.facts)
        self.body.addWidget(self.progress)
        self.body.addLayout(row)
        self.hide()

    def ask(self, view: NodeView) -> None:
        amount = to_wei(view.earnings.claimable)
        to = hex0x(view.payout) if view.payout else tr("the payout address registered on the contract")
        self._title(tr("Withdraw {eth} ETH?").format(eth=text.eth_of_wei(amount)), "text", "")
        self.words.setText(
            tr(
                "{exact} go to {to}. The network’s fee is paid by this node’s key {me}. "
                "Rewards still in their window stay and can be withdrawn later."
            ).format(exact=text.exact_wei(amount), to=to, me=short(view.address))
        )
        self._show_cost(view, amount, None)
        self._mode(asking=True)
        self.show()
        self.opened.emit(True)
        self.confirm.setFocus()
        self._context.tasks.start(self._look_up_fee(view, amount), self._fee_unknown)

    async def _look_up_fee(self, view: NodeView, amount: Wei) -> None:
        self._show_cost(view, amount, await self._context.facade.ledger.withdrawal_fee())

    def _fee_unknown(self, error: BaseException) -> None:
        """The question stands without it; the words say that there is a fee."""
        facts = [fact for fact in self.facts.facts if fact.text != tr("Net")]
        facts[-1] = replace(facts[-1], value=tr("not known now"), tip=text.explain(error))
        self.facts.show_facts(facts)

    def _show_cost(self, view: NodeView, amount: Wei, fee: Wei | None) -> None:
        """``fee``: None while it is looked up."""
        to = hex0x(view.payout) if view.payout else tr("as registered on the contract")
        rows = [
            Fact(tr("To"), to, value_mono=view.payout is not None),
            Fact(tr("Network"), tr("Demo network") if view.network == "demo" else view.network),
        ]
        if fee is None:
            rows.append(Fact(tr("Fee, at most"), "…"))
        else:
            net = Wei(amount - fee)
            tone = "bad" if net < 0 else "text"
            rows.append(Fact(tr("Fee, at most"), f"{text.eth_of_wei(fee)} ETH", tip=text.exact_wei(fee)))
            rows.append(
                Fact(tr("Net"), f"{text.eth_of_wei(net)} ETH", value_tone=tone, tip=text.exact_wei(net))
            )
        self.facts.show_facts(rows)

    def _close(self) -> None:
        self.hide()
        self.opened.emit(False)

    def _send(self) -> None:
        self.working = True
        self._title(tr("Withdrawing"), "info", "proving")
        self.words.setText(tr("The transaction is signed, sent and waits for its block."))
        self._mode(working=True)
        self._context.tasks.start(self._withdraw(), self._failed)

    async def _withdraw(self) -> None:
        sent = await self._context.facade.withdraw()
        self.working = False
        if sent:
            self._title(tr("Withdrawn: {eth} ETH").format(eth=text.eth_of_wei(sent)), "good", "check")
            self.words.setText(
                tr("{exact} were sent to the payout address.").format(exact=text.exact_wei(sent))
            )
        else:
            self._title(tr("Nothing was withdrawn"), "text", "info")
            self.words.setText(tr("No reward was claimable by the time of the transaction."))
        self._mode()

    def _failed(self, error: BaseException) -> None:
        self.working = False
        self._title(tr("The withdrawal failed"), "bad", "warn")
        self.words.setText(
            text.explain(error) + " " + tr("What is not sent stays claimable; nothing is lost.")
        )
        self._mode(failed=True)

    def _title(self, words: str, tone: str, icon: str) -> None:
        self.state.show_state(words, tone, icon)
        self.setAccessibleName(words)

    def _mode(self, asking: bool = False, working: bool = False, failed: bool = False) -> None:
        self.progress.setVisible(working)
        self.facts.setVisible(asking)
        self.confirm.setVisible(asking or failed)
        self.confirm.setText(tr("Try again") if failed else tr("Withdraw"))
        self.cancel.setVisible(not working)
        self.cancel.setText(tr("Cancel") if asking else tr("Close"))
