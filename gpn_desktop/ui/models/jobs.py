"""The jobs table: live requests over pages of the history, as one list that only holds what was looked at.

A request is one line whether it comes from a snapshot or from the store; lines are kept in order, so a change
is found by bisection and a page of history is one insertion.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, Signal

from gpn_desktop.core import history
from gpn_desktop.core.history import JobOrder
from gpn_desktop.core.types import Address, Gwei, Hash32, hex0x, short
from gpn_desktop.services.views import JobView, Phase
from gpn_desktop.ui import text
from gpn_desktop.ui.models.phases import RUNNING, phase_look
from gpn_desktop.ui.models.table import Cell, Column, Index, TableModel
from gpn_desktop.ui.text import tr

if TYPE_CHECKING:
    # For the types only: they pull in the protocol's cryptography, 0.3 s before the first paint.
    from gpn_desktop.ports.store import JobRow

PAGE = 200
# Beyond this many lines those out of sight are given back; scrolling down fetches them again.
MOST_LINES = 5_000


@dataclass(frozen=True, slots=True)
class JobLine:
    request_id: Hash32
    ref: str
    consumer: Address
    phase: str
    role: str
    reward: Gwei
    earned: Gwei
    deadline: int
    received_ms: int
    verdict_ms: int
    votes: str = ""

    @property
    def running(self) -> bool:
        return self.phase in _RUNNING_NAMES


_RUNNING_NAMES = frozenset(phase.value for phase in RUNNING)


def line_of(job: JobView | JobRow) -> JobLine:
    live = isinstance(job, JobView)
    return JobLine(
        request_id=job.request_id,
        ref=job.ref,
        consumer=job.consumer,
        phase=job.phase.value if isinstance(job.phase, Phase) else job.phase,
        role=job.role,
        reward=job.reward,
        earned=job.earned,
        deadline=job.deadline,
        received_ms=job.received_ms,
        verdict_ms=job.verdict_ms,
        votes=_votes(job) if live else "",
    )


def _votes(job: JobView | JobRow) -> str:
    return f"{job.valid_votes} / {job.quorum}" if isinstance(job, JobView) else ""


def matches(line: JobLine, search: str) -> bool:
    """Every word occurs in the id, the client's id, the consumer, the role or the phase."""
    hay = " ".join((hex0x(line.request_id), line.ref, hex0x(line.consumer), line.role, line.phase)).lower()
    return all(word in hay for word in search.lower().split())


# columns ----------------------------------------------------------------------------------------------


def id_cell(line: JobLine) -> Cell:
    tip = hex0x(line.request_id) + (f"\n{tr('Client’s id')}: {line.ref}" if line.ref else "")
    return Cell(short(line.request_id), mono=True, tip=tip)


def consumer_cell(line: JobLine) -> Cell:
    return Cell(short(line.consumer), mono=True, tip=hex0x(line.consumer))


def role_cell(line: JobLine) -> Cell:
    quiet = line.role in ("", "None")
    return Cell(tr("Not mine") if quiet else text.role(line.role), tone="muted" if quiet else "text")


def phase_cell(line: JobLine) -> Cell:
    look = phase_look(line.phase)
    return Cell(look.word, tone=look.tone, icon=look.icon)


def time_cell(line: JobLine) -> Cell:
    if line.running:
        return Cell(text.left(line.deadline), tone="muted", tip=tr("Time until the request’s deadline."))
    if not line.verdict_ms:
        return Cell("–", tone="muted")
    tip = tr("From the request’s arrival to its verdict. Arrived {time}.").format(
        time=text.clock(line.received_ms)
    )
    return Cell(text.took(line.verdict_ms - line.received_ms), tone="muted", tip=tip)


def reward_cell(line: JobLine) -> Cell:
    return Cell(text.eth(line.reward), tip=text.exact_gwei(line.reward))


def earned_cell(line: JobLine) -> Cell:
    if not line.earned:
        return Cell("–", tone="muted")
    return Cell(text.eth(line.earned), tip=text.exact_gwei(line.earned))


def votes_cell(line: JobLine) -> Cell:
    return Cell(line.votes or "–", tone="muted", tip=tr("Valid votes of the votes needed."))


def history_columns() -> list[Column[JobLine]]:
    return [
        Column(tr("Request"), id_cell, 116),
        Column(tr("My role"), role_cell, 0),
        Column(tr("Phase"), phase_cell, 114),
        Column(tr("Time"), time_cell, 100, right=True),
        Column(tr("Earned, ETH"), earned_cell, 118, right=True),
    ]


def running_columns() -> list[Column[JobLine]]:
    return [
        Column(tr("Job"), id_cell, 140),
        Column(tr("Consumer"), consumer_cell, 140),
        Column(tr("Role"), role_cell, 0),
        Column(tr("Phase"), phase_cell, 140),
        Column(tr("Valid votes"), votes_cell, 110, right=True),
        Column(tr("Deadline"), time_cell, 130, right=True),
        Column(tr("Reward, ETH"), reward_cell, 150, right=True),
    ]


