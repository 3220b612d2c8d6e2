"""The ledger as a table that only holds what was looked at, and the bins that its chart is made of."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gpn_desktop.core.ledger import Part, Query, State, Totals
from gpn_desktop.core.types import hex0x, short
from gpn_desktop.ui import text
from gpn_desktop.ui.models.table import Cell, Column, Index, TableModel
from gpn_desktop.ui.text import tr

if TYPE_CHECKING:
    # For the types only: it pulls in the protocol's cryptography, 0.3 s before the first paint.
    from gpn_desktop.services.ledger import Line

PAGE = 100
MOST_AGAIN = 1_000  # lines that are read again when something was earned; the rest comes with scrolling
HOURS, DAYS = 24, 30


def part_word(part: Part) -> str:
    return tr("Prover") if part is Part.PROVED else tr("Verifier")


def _role_cell(line: Line) -> Cell:
    row = line.row
    tip = tr("Proved: {proved}\nVerified: {verified}").format(
        proved=text.exact_gwei(row.proved), verified=text.exact_gwei(row.verified)
    )
    return Cell(part_word(row.part), tip=tip)


def _request_cell(line: Line) -> Cell:
    tip = tr("Request {id}\nin a settlement of {n}: {key}").format(
        id=hex0x(line.row.request_id), n=line.row.of, key=hex0x(line.row.key)
    )
    return Cell(short(line.row.request_id), mono=True, tip=tip)


def _net_cell(line: Line) -> Cell:
    tone = "bad" if line.net < 0 else "text"
    return Cell(text.eth_of_wei(line.net), tone=tone, tip=text.exact_wei(line.net))


def _fees_cell(line: Line) -> Cell:
    if not line.fees:
        return Cell("–", tone="muted", tip=tr("Others paid the fees of this settlement so far."))
    return Cell(text.eth_of_wei(line.fees), tone="muted", tip=text.exact_wei(line.fees))


def _state_cell(line: Line) -> Cell:
    row = line.row
    if row.state is State.WITHDRAWN:
        with_tx = tr("With transaction {tx}").format(tx=hex0x(row.tx or b""))
        return Cell(tr("Withdrawn"), tone="muted", icon="check", tip=with_tx)
    if row.state is State.READY:
        return Cell(tr("Ready"), tone="good", icon="done")
    rest = row.finalize_at - int(clock.time())
    words = tr("Window {span}").format(span=text.span(rest)) if rest > 0 else tr("Being paid")
    return Cell(words, tone="info", icon="window")


def ledger_columns() -> list[Column[Line]]:
    return [
        Column(tr("When"), lambda line: Cell(text.clock(line.row.settled_ms), tone="muted"), 130),
        Column(tr("Request"), _request_cell, 116),
        Column(
            tr("Consumer"),
            lambda line: Cell(short(line.row.consumer), mono=True, tip=hex0x(line.row.consumer)),
            116,
        ),
        Column(tr("Role"), _role_cell, 92),
        Column(
            tr("Gross, ETH"),
            lambda line: Cell(text.eth(line.row.share), tip=text.exact_gwei(line.row.share)),
            118,
            right=True,
        ),
        Column(tr("Fees, ETH"), _fees_cell, 118, right=True),
        Column(tr("Net, ETH"), _net_cell, 118, right=True),
        Column(tr("State"), _state_cell, 0),
    ]


Fetch = Callable[[Query, int, int], None]


class LedgerModel(TableModel["Line"]):
    """``fetch(query, offset, limit)`` is asked for a page; its lines come back through ``add_page``."""

    counted = Signal()

    def __init__(self, fetch: Fetch, parent: QObject | None = None) -> None:
        super().__init__(ledger_columns(), lambda line: line.row.request_id, parent)
        self._fetch = fetch
        self.query = Query()
        self.fetching = False
        self.complete = True  # until ``start``

    def start(self, query: Query) -> None:
        """Read again from the first line on; what is shown stays until the lines are here."""
        limit = PAGE if query != self.query else min(MOST_AGAIN, max(PAGE, len(self.rows)))
        self.query, self.fetching, self.complete = query, True, False
        self._fetch(query, 0, limit)

    def canFetchMore(self, parent: Index) -> bool:  # noqa: N802
        return not (parent.isValid() or self.complete or self.fetching)

    def fetchMore(self, parent: Index) -> None:  # noqa: N802
        if self.canFetchMore(parent):
            self.fetching = True
            self._fetch(self.query, len(self.rows), PAGE)

    def add_page(self, query: Query, offset: int, limit: int, lines: Sequence[Line]) -> None:
        """A page has come; one that was asked for before the query changed is dropped."""
        if query != self.query or (offset and offset != len(self.rows)):
            return
        self.fetching, self.complete = False, len(lines) < limit
        if offset:
            known = {line.row.request_id for line in self.rows}
            self.insert(offset, [line for line in lines if line.row.request_id not in known])
        else:
            self.set_rows(lines)
        self.counted.emit()

    def page_failed(self) -> None:
        self.fetching, self.complete = False, True
        self.set_rows([])


def bins(by_hour: bool, now: datetime) -> list[int]:
    """Where the latest hours, or days of the operator's zone, begin (Unix ms, oldest first)."""
    if by_hour:
        hour = now.replace(minute=0, second=0, microsecond=0)
        return [_millis(hour - timedelta(hours=back)) for back in range(HOURS - 1, -1, -1)]
    days = [now.date() - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    # Each by itself: days are 23 or 25 hours long where the clock changes.
    return [_millis(datetime.combine(day, time.min).astimezone()) for day in days]


def _millis(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def shares(totals: Totals, by_role: bool) -> list[tuple[str, str, int]]:
    """Words, the full name, and gwei of each consumer or role, the largest first."""
    if by_role:
        found = [(part_word(Part.PROVED), "", totals.proved), (part_word(Part.VERIFIED), "", totals.verified)]
        return [one for one in found if one[2]]
    listed = sorted(totals.by_consumer.items(), key=lambda item: (-item[1], item[0]))
    return [(short(consumer), hex0x(consumer), amount) for consumer, amount in listed]
