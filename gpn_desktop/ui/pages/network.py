"""Network: how this node is connected, under which addresses, and for whom it works."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout

from gpn_desktop.core.types import hex0x
from gpn_desktop.ports.cluster import WorkerState, WorkerView
from gpn_desktop.services.views import ConsumerView, NodeView
from gpn_desktop.ui.models.consumers import consumer_columns
from gpn_desktop.ui.models.table import TableModel
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.widgets.basic import Card, StatCard
from gpn_desktop.ui.widgets.empty import EmptyState, OrEmpty
from gpn_desktop.ui.widgets.facts import Fact, FactList
from gpn_desktop.ui.widgets.table import Table


class NetworkPage(Page):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context, tr("Network"))
        theme = context.theme
        stats = QHBoxLayout()
        stats.setSpacing(16)
        self.peers = StatCard(theme, tr("Peers"))
        self.head = StatCard(theme, tr("Chain head"))
        self.net = StatCard(theme, tr("Network"))
        self.dropped = StatCard(theme, tr("Invalid messages dropped"))
        for stat in (self.peers, self.head, self.net, self.dropped):
            stats.addWidget(stat, 1)
        self.column.addLayout(stats)
        me = Card(theme, tr("This node"))
        me.body.setSpacing(4)
        self.facts = FactList(theme, height=34)
        me.body.addWidget(self.facts)
        self.column.addWidget(me)
        card = Card(theme, tr("Consumers"), padding=0)
        card.title.setContentsMargins(16, 16, 16, 0)
        self.model: TableModel[ConsumerView] = TableModel(consumer_columns(), lambda c: c.address, self)
        self.table = Table(theme, self.model, tr("Consumers"), tall=True)
        self.list = OrEmpty(self.table, EmptyState(theme))
        self.list.empty.say(
            tr("No consumers yet"),
            tr("Consumers registered on the contract appear here, with the state of their prover images."),
        )
        card.body.addWidget(self.list, 1)
        self.column.addWidget(card, 1)

    def refresh(self, view: NodeView) -> None:
        self.subtitle.setText(
            tr("Connected to {peers}.").format(peers=plural(view.peers, tr("peer"), tr("peers")))
            if view.peers
            else tr("Not connected to any peer. Others reach this node at the addresses below.")
        )
        self.peers.show_figure(f"{view.peers:,}", "", tr("connected now"))
        if view.network == "testing":
            self.head.show_figure("–", "", tr("testing mode uses no chain"))
        else:
            self.head.show_figure(f"{view.head:,}", "", tr("in sync") if view.chain_up else tr("unreachable"))
        self.net.show_figure(view.network, "", tr("node version {v}").format(v=view.version))
        self.dropped.show_figure(f"{view.dropped:,}", "", tr("since the start"))
        self.facts.show_facts(_facts(view))
        self.model.set_rows(view.consumers)
        self.list.show_content(bool(view.consumers))


def _facts(view: NodeView) -> list[Fact]:
    facts = [_copied(tr("Node address"), hex0x(view.address))]
    if view.payout is not None:
        facts.append(_copied(tr("Payout address"), hex0x(view.payout)))
    facts += [_copied(tr("Listens at"), address) for address in view.listen]
    if not view.listen:
        facts.append(Fact(tr("Listens at"), tr("no address yet")))
    return facts + [_worker(worker) for worker in view.workers]


def _worker(worker: WorkerView) -> Fact:
    """One of the operator's other machines."""
    words = {
        WorkerState.PREPARING: (tr("Preparing its images"), "info"),
        WorkerState.READY: (tr("Ready"), "good"),
        WorkerState.BUSY: (tr("Full"), "good"),
        WorkerState.DRAINING: (tr("Finishing, takes nothing more"), "warn"),
        WorkerState.LOST: (tr("Lost"), "bad"),
    }
    word, tone = words[worker.state]
    if worker.error:
        word, tone = tr("{state}, but an image does not run there").format(state=word), "warn"
    used = tr("{used} of {slots} slots at work").format(used=worker.used, slots=worker.slots)
    shown = word if worker.state is WorkerState.LOST else f"{word} · {used}"
    tip = "\n".join(part for part in (worker.address, worker.error) if part)
    return Fact(tr("Worker {name}").format(name=worker.name), shown, value_tone=tone, tip=tip)


def _copied(name: str, value: str) -> Fact:
    shown = value if len(value) <= 84 else f"{value[:50]}…{value[-30:]}"
    return Fact(name, shown, value_mono=True, value_tone="text", tip=value, copy=value)
