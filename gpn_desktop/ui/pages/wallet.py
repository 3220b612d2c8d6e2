"""Wallet: the node's key, its backup, its money, and everything that it sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QVBoxLayout

from gpn_desktop.core.types import hex0x
from gpn_desktop.services.views import NodeView
from gpn_desktop.ui import text
from gpn_desktop.ui.models.table import TableModel
from gpn_desktop.ui.models.transactions import transaction_columns
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.pages.wallet_forms import WalletForms
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.widgets.basic import Card, StatCard, button, label, set_property
from gpn_desktop.ui.widgets.empty import EmptyState, OrEmpty
from gpn_desktop.ui.widgets.facts import Fact, FactList
from gpn_desktop.ui.widgets.form import Form, FormSpec
from gpn_desktop.ui.widgets.qr import QrCode
from gpn_desktop.ui.widgets.table import Table

if TYPE_CHECKING:
    from gpn_desktop.ports.chain import TxRecord
    from gpn_desktop.services.account import Funds
    from gpn_desktop.services.wallet import WalletState

QR = 132
LOOK_SECONDS = 10  # between two looks at the account


class WalletPage(Page):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context, tr("Wallet"))
        theme = context.theme
        self._funds: Funds | None = None
        self._view: NodeView | None = None
        self._looking: asyncio.Task[None] | None = None
        self._waited = 0
        self._since = 0
        self.forms = WalletForms(context, self.look)
        self.send = button(tr("Send…"), theme)
        self.send.clicked.connect(self._send)
        self.more = button(tr("Key ▾"), theme, tip=tr("Import, export, lock"))
        self.more.clicked.connect(self._open_more)
        self.main = button(tr("Create a key"), theme, "primary")
        self.main.clicked.connect(self._act)
        for made in (self.send, self.more, self.main):
            self.buttons.addWidget(made)
        self.form = Form(theme, context.tasks)
        self.form.opened.connect(lambda _: self._show())
        self.column.addWidget(self.form)
        self._add_cards()
        self._add_transactions()
        if context.desk.wallet is not None:
            undo = context.desk.wallet.subscribe(self._show)
            self.destroyed.connect(lambda: undo())
        self._show()

    def _add_cards(self) -> None:
        theme = self.context.theme
        row = QHBoxLayout()
        row.setSpacing(16)
        left = QVBoxLayout()
        left.setSpacing(16)
        stats = QHBoxLayout()
        stats.setSpacing(16)
        self.balance = StatCard(theme, tr("Balance of the node’s key"))
        self.backup = StatCard(theme, tr("Backup"))
        stats.addWidget(self.balance, 1)
        stats.addWidget(self.backup, 1)
        left.addLayout(stats)
        key = Card(theme, tr("Key"))
        key.body.setSpacing(4)
        self.facts = FactList(theme, height=34)
        key.body.addWidget(self.facts)
        left.addWidget(key)
        row.addLayout(left, 1)
        self.receive = Card(theme, tr("Receive"))
        self.qr = QrCode(theme.fonts.px(QR))
        self.receive.body.addWidget(self.qr)
        words = label(tr("ETH for stake and fees"), theme.fonts.label, "muted")
        self.receive.body.addWidget(words)
        self.receive.body.addStretch(1)
        row.addWidget(self.receive)
        self.column.addLayout(row)

    def _add_transactions(self) -> None:
        theme = self.context.theme
        card = Card(theme, tr("Transactions"), padding=0)
        card.title.setContentsMargins(16, 16, 16, 0)
        self.model: TableModel[TxRecord] = TableModel(
            transaction_columns(), lambda record: (record.intent, record.hash), self
        )
        self.table = Table(theme, self.model, tr("Transactions"))
        self.list = OrEmpty(self.table, EmptyState(theme))
        self.list.empty.say(
            tr("No transactions yet"),
            tr("What this node signs appears here: committing, settling, withdrawing, sending."),
        )
        self.list.show_content(False)
        card.body.addWidget(self.list, 1)
        self.column.addWidget(card, 1)

    # looking --------------------------------------------------------------------------------------------

    def opened(self) -> None:
        self.look()

    def refresh(self, view: NodeView) -> None:
        first = self._view is None
        self._view = view
        if first:
            self._show()

    def tick(self) -> None:
        self._since += 1
        if self._looking is not None:
            self._waited += 1
            self._show()
        elif self._since >= LOOK_SECONDS:
            self._look_at_account()

    def look(self) -> None:
        """At the key, which may take as long as a person needs to unlock a keyring."""
        self._look_at_account()
        if self.context.desk.wallet is not None and self._looking is None:
            self._waited = 0
            self._looking = self.context.tasks.start(self._look_at_key())
            self._looking.add_done_callback(self._looked)

    def _looked(self, _: object) -> None:
        self._looking = None
        self._show()

    async def _look_at_key(self) -> None:
        assert self.context.desk.wallet is not None
        await self.context.desk.wallet.look()

    def _look_at_account(self) -> None:
        self._since = 0
        node = self.context.node
        if node is not None and node.account is not None:
            self.context.tasks.start(
                self._load_account(), lambda error: self.subtitle.setText(text.explain(error))
            )

    async def _load_account(self) -> None:
        account = self.context.facade.account
        assert account is not None
        rows = await account.transactions()
        self.model.set_rows(rows)
        self.list.show_content(bool(rows))
        self._funds = await account.funds()
        self._show()

    # showing --------------------------------------------------------------------------------------------

    def _show(self) -> None:
        state = self._state()
        self.subtitle.setText(self._sentence(state))
        self._show_money()
        self._show_backup(state)
        self.facts.show_facts(self._facts(state))
        self._show_buttons(state)
        address = state.address if state is not None and state.address is not None else None
        if address is None and self._view is not None:
            address = self._view.address
        self.receive.setVisible(address is not None)
        if address is not None:
            self.qr.show_text(hex0x(address), tr("QR code of the node’s address"))

    def _state(self) -> WalletState | None:
        return self.context.desk.wallet.state if self.context.desk.wallet is not None else None

    def _sentence(self, state: WalletState | None) -> str:
        if self._looking is not None and self._waited:
            return tr("Waiting for the system’s keyring, {n} s. It may be asking for its password.").format(
                n=self._waited
            )
        if state is None:
            return tr("This network’s key is made for it and thrown away with it.")
        if state.address is None and self._view is not None:
            return tr("The key of the node that runs comes from a file that the settings name.")
        if state.address is None:
            return tr("A node needs a key: it signs votes and transactions with it.")
        if state.locked:
            return tr("The wallet is locked. The node that runs keeps its key until it stops.")
        if not state.backed_up:
            return tr("The backup was never tested. Without one, a broken disk takes the stake with it.")
        return tr("The key is here and its backup was tested.")

    def _show_money(self) -> None:
        if self._funds is None:
            node = self.context.node
            offline = tr("shown while a node runs") if node is None else tr("being asked for")
            note = tr("this network has no chain") if node is not None and node.account is None else offline
            self.balance.show_figure("–", "", note)
            return
        fee = tr("a transfer costs about {fee} ETH").format(fee=text.eth_of_wei(self._funds.fee))
        self.balance.show_figure(text.eth_of_wei(self._funds.balance), "ETH", fee,
                                 text.exact_wei(self._funds.balance))  # fmt: skip

    def _show_backup(self, state: WalletState | None) -> None:
        if state is None or state.address is None:
            self.backup.show_figure("–", "", tr("nothing to back up"))
            return
        good = state.backed_up
        note = text.clock(state.tested_at * 1000) if good else tr("test a restore to be sure")
        self.backup.show_figure(tr("Tested") if good else tr("Not tested"), "", note)
        set_property(self.backup.figure, "tone", "good" if good else "warn")

    def _facts(self, state: WalletState | None) -> list[Fact]:
        facts = []
        address = state.address if state is not None else None
        if address is None and self._view is not None:
            address = self._view.address
        if address is not None:
            facts.append(Fact(tr("Node address"), hex0x(address), value_mono=True, copy=hex0x(address)))
        if self._view is not None and self._view.payout is not None:
            payout = hex0x(self._view.payout)
            facts.append(Fact(tr("Payout address"), payout, value_mono=True, copy=payout))
        if state is not None and state.address is None and self._view is not None:
            facts.append(Fact(tr("Kept in"), tr("the file that node.key_path names")))
        else:
            facts.append(_where(state))
        if state is not None and state.why:
            facts.append(Fact(tr("Keyring"), tr("cannot be used"), icon="warn", tone="warn", tip=state.why))
        return facts

    def _show_buttons(self, state: WalletState | None) -> None:
        node = self.context.node
        self.send.setVisible(node is not None and node.account is not None)
        self.send.setEnabled(self._funds is not None)
        self.more.setVisible(state is not None)
        foreign = state is not None and state.address is None and self._view is not None
        words = "" if foreign else _main_words(state)
        self.main.setVisible(bool(words) and self.form.isHidden())
        if words:
            self.main.setText(words)
            self.main.setAccessibleName(words)

    # doing ----------------------------------------------------------------------------------------------

    def _act(self) -> None:
        state = self._state()
        if state is None:
            return
        if state.address is None:
            self.context.tasks.start(self._create())
        elif state.locked:
            self.form.ask(self.forms.unlock())
        else:
            self._popup(self._backups(), self.main)

    async def _create(self) -> None:
        self._ask(await self.forms.create())
        self.form.input("words").setReadOnly(True)

    def _send(self) -> None:
        if self._funds is not None:
            self._ask(self.forms.send(self._funds))

    def _ask(self, spec: FormSpec) -> None:
        self.form.ask(spec)
        self._show()

    def _backups(self) -> list[tuple[str, Callable[[], object]]]:
        forms = self.forms
        return [
            (tr("Export a keystore…"), lambda: self._ask(forms.export())),
            (tr("Test a keystore…"), lambda: self._ask(forms.test_file())),
            (tr("Test the twelve words…"), lambda: self._ask(forms.test_words())),
        ]

    def _open_more(self) -> None:
        state, forms = self._state(), self.forms
        assert state is not None
        entries: list[tuple[str, Callable[[], object]]] = []
        if state.address is not None:
            entries += self._backups()
        entries += [
            (tr("Import words…"), lambda: self._ask(forms.import_words())),
            (tr("Import a private key…"), lambda: self._ask(forms.import_hex())),
            (tr("Import a keystore…"), lambda: self._ask(forms.import_keystore())),
        ]
        node = self.context.node
        if node is not None and node.account is not None:
            entries.append((tr("Change the payout address…"), lambda: self._ask(forms.payout())))
        wallet = self.context.desk.wallet
        if wallet is not None and state.place.value == "keystore":
            lock = (
                (tr("Unlock…"), lambda: self._ask(forms.unlock()))
                if state.locked
                else (tr("Lock"), wallet.lock)
            )
            entries.append(lock)
        self._popup(entries, self.more)

    def _popup(self, entries: list[tuple[str, Callable[[], object]]], at: QPushButton) -> None:
        menu = QMenu(self)
        for words, act in entries:
            menu.addAction(words).triggered.connect(lambda _=False, act=act: act())
        menu.aboutToHide.connect(menu.deleteLater)
        self.menu = menu
        menu.popup(at.mapToGlobal(QPoint(0, at.height() + 2)))


def _where(state: WalletState | None) -> Fact:
    if state is None:
        return Fact(tr("Kept in"), tr("memory, for this network only"))
    words = {
        "none": tr("nowhere yet"),
        "keyring": tr("the system’s keyring ({name})").format(name=state.keyring or tr("not asked yet")),
        "keystore": tr("a file, encrypted with your passphrase"),
    }
    locked = tr(", locked") if state.locked else ""
    return Fact(tr("Kept in"), words[state.place.value] + locked)


def _main_words(state: WalletState | None) -> str:
    """The page's one main action."""
    if state is None:
        return ""
    if state.address is None:
        return tr("Create a key")
    if state.locked:
        return tr("Unlock")
    return "" if state.backed_up else tr("Back up ▾")
