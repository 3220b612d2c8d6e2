"""Network: who is connected, how others reach this node, in plain words; adding and banning peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout, QLineEdit

from gpn_desktop.core.types import Address, hex0x, short
from gpn_desktop.ports.cluster import WorkerState, WorkerView
from gpn_desktop.services.views import NodeView
from gpn_desktop.ui import text
from gpn_desktop.ui.models.peers import peer_columns
from gpn_desktop.ui.models.table import TableModel
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.widgets.basic import Card, StatCard, button, label, set_property
from gpn_desktop.ui.widgets.empty import EmptyState, OrEmpty
from gpn_desktop.ui.widgets.facts import Fact, FactList
from gpn_desktop.ui.widgets.sheet import Question, Sheet
from gpn_desktop.ui.widgets.table import Table

if TYPE_CHECKING:
    from gpn_desktop.ports.network import PeerInfo

BAN_SECONDS = 24 * 3600
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
        self.dropped = StatCard(theme, tr("Messages dropped"))
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
        self._add_peers()

    def _add_peers(self) -> None:
        theme = self.context.theme
        card = Card(theme, padding=0)
        head = QHBoxLayout()
        head.setContentsMargins(16, 12, 16, 4)
        head.setSpacing(8)
        head.addWidget(label(tr("Connected peers"), theme.fonts.strong), 1)
        self.ban = button(tr("Ban…"), theme, tip=tr("Drop the chosen peer and refuse it for a day"))
        self.ban.clicked.connect(self._ask_ban)
        self.address = QLineEdit()
        self.address.setFont(theme.fonts.body)
        self.address.setPlaceholderText("/ip4/203.0.113.7/tcp/4001/p2p/16Uiu2…")
        self.address.setAccessibleName(tr("Address of a peer"))
        self.address.setFixedWidth(theme.fonts.px(340))
        self.add = button(tr("Connect"), theme)
        self.add.clicked.connect(self._connect)
        self.address.returnPressed.connect(self._connect)
        for widget in (self.ban, self.address, self.add):
            head.addWidget(widget)
        card.body.addLayout(head)
        self.said = label("", theme.fonts.body, "muted", wrap=True)
        self.said.setContentsMargins(16, 0, 16, 8)
        self.said.hide()
        card.body.addWidget(self.said)
        self.model: TableModel[PeerInfo] = TableModel(peer_columns(), lambda peer: peer.peer, self)
        self.table = Table(theme, self.model, tr("Connected peers"))
        self.table.chosen.connect(lambda _: self.ban.setEnabled(True))
        self.list = OrEmpty(self.table, EmptyState(theme))
        self.list.empty.say(
            tr("No peers yet"),
            tr(
                "Peers appear here as soon as this node has found some. Ask another operator for an address, "
                "and connect to it above; it is kept for later starts."
            ),
        )
        card.body.addWidget(self.list, 1)
        self.column.addWidget(card, 1)

    def refresh(self, view: NodeView) -> None:
        self.subtitle.setText(_reach(view))
        self.peers.show_figure(f"{view.peers:,}", "", tr("connected now"))
        if view.network == "testing":
            self.head.show_figure("–", "", tr("testing mode uses no chain"))
        else:
            self.head.show_figure(f"{view.head:,}", "", tr("in sync") if view.chain_up else tr("unreachable"))
        self.net.show_figure(view.network, "", tr("node version {v}").format(v=view.version))
        self.dropped.show_figure(f"{view.drops.total:,}", "", tr("since the start, invalid or too many"))
        self.facts.show_facts(_facts(view))
        self._show_peers()

    def tick(self) -> None:
        self._show_peers()

    def _show_peers(self) -> None:
        peers = sorted(self.context.facade.peers(), key=lambda peer: peer.peer)
        self.model.set_rows(peers)
        self.list.show_content(bool(peers))
        self.ban.setEnabled(self.table.current_key() is not None)

    # adding and banning ---------------------------------------------------------------------------------

    def _connect(self) -> None:
        address = self.address.text().strip()
        if address and self.add.isEnabled():
            self.add.setEnabled(False)
            self._say(tr("Connecting to {address}").format(address=address), "muted")
            self.context.tasks.start(self._connect_to(address), self._not_connected)

    async def _connect_to(self, address: str) -> None:
        await self.context.facade.connect(address)
        self.add.setEnabled(True)
        self.address.clear()
        self._say(tr("Connected. The address is kept for later starts."), "good")
        self._show_peers()

    def _not_connected(self, error: BaseException) -> None:
        self.add.setEnabled(True)
        self._say(text.explain(error), "bad")

    def _say(self, words: str, tone: str) -> None:
        self.said.setText(words)
        set_property(self.said, "tone", tone)
        self.said.show()

    def _ask_ban(self) -> None:
        chosen = self.table.current_key()
        if not isinstance(chosen, bytes):
            return
        peer = Address(chosen)

        async def ban() -> str:
            await self.context.facade.ban(peer, BAN_SECONDS)
            self._show_peers()
            return tr("{peer} is banned for a day.").format(peer=short(peer))

        self.sheet.ask(
            Question(
                tr("Ban {peer} for a day?").format(peer=short(peer)),
                tr(
                    "The connection is closed and not taken up again until then. Its votes and proofs still "
                    "reach this node through others, since they are signed."
                ),
                tr("Ban"),
                ban,
                tr("Banning"),
                tone="warn",
            )
        )


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
