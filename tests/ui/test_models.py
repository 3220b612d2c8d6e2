"""Tables change by differences: nothing is reset, and what did not change is not repainted."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtWidgets import QApplication

from gpn_desktop.core.history import JobOrder, place
from gpn_desktop.core.types import Gwei
from gpn_desktop.services.views import Phase
from gpn_desktop.ui.models.jobs import MOST_LINES, PAGE, JobLine, JobsModel, line_of
from gpn_desktop.ui.models.phases import image_look, phase_look, turn_look
from gpn_desktop.ui.models.table import CELL, Cell, Column, TableModel
from gpn_desktop.ui.models.votes import lines_of
from tests.ui.fake import demo_jobs, hash32, history_row, job

pytestmark = pytest.mark.usefixtures("qapp")
NEWEST = 1_700_000_000_000


@dataclass(frozen=True)
class Item:
    key: str
    value: int = 0


class Log:
    """What a view would hear."""

    def __init__(self, model: TableModel[Item] | JobsModel) -> None:
        self.events: list[str] = []
        model.rowsInserted.connect(lambda _, a, b: self.events.append(f"+{a}-{b}"))
        model.rowsRemoved.connect(lambda _, a, b: self.events.append(f"-{a}-{b}"))
        model.rowsMoved.connect(lambda _, a, b, __, to: self.events.append(f"{a}>{to}"))
        model.dataChanged.connect(lambda a, b: self.events.append(f"~{a.row()}-{b.row()}"))
        model.modelReset.connect(lambda: self.events.append("reset"))


def table(*keys: str) -> tuple[TableModel[Item], Log]:
    model: TableModel[Item] = TableModel(
        [
            Column("Key", lambda i: Cell(i.key, sub=str(i.value))),
            Column("Value", lambda i: Cell(str(i.value))),
        ],
        lambda item: item.key,
    )
    model.set_rows([Item(key) for key in keys])
    return model, Log(model)


def test_equal_rows_change_nothing() -> None:
    model, log = table("a", "b", "c")
    model.set_rows([Item("a"), Item("b"), Item("c")])
    assert log.events == []


def test_one_changed_row_is_one_update() -> None:
    model, log = table("a", "b", "c")
    model.set_rows([Item("a"), Item("b", 5), Item("c")])
    assert log.events == ["~1-1"]
    assert model.index(1, 1).data() == "5"


def test_new_rows_on_top_are_one_insertion() -> None:
    model, log = table("a", "b")
    model.set_rows([Item("x"), Item("y"), Item("a"), Item("b")])
    assert log.events == ["+0-1"]


@pytest.mark.parametrize(
    "after", ["", "b", "ca", "cba", "xaybzc", "cxb", "bcaxyz", "abcdefgh", "hgfedcba", "c1a2b3"]
)
def test_any_change_ends_in_the_wanted_rows_without_reset(after: str) -> None:
    model, log = table("a", "b", "c")
    model.set_rows([Item(key, 1) for key in after])
    assert [row.key for row in model.rows] == list(after)
    assert all(row.value == 1 for row in model.rows)
    assert "reset" not in log.events


def test_persistent_indexes_follow_their_rows() -> None:
    model, _ = table("a", "b", "c")
    from PySide6.QtCore import QPersistentModelIndex

    kept = QPersistentModelIndex(model.index(1, 0))
    model.set_rows([Item("x"), Item("c"), Item("b", 9), Item("a")])
    assert kept.row() == 2
    assert kept.data(CELL).text == "b"


def test_assistive_text_names_both_lines() -> None:
    model, _ = table("a")
    assert model.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole) == "a, 0"
    assert model.headerData(1, Qt.Orientation.Horizontal) == "Value"


# jobs -------------------------------------------------------------------------------------------------


class Store:
    """Answers pages later, when the test says so."""

    def __init__(self, rows: int) -> None:
        self.rows = [history_row(number, NEWEST) for number in range(rows)]
        self.asked: list[tuple[int, int, str, JobOrder]] = []
        self.model = JobsModel(lambda *page: self.asked.append(page))

    def answer(self) -> None:
        offset, limit, search, order = self.asked[-1]
        found = sorted((row for row in self.rows if search in row.ref), key=lambda row: place(row, order))
        self.model.add_page(search, order, offset, found[offset : offset + limit])


def in_order(model: JobsModel) -> bool:
    orders = [model.place(line) for line in model.rows]
    return orders == sorted(orders) and len(set(orders)) == len(orders)


def test_history_comes_in_pages_without_doubles() -> None:
    store = Store(450)
    store.model.start()
    while True:
        store.answer()
        if not store.model.canFetchMore(QModelIndex()):
            break
        store.model.fetchMore(QModelIndex())
    assert [page[0] for page in store.asked] == [0, PAGE, 2 * PAGE]
    assert len(store.model.rows) == 450
    assert in_order(store.model)


def test_one_page_is_asked_for_at_a_time() -> None:
    store = Store(450)
    store.model.start()
    store.model.fetchMore(QModelIndex())
    assert len(store.asked) == 1


def test_rows_that_came_in_while_paging_are_neither_lost_nor_doubled() -> None:
    store = Store(300)
    store.model.start()
    store.answer()
    store.rows.insert(0, history_row(-1, NEWEST))
    store.model.fetchMore(QModelIndex())
    store.answer()
    assert {row.request_id for row in store.rows[1:]} <= {line.request_id for line in store.model.rows}
    assert in_order(store.model)


def test_live_jobs_stand_over_the_history() -> None:
    store = Store(10)
    store.model.start()
    store.answer()
    log = Log(store.model)
    newer = job(1, Phase.PROVING, received_ms=NEWEST + 5_000)
    known = replace(
        job(2, Phase.SETTLED, received_ms=NEWEST - 3 * 60_000),
        request_id=store.rows[3].request_id,
        earned=Gwei(7),
    )
    store.model.show_live((newer, known))
    assert log.events == ["~3-3", "+0-0"]
    assert store.model.find(newer.request_id) == 0
    assert store.model.rows[4].earned == 7
    log.events.clear()
    store.model.show_live((newer, known))
    assert log.events == []


def test_a_job_that_leaves_the_snapshot_stays_in_the_table() -> None:
    store = Store(0)
    store.model.start()
    store.answer()
    store.model.show_live((job(1, Phase.PAID, received_ms=NEWEST),))
    store.model.show_live(())
    assert len(store.model.rows) == 1


def test_search_drops_what_does_not_match_and_late_answers() -> None:
    store = Store(300)
    store.model.start()
    late = store.asked[-1]
    store.model.show_live((job(1, Phase.PROVING, received_ms=NEWEST + 1),))
    store.model.start("old-29")
    store.model.add_page(late[2], late[3], late[0], store.rows[:PAGE])
    assert store.model.rows == []
    store.answer()
    assert {line.ref for line in store.model.rows} == {"old-29", *(f"old-29{n}" for n in range(10))}
    store.model.start("proving")
    assert [line.phase for line in store.model.rows] == ["proving"]


def test_in_another_order_pages_and_live_requests_stand_where_they_belong() -> None:
    store = Store(450)
    store.rows = [replace(row, earned=Gwei(number * 7919 % 449)) for number, row in enumerate(store.rows)]
    live = job(1, Phase.VERIFIED, received_ms=NEWEST + 1, earned=200)
    store.model.start()
    late = store.asked[-1]
    store.model.show_live((live,))
    store.model.start("", JobOrder.EARNED)
    store.model.add_page(late[2], late[3], late[0], store.rows[:PAGE])
    assert len(store.model.rows) == 1
    while store.model.fetching:
        store.answer()
        store.model.fetchMore(QModelIndex())
    earned = [line.earned for line in store.model.rows]
    assert len(earned) == 451
    assert earned == sorted(earned, reverse=True)
    store.model.show_live((replace(live, earned=Gwei(10**6)),))
    assert store.model.rows[0].request_id == live.request_id
    assert store.model.find(live.request_id) == 0
    assert in_order(store.model)


def test_a_failed_page_ends_the_list_and_a_new_search_tries_again() -> None:
    store = Store(5)
    store.model.start()
    store.model.page_failed()
    assert not store.model.canFetchMore(QModelIndex())
    store.model.start()
    assert len(store.asked) == 2


def test_the_table_gives_back_old_lines() -> None:
    store = Store(0)
    store.model.start()
    store.answer()
    many = tuple(
        replace(job(0, Phase.PAID, received_ms=NEWEST - number), request_id=hash32(number))
        for number in range(MOST_LINES + 1)
    )
    store.model.show_live(many)
    assert len(store.model.rows) == MOST_LINES - PAGE
    assert store.model.canFetchMore(QModelIndex())
    assert in_order(store.model)


def test_what_is_on_the_screen_is_not_given_back() -> None:
    store = Store(MOST_LINES + 4 * PAGE)
    store.model.start()
    while store.model.fetching:
        store.answer()
        store.model.fetchMore(QModelIndex())
    live = (job(1, Phase.PROVING, received_ms=NEWEST + 1),)
    store.model.show_live(live, MOST_LINES + 3 * PAGE)
    assert len(store.model.rows) == MOST_LINES + 4 * PAGE + 1
    store.model.show_live(live, 20)
    assert len(store.model.rows) == MOST_LINES - PAGE
    while store.model.canFetchMore(QModelIndex()):
        store.model.fetchMore(QModelIndex())
        store.answer()
    assert len(store.model.rows) == MOST_LINES + 4 * PAGE + 1
    assert in_order(store.model)


def test_ten_thousand_rows_page_quickly(qapp: QApplication) -> None:
    store = Store(10_000)
    store.model.start()
    slowest = 0.0
    while store.model.fetching:
        before = time.thread_time()
        store.answer()
        slowest = max(slowest, time.thread_time() - before)
        store.model.fetchMore(QModelIndex())
    assert len(store.model.rows) == 10_000
    assert slowest < 0.1


def test_a_snapshot_without_news_costs_less_than_a_frame(qapp: QApplication) -> None:
    store = Store(10_000)
    store.model.start()
    while store.model.fetching:
        store.answer()
        store.model.fetchMore(QModelIndex())
    live = tuple(
        replace(job(n, Phase.PROVING, received_ms=NEWEST + n), request_id=hash32(n)) for n in range(100)
    )
    store.model.show_live(live)
    changed = tuple(replace(one, phase=Phase.VERIFYING) for one in live)
    before = time.thread_time()
    store.model.show_live(changed)
    assert time.thread_time() - before < 0.05
    assert sum(line.phase == "verifying" for line in store.model.rows) == 100


# votes and words ----------------------------------------------------------------------------------------


def test_votes_show_whether_the_committee_agreed() -> None:
    lines = lines_of(demo_jobs())
    cheated = [line for line in lines if line.request_id == hash32(1) and line.attempt == 0]
    assert [line.valid for line in cheated] == [False] * 4
    assert all(line.outcome is False for line in cheated)
    running = [line for line in lines if line.request_id == hash32(1) and line.attempt == 1]
    assert {line.outcome for line in running} == {None}
    settled = [line for line in lines if line.request_id == hash32(5)]
    assert {line.outcome for line in settled} == {True}
    assert len({line.key for line in lines}) == len(lines)


def test_only_my_votes() -> None:
    mine = lines_of(demo_jobs(), only_mine=True)
    assert mine
    assert all(line.mine for line in mine)


def test_every_phase_has_icon_and_word() -> None:
    for phase in Phase:
        look = phase_look(phase)
        assert look.icon
        assert look.word[0].isupper()
    assert phase_look("of a later version").word == "of a later version"
    assert turn_look("voted down").tone == "bad"
    assert image_look("failed").tone == "bad"


def test_amounts_keep_every_digit_in_the_table() -> None:
    line: JobLine = line_of(job(1, Phase.PAID, earned=2**40 + 1, reward=2**63 + 1))
    store = Store(0)
    store.model.start()
    store.answer()
    store.model.show_live((job(1, Phase.PAID, earned=2**40 + 1),))
    cells = [store.model.index(0, at).data() for at in range(store.model.columnCount())]
    assert "1,099.511627777" in cells
    assert line.reward == 2**63 + 1
