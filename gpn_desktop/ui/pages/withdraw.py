"""Withdrawing: what goes where, what it costs, and how it ended."""

from __future__ import annotations

from dataclasses import replace

from gpn_desktop.core.types import Wei, hex0x, short, to_wei
from gpn_desktop.services.views import NodeView
from gpn_desktop.ui import text
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.widgets.facts import Fact
from gpn_desktop.ui.widgets.sheet import Question, Sheet


class WithdrawSheet(Sheet):
    """Opens below the page's head. While it works the amount cannot be sent a second time."""

    def __init__(self, context: PageContext) -> None:
        super().__init__(context.theme, context.tasks)
        self._context = context

    def ask_for(self, view: NodeView) -> None:
        """All that is ready; the fee comes as soon as it is known."""
        amount = to_wei(view.earnings.claimable)
        to = hex0x(view.payout) if view.payout else tr("the payout address registered on the contract")
        words = tr(
            "{exact} go to {to}. The network’s fee is paid by this node’s key {me}. "
            "Rewards still in their window stay and can be withdrawn later."
        ).format(exact=text.exact_wei(amount), to=to, me=short(view.address))
        self.ask(
            Question(
                tr("Withdraw {eth} ETH?").format(eth=text.eth_of_wei(amount)),
                words,
                tr("Withdraw"),
                self._withdraw,
                tr("Withdrawing"),
                _cost(view, amount, None),
                safe=tr("What is not sent stays claimable; nothing is lost."),
                failed=tr("The withdrawal failed"),
            )
        )
        self._context.tasks.start(self._look_up_fee(view, amount), self._fee_unknown)

    async def _look_up_fee(self, view: NodeView, amount: Wei) -> None:
        self.facts.show_facts(_cost(view, amount, await self._context.facade.ledger.withdrawal_fee()))

    def _fee_unknown(self, error: BaseException) -> None:
        """The question stands without it; the words say that there is a fee."""
        facts = [fact for fact in self.facts.facts if fact.text != tr("Net")]
        facts[-1] = replace(facts[-1], value=tr("not known now"), tip=text.explain(error))
        self.facts.show_facts(facts)

    async def _withdraw(self) -> str:
        sent = await self._context.facade.withdraw()
        if not sent:
            return tr("Nothing was withdrawn: no reward was claimable by the time of the transaction.")
        return tr("Withdrawn: {eth} ETH").format(eth=text.eth_of_wei(sent))


def _cost(view: NodeView, amount: Wei, fee: Wei | None) -> tuple[Fact, ...]:
    """``fee``: None while it is looked up."""
    to = hex0x(view.payout) if view.payout else tr("as registered on the contract")
    rows = (
        Fact(tr("To"), to, value_mono=view.payout is not None),
        Fact(tr("Network"), tr("Demo network") if view.network == "demo" else view.network),
    )
    if fee is None:
        return (*rows, Fact(tr("Fee, at most"), "…"))
    net = Wei(amount - fee)
    return (
        *rows,
        Fact(tr("Fee, at most"), f"{text.eth_of_wei(fee)} ETH", tip=text.exact_wei(fee)),
        Fact(
            tr("Net"),
            f"{text.eth_of_wei(net)} ETH",
            value_tone="bad" if net < 0 else "text",
            tip=text.exact_wei(net),
        ),
    )
