"""Who is connected, who is refused, and what was dropped: three tables, one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QLineEdit, QStackedWidget

from gpn_desktop.core.refusals import Ban
from gpn_desktop.core.types import Address, short
from gpn_desktop.services.views import NodeView
from gpn_desktop.ui import text
from gpn_desktop.ui.models.peers import peer_columns
from gpn_desktop.ui.models.refusals import DropLine, ban_columns, drop_columns, lines_of
from gpn_desktop.ui.models.table import TableModel
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.widgets.basic import Card, button, label, set_property
from gpn_desktop.ui.widgets.empty import EmptyState, OrEmpty
from gpn_desktop.ui.widgets.sheet import Question, Sheet
from gpn_desktop.ui.widgets.table import Table

if TYPE_CHECKING:
    from gpn_desktop.ports.network import PeerInfo

BAN_SECONDS = 24 * 3600
PEERS, BANNED, DROPPED = range(3)


class PeersCard(Card):
    """``sheet`` asks before a peer is banned."""

    def __init__(self, context: PageContext, sheet: Sheet) -> None:
        super().__init__(context.theme, padding=0)
        self.context, self.sheet = context, sheet
        self._add_head()
        self._add_tables()
        self.parts.idClicked.connect(self._open)
        self._open(PEERS)

    def _add_head(self) -> None:
        theme = self.context.theme
        head = QHBoxLayout()
        head.setContentsMargins(16, 12, 16, 4)
        head.setSpacing(8)
        self.parts = QButtonGroup(self)
        for part in (PEERS, BANNED, DROPPED):
            one = button("", theme)
            one.setCheckable(True)
            self.parts.addButton(one, part)
            head.addWidget(one)
        self.parts.button(PEERS).setChecked(True)
        head.addStretch(1)
        self.ban = button(tr("Ban…"), theme, tip=tr("Drop the chosen peer and refuse it for a day"))
        self.ban.clicked.connect(self._ask_ban)
        self.lift = button(tr("Lift the ban"), theme, tip=tr("Let the chosen peer come back at once"))
        self.lift.clicked.connect(self._lift)
        self.address = QLineEdit()
        self.address.setFont(theme.fonts.body)
        self.address.setPlaceholderText("/ip4/203.0.113.7/tcp/4001/p2p/16Uiu2…")
        self.address.setAccessibleName(tr("Address of a peer"))
        self.address.setFixedWidth(theme.fonts.px(300))
        self.add = button(tr("Connect"), theme)
        self.add.clicked.connect(self._connect)
        self.address.returnPressed.connect(self._connect)
        for widget in (self.ban, self.lift, self.address, self.add):
            head.addWidget(widget)
        self.body.addLayout(head)
        self.said = label("", theme.fonts.body, "muted", wrap=True)
        self.said.setContentsMargins(16, 0, 16, 8)
        self.said.hide()
        self.body.addWidget(self.said)

    def _add_tables(self) -> None:
        self.stack = QStackedWidget()
        self.model: TableModel[PeerInfo] = TableModel(peer_columns(), lambda peer: peer.peer, self)
        self.table, self.list = self._table(
            self.model,
            tr("Connected peers"),
            tr("No peers yet"),
            tr(
                "Peers appear here as soon as this node has found some. Ask another operator for an address, "
                "and connect to it above; it is kept for later starts."
            ),
        )
        self.table.chosen.connect(lambda _: self.ban.setEnabled(True))
        self.bans: TableModel[Ban] = TableModel(ban_columns(), lambda ban: ban.peer, self)
        self.banned, self._banned_list = self._table(
            self.bans,
            tr("Banned peers"),
            tr("Nobody is banned"),
            tr("A peer that floods this node or sends it nonsense is refused for ten minutes."),
        )
        self.banned.chosen.connect(lambda _: self.lift.setEnabled(True))
        self.drops: TableModel[DropLine] = TableModel(drop_columns(), lambda line: line.reason, self)
        self.dropped, self._dropped_list = self._table(
            self.drops,
            tr("What was dropped"),
            tr("Nothing was dropped"),
            tr("What peers send too much of, or what makes no sense, is not taken, and is counted here."),
        )
        self.body.addWidget(self.stack, 1)

    def _table(self, model: TableModel[Any], name: str, empty: str, why: str) -> tuple[Table, OrEmpty]:
        table = Table(self.context.theme, model, name)
        shown = OrEmpty(table, EmptyState(self.context.theme))
        shown.empty.say(empty, why)
        self.stack.addWidget(shown)
        return table, shown

    # showing ----------------------------------------------------------------------------------------------

    def show_view(self, view: NodeView) -> None:
        peers = sorted(self.context.facade.peers(), key=lambda peer: peer.peer)
        self.model.set_rows(peers)
        self.list.show_content(bool(peers))
        self.bans.set_rows(view.bans)
        self._banned_list.show_content(bool(view.bans))
        self.banned.tick()  # what is left of a ban
        lines = lines_of(view.drops)
        self.drops.set_rows(lines)
        self._dropped_list.show_content(bool(lines))
        for part, words, number in (
            (PEERS, tr("Connected ({n})"), len(peers)),
            (BANNED, tr("Banned ({n})"), len(view.bans)),
            (DROPPED, tr("Dropped ({n})"), view.drops.total),
        ):
            one = self.parts.button(part)
            one.setText(words.format(n=f"{number:,}"))
            one.setAccessibleName(one.text())
        self._enable()

    def _open(self, part: int) -> None:
        self.stack.setCurrentIndex(part)
        for widget in (self.ban, self.address, self.add):
            widget.setVisible(part == PEERS)
        self.lift.setVisible(part == BANNED)
        self.said.setVisible(part == PEERS and bool(self.said.text()))
        self._enable()

    def _enable(self) -> None:
        self.ban.setEnabled(self.table.current_key() is not None)
        self.lift.setEnabled(self.banned.current_key() is not None)

    def _again(self) -> None:
        self.show_view(self.context.facade.view())

    # adding and banning -----------------------------------------------------------------------------------

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
        self._again()

    def _not_connected(self, error: BaseException) -> None:
        self.add.setEnabled(True)
        self._say(text.explain(error), "bad")

    def _say(self, words: str, tone: str) -> None:
        self.said.setText(words)
        set_property(self.said, "tone", tone)
        self.said.setVisible(self.stack.currentIndex() == PEERS)

    def _ask_ban(self) -> None:
        chosen = self.table.current_key()
        if not isinstance(chosen, bytes):
            return
        peer = Address(chosen)

        async def ban() -> str:
            await self.context.facade.ban(peer, BAN_SECONDS)
            self._again()
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

    def _lift(self) -> None:
        chosen = self.banned.current_key()
        if isinstance(chosen, bytes):
            self.lift.setEnabled(False)
            self.context.tasks.start(self._lift_of(Address(chosen)), self._not_connected)

    async def _lift_of(self, peer: Address) -> None:
        await self.context.facade.ban(peer, 0)
        self._again()
