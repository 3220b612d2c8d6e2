"""Network: how others reach this node, in plain words; who is connected, refused, and what was dropped."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout

from gpn_desktop.core.types import hex0x
from gpn_desktop.ports.cluster import WorkerState, WorkerView
from gpn_desktop.services.views import NodeView
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.pages.network_peers import PeersCard
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.widgets.basic import Card, StatCard
from gpn_desktop.ui.widgets.facts import Fact, FactList
from gpn_desktop.ui.widgets.sheet import Sheet

# Addresses that nobody outside of this machine, or of its own network, can reach.
_HERE = ("/ip4/127.", "/ip6/::1")
_PRIVATE = ("/ip4/10.", "/ip4/192.168.", "/ip4/169.254.", "/ip6/fe80", "/ip6/fd",
            *(f"/ip4/172.{n}." for n in range(16, 32)))  # fmt: skip


class NetworkPage(Page):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context, tr("Network"))
        theme = context.theme
        stats = QHBoxLayout()
        stats.setSpacing(16)
        self.peers = StatCard(theme, tr("Peers"))
        self.head = StatCard(theme, tr("Chain head"))
        self.net = StatCard(theme, tr("Network"))
        self.dropped = StatCard(theme, tr("Dropped"))
        for stat in (self.peers, self.head, self.net, self.dropped):
            stats.addWidget(stat, 1)
        self.sheet = Sheet(theme, context.tasks)
        self.column.addWidget(self.sheet)
        self.column.addLayout(stats)
        me = Card(theme, tr("This node"))
        me.body.setSpacing(4)
        self.facts = FactList(theme, height=34)
        me.body.addWidget(self.facts)
        self.column.addWidget(me)
        self.card = PeersCard(context, self.sheet)
        self.column.addWidget(self.card, 1)

    def refresh(self, view: NodeView) -> None:
        self.subtitle.setText(_reach(view))
        self.peers.show_figure(f"{view.peers:,}", "", tr("connected now"))
        if view.network == "testing":
            self.head.show_figure("–", "", tr("testing mode uses no chain"))
        else:
            self.head.show_figure(f"{view.head:,}", "", tr("in sync") if view.chain_up else tr("unreachable"))
        self.net.show_figure(view.network, "", tr("node version {v}").format(v=view.version))
        self._show_dropped(view)
        self.facts.show_facts(_facts(view))
        self.card.show_view(view)

    def tick(self) -> None:
        """Drops and bans are no events of the node's, so that a flood of them makes no work."""
        view = self.context.facade.view()
        self._show_dropped(view)
        self.card.show_view(view)

    def _show_dropped(self, view: NodeView) -> None:
        self.dropped.show_figure(f"{view.drops.total:,}", "", tr("since the start"))


def _reach(view: NodeView) -> str:
    """Whether others can reach this node, as far as its addresses tell."""
    if not view.listen:
        return tr("This node has no address yet.")
    peers = plural(view.peers, tr("peer"), tr("peers"))
    if all(address.startswith(_HERE) for address in view.listen):
        return tr("Connected to {peers}. Only programs on this machine can reach this node.").format(
            peers=peers
        )
    if all(address.startswith(_HERE + _PRIVATE) for address in view.listen):
        return tr(
            "Connected to {peers}. Its addresses are private: peers outside can reach it only if the router "
            "forwards the port."
        ).format(peers=peers)
    return tr("Connected to {peers}. Peers can reach this node at a public address.").format(peers=peers)


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
