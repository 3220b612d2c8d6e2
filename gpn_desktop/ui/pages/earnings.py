"""Earnings: what is ready, what waits in its window, what was withdrawn and what it cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

from PySide6.QtWidgets import QHBoxLayout

from gpn_desktop.core.ledger import Part, Query, Sort, State
from gpn_desktop.core.types import Gwei, Wei, hex0x, parse_address, short, to_wei
from gpn_desktop.services.views import EarningsView, NodeView
from gpn_desktop.ui import text
from gpn_desktop.ui.models.earnings import LedgerModel
from gpn_desktop.ui.models.phases import tx_look
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.pages.earnings_chart import ChartCard
from gpn_desktop.ui.pages.replay import ReplayCard
from gpn_desktop.ui.pages.withdraw import WithdrawSheet
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.widgets.basic import Card, IconLabel, StatCard, button, label
from gpn_desktop.ui.widgets.empty import EmptyState, OrEmpty
from gpn_desktop.ui.widgets.form import Field, Form, FormSpec, Values
from gpn_desktop.ui.widgets.inputs import Choice
from gpn_desktop.ui.widgets.save import SaveSheet
from gpn_desktop.ui.widgets.table import Table

_SORTS = {
    "newest": (Sort.TIME, True),
    "oldest": (Sort.TIME, False),
    "largest": (Sort.SHARE, True),
    "smallest": (Sort.SHARE, False),
    "consumer": (Sort.CONSUMER, False),
}


class EarningsPage(Page):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context, tr("Earnings"))
        theme = context.theme
        self._view: NodeView | None = None
        self._loaded: EarningsView | None = None
        self._rated = False
        self._query = Query()
        self.export = button(tr("Export CSV"), theme)
        self.export.clicked.connect(self._export)
        self.export.setVisible(context.desk.save is not None)
        self.buttons.addWidget(self.export)
        self.currency = button(tr("Currency…"), theme)
        self.currency.clicked.connect(self._ask_rate)
        self.currency.hide()
        self.buttons.addWidget(self.currency)
        self.withdraw = button(tr("Withdraw"), theme, "primary")
        self.withdraw.clicked.connect(self._ask)
        self.buttons.addWidget(self.withdraw)
        self.sheet = WithdrawSheet(context)
        self.saving = SaveSheet(theme, context.tasks)
        self.form = Form(theme, context.tasks)
        # One filled button at a time: the sheets have their own.
        self.sheet.opened.connect(lambda _: self._show_buttons())
        self.saving.opened.connect(lambda _: self._show_buttons())
        self.form.opened.connect(lambda _: self._show_buttons())
        self.column.addWidget(self.sheet)
        self.column.addWidget(self.saving)
        self.column.addWidget(self.form)
        self.pending = IconLabel(theme)
        self.pending.hide()
        self.column.addWidget(self.pending)
        self._add_figures()
        self.chart = ChartCard(context)
        self.column.addWidget(self.chart)
        self._add_table()
        self.replay = ReplayCard(context)
        self.column.addWidget(self.replay)

    def _add_figures(self) -> None:
        theme = self.context.theme
        stats = QHBoxLayout()
        stats.setSpacing(16)
        self.ready = StatCard(theme, tr("Ready to withdraw"))
        self.window_ = StatCard(theme, tr("In the 24 h window"))
        self.withdrawn = StatCard(theme, tr("Withdrawn"))
        self.fees = StatCard(theme, tr("Fees paid"))
        for stat in (self.ready, self.window_, self.withdrawn, self.fees):
            stats.addWidget(stat, 1)
        self.column.addLayout(stats)

    def _add_table(self) -> None:
        theme = self.context.theme
        card = Card(theme, padding=0)
        head = QHBoxLayout()
        head.setContentsMargins(16, 16, 16, 0)
        head.setSpacing(8)
        self.count = label(tr("By request and settlement"), theme.fonts.strong)
        head.addWidget(self.count, 1)
        for made in self._choices():
            head.addWidget(made)
        card.body.addLayout(head)
        self.model = LedgerModel(self._fetch, self)
        self.model.counted.connect(self._show_list)
        self.table = Table(theme, self.model, tr("Rewards by request and settlement"))
        self.list = OrEmpty(self.table, EmptyState(theme))
        self._say_empty()
        self.list.show_content(False)
        card.body.addWidget(self.list, 1)
        self.column.addWidget(card, 1)

    def _choices(self) -> tuple[Choice, ...]:
        theme = self.context.theme
        every = tr("All consumers")
        self.consumer = Choice(theme, [("", every)], self._filter)
        self.consumer.setAccessibleName(tr("Consumer"))
        states = [("", tr("All states")), ("window", tr("In the window")), ("ready", tr("Ready"))]
        self.state = Choice(theme, [*states, ("withdrawn", tr("Withdrawn"))], self._filter)
        self.state.setAccessibleName(tr("State"))
        roles = [("", tr("All roles")), ("proved", tr("Prover")), ("verified", tr("Verifier"))]
        self.role = Choice(theme, roles, self._filter)
        self.role.setAccessibleName(tr("Role"))
        self.sort = Choice(
            theme,
            [
                ("newest", tr("Newest first")),
                ("oldest", tr("Oldest first")),
                ("largest", tr("Largest first")),
                ("smallest", tr("Smallest first")),
                ("consumer", tr("By consumer")),
            ],
            self._filter,
        )
        self.sort.setAccessibleName(tr("Order"))
        return self.consumer, self.state, self.role, self.sort

    # figures ------------------------------------------------------------------------------------------

    def refresh(self, view: NodeView) -> None:
        self._view = view
        self.subtitle.setText(
            tr("Testing mode uses no chain, so nothing is earned.")
            if view.network == "testing"
            else tr("Rewards for proofs and votes, exact to the gwei.")
        )
        earnings = view.earnings
        self._show_gwei(self.ready, earnings.claimable, tr("in one transaction"))
        if earnings.next_finalize_at:
            note = tr("next {when}").format(when=text.until(earnings.next_finalize_at))
        else:
            note = tr("nothing waits")
        self._show_gwei(self.window_, earnings.in_window, note)
        self._show_wei(self.withdrawn, earnings.withdrawn, "")
        self._show_wei(self.fees, earnings.fees, _share_of_fees(earnings))
        self._show_buttons()
        self.replay.refresh(view)
        if earnings != self._loaded:
            self._loaded = earnings
            self._load()

    def tick(self) -> None:
        if self._view is not None and self.isVisible():
            self.refresh(self._view)
            self.table.tick()

    def _show_gwei(self, card: StatCard, amount: Gwei, note: str) -> None:
        note = self._with_fiat(to_wei(amount), note)
        card.show_figure(text.eth(amount), "ETH", note, text.exact_gwei(amount))

    def _show_wei(self, card: StatCard, amount: Wei, note: str) -> None:
        card.show_figure(
            text.eth_of_wei(amount), "ETH", self._with_fiat(amount, note), text.exact_wei(amount)
        )

    def _with_fiat(self, amount: Wei, note: str) -> str:
        fiat = self.context.facade.ledger.fiat
        worth = fiat.words(amount, date.today()) if fiat is not None and amount else ""
        return ", ".join(part for part in (worth, note) if part)

    def _show_buttons(self) -> None:
        claimable = self._view.earnings.claimable if self._view is not None else Gwei(0)
        ready = claimable > 0 and not self.sheet.working
        self.withdraw.setVisible(all(s.isHidden() for s in (self.sheet, self.saving, self.form)))
        self.withdraw.setEnabled(ready)
        words = tr("Withdraw {eth} ETH").format(eth=text.eth(claimable)) if claimable else tr("Withdraw")
        if words != self.withdraw.text():
            self.withdraw.setText(words)
            self.withdraw.setAccessibleName(words)
        self.withdraw.setToolTip("" if ready else tr("Nothing is ready to withdraw."))

    def _ask(self) -> None:
        if self._view is not None:
            self.sheet.ask_for(self._view)

    async def _load_fiat(self) -> None:
        """Once for each node; a rate that can't be read any more is told, and amounts are in ETH alone."""
        fiat = self.context.facade.ledger.fiat
        if fiat is not None and not self._rated:
            self._rated = True
            self.currency.show()
            await fiat.load()
            if self._view is not None:
                self.refresh(self._view)

    def _ask_rate(self) -> None:
        fiat = self.context.facade.ledger.fiat
        assert fiat is not None
        hint = tr("In place of the price: a file with lines of date,rate.")
        fields = (
            Field("currency", tr("Currency"), value=fiat.choice.currency or "EUR"),
            Field("price", tr("Price of 1 ETH"), value=fiat.choice.price, optional=True),
            Field("file", tr("File with rates"), value=fiat.choice.file, hint=hint, optional=True),
        )

        async def choose(values: Values) -> str:
            await fiat.choose(values["currency"], values["price"], values["file"])
            if self._view is not None:
                self.refresh(self._view)
            if not fiat.choice.on:
                return tr("Amounts are shown in ETH alone.")
            return tr("Amounts are shown in {currency} too.").format(currency=fiat.choice.currency)

        words = tr(
            "The rate is yours: this node asks nobody for prices, so that nobody learns when you look at "
            "your earnings. Without a price and a file, amounts are shown in ETH alone."
        )
        title = tr("Amounts in your currency")
        self.form.ask(FormSpec(title, words, tr("Apply"), tr("Reading the rates"), fields, choose))

    # lines --------------------------------------------------------------------------------------------

    def _load(self) -> None:
        self.model.start(self._query)
        self.context.tasks.start(self._load_sums(), self._failed)
        self.context.tasks.start(self._load_fiat())

    async def _load_sums(self) -> None:
        ledger = self.context.facade.ledger
        await self.chart.load(ledger)
        sent = await ledger.withdrawal()
        self.pending.setVisible(sent is not None)
        if sent is not None:
            look = tx_look(sent.state)
            words = tr("A withdrawal is on its way: {state}").format(state=look.word)
            self.pending.show_state(words, look.tone, look.icon)
            self.pending.setToolTip(hex0x(sent.hash) if any(sent.hash) else "")
        for consumer in await ledger.consumers():
            if self.consumer.findData(hex0x(consumer)) < 0:
                self.consumer.addItem(short(consumer), hex0x(consumer))

    def _filter(self, chosen: str) -> None:
        """A choice was made; the store does the work."""
        consumer, state, role = (str(c.currentData()) for c in (self.consumer, self.state, self.role))
        sort, descending = _SORTS[str(self.sort.currentData())]
        self._query = replace(
            self._query,
            consumer=parse_address(consumer) if consumer else None,
            state=State(state) if state else None,
            part=Part(role) if role else None,
            sort=sort,
            descending=descending,
        )
        self.model.start(self._query)

    def _fetch(self, query: Query, offset: int, limit: int) -> None:
        self.context.tasks.start(self._fetch_page(query, offset, limit), self._failed)

    async def _fetch_page(self, query: Query, offset: int, limit: int) -> None:
        ledger = self.context.facade.ledger
        lines = await ledger.page(query, offset, limit)
        if offset == 0:
            count = await ledger.count(query)
            self.count.setText(plural(count, tr("reward"), tr("rewards")))
        self.model.add_page(query, offset, limit, lines)

    def _show_list(self) -> None:
        self._say_empty()
        self.list.show_content(bool(self.model.rows))

    def _say_empty(self) -> None:
        if (self._query.consumer, self._query.state, self._query.part) != (None, None, None):
            self.list.empty.say(tr("No reward matches"), tr("Choose other states, roles or consumers."))
            return
        self.list.empty.say(
            tr("No rewards yet"),
            tr(
                "A reward appears here when a proof of this node is settled, or when this node’s vote is "
                "part of a settled proof. It is ready to withdraw 24 h after its settlement."
            ),
            tr("Choose a consumer"),
            lambda: self.context.go("consumers"),
        )

    def _failed(self, error: BaseException) -> None:
        self.model.page_failed()
        self._loaded = None  # tried again with the next change
        self.list.empty.say(tr("The rewards can’t be read"), text.explain(error))
        self.list.show_content(False)

    def _export(self) -> None:
        save = self.context.desk.save
        assert save is not None

        async def write(path: Path, progress: Callable[[int], None]) -> str:
            count = await self.context.facade.ledger.export(path, 0, None, save, progress)
            return tr("{rewards} written to {path}.").format(
                rewards=plural(count, tr("reward"), tr("rewards")), path=path
            )

        self.saving.ask(tr("Export rewards as CSV"), "gpn-rewards.csv", write)


def _share_of_fees(earnings: EarningsView) -> str:
    """In tenths of a per cent, rounded down; "" before anything was earned."""
    rewards = earnings.withdrawn + to_wei(Gwei(earnings.claimable + earnings.in_window))
    if not rewards:
        return ""
    tenths = earnings.fees * 1000 // rewards
    return tr("{n} % of rewards").format(n=f"{tenths // 10}.{tenths % 10}")