Fetch = Callable[[int, int, str, JobOrder], None]
Place = tuple[int, int, Hash32]


class JobsModel(TableModel[JobLine]):
    """``fetch(offset, limit, search, order)`` is asked for a page; its rows come through ``add_page``."""

    counted = Signal()

    def __init__(self, fetch: Fetch, parent: QObject | None = None) -> None:
        super().__init__(history_columns(), lambda line: line.request_id, parent)
        self._fetch = fetch
        self._places: list[Place] = []
        self._known: dict[Hashable, JobLine] = {}
        self._live: tuple[JobView, ...] = ()
        self.search = ""
        self.order = JobOrder.NEWEST
        self.fetching = False
        # Until ``start``: a view that is laid out early must not make the store read.
        self.complete = True
        self.started = False
        self._offset = 0

    def start(self, search: str = "", order: JobOrder = JobOrder.NEWEST) -> None:
        """Show the history that matches ``search`` from its first page on."""
        self.search, self.order = search.strip(), order
        self.started = True
        self._offset, self.complete, self.fetching = 0, False, False
        keep = [line for line in map(line_of, self._live) if matches(line, self.search)]
        self._replace(keep)
        self.fetchMore(QModelIndex())

    def canFetchMore(self, parent: Index) -> bool:  # noqa: N802
        return not (parent.isValid() or self.complete or self.fetching)

    def fetchMore(self, parent: Index) -> None:  # noqa: N802
        if self.canFetchMore(parent):
            self.fetching = True
            self._fetch(self._offset, PAGE, self.search, self.order)

    def add_page(self, search: str, order: JobOrder, offset: int, rows: Sequence[JobRow]) -> None:
        """A page has come; one that was asked for before search or order changed is dropped."""
        if (search, order, offset) != (self.search, self.order, self._offset):
            return
        self.fetching = False
        self._offset += len(rows)
        self.complete = len(rows) < PAGE
        fresh = [line_of(row) for row in rows if row.request_id not in self._known]
        self._merge(fresh)
        self.counted.emit()

    def page_failed(self) -> None:
        """Nothing came: the list ends here until the page is opened again or the search changes."""
        self.fetching, self.complete, self.started = False, True, False
        self.counted.emit()

    def show_live(self, jobs: tuple[JobView, ...], seen: int = 0) -> None:
        """Take the snapshot's jobs over what is known of them; the rows up to ``seen`` are on the screen."""
        self._live = jobs
        fresh: list[JobLine] = []
        moved: list[tuple[JobLine, JobLine]] = []
        updated: dict[int, JobLine] = {}
        for job in jobs:
            line = line_of(job)
            known = self._known.get(job.request_id)
            if known is None:
                if matches(line, self.search):
                    fresh.append(line)
            elif known != line:
                place = self.place(known)
                if place == self.place(line):
                    updated[bisect_left(self._places, place)] = line
                else:
                    moved.append((known, line))
        self._known.update((line.request_id, line) for line in updated.values())
        self.update_all(updated)
        for known, line in moved:
            self._move(known, line)
        self._merge(fresh)
        self._trim(max(MOST_LINES, seen + 2 * PAGE))
        if fresh:
            self.counted.emit()

    def line(self, row: int) -> JobLine:
        return self.rows[row]

    def find(self, key: Hashable) -> int:
        line = self._known.get(key)
        return bisect_left(self._places, self.place(line)) if line else -1

    def place(self, line: JobLine) -> Place:
        """The smallest is on top; no two lines have the same."""
        return *history.place(line, self.order), line.request_id

    def _replace(self, lines: Iterable[JobLine]) -> None:
        ordered = sorted(lines, key=self.place)
        self._known = {line.request_id: line for line in ordered}
        self._places = [self.place(line) for line in ordered]
        self.set_rows(ordered)

    def _move(self, known: JobLine, line: JobLine) -> None:
        at = bisect_left(self._places, self.place(known))
        self.remove(at, at)
        del self._places[at], self._known[known.request_id]
        self._merge([line])

    def _merge(self, lines: Sequence[JobLine]) -> None:
        """Insert new lines, as few runs as their places allow."""
        run: list[JobLine] = []
        place = -1
        for line in sorted(lines, key=self.place, reverse=True):
            at = bisect_left(self._places, self.place(line))
            if at != place and run:
                self._insert_run(place, run)
                run = []
            place = at
            run.append(line)
        if run:
            self._insert_run(place, run)

    def _insert_run(self, at: int, backwards: list[JobLine]) -> None:
        run = backwards[::-1]
        self._places[at:at] = [self.place(line) for line in run]
        self._known.update((line.request_id, line) for line in run)
        self.insert(at, run)

    def _trim(self, most: int) -> None:
        if len(self.rows) <= most:
            return
        first = most - PAGE
        for line in self.rows[first:]:
            del self._known[line.request_id]
        del self._places[first:]
        self.remove(first, len(self.rows) - 1)
        # Not all live requests are in the store yet; a page that overlaps does no harm, a gap would.
        self._offset, self.complete = max(0, min(self._offset, first - len(self._live))), False
