"""Jobs: live requests and the whole history in one searched, paged table, with the chosen one beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLineEdit, QSplitter

from gpn_desktop.core.history import JobOrder
from gpn_desktop.core.types import Hash32
from gpn_desktop.services.views import JobView, NodeView, Phase
from gpn_desktop.ui import text
from gpn_desktop.ui.models.jobs import JobsModel
from gpn_desktop.ui.models.phases import phase_look
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.pages.job_detail import JobDetail
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.widgets.basic import Card, button
from gpn_desktop.ui.widgets.empty import EmptyState, OrEmpty
from gpn_desktop.ui.widgets.inputs import Choice
from gpn_desktop.ui.widgets.save import SaveSheet
from gpn_desktop.ui.widgets.sheet import Question, Sheet
from gpn_desktop.ui.widgets.table import Table

TYPING_MS = 150
SIDE_BY_SIDE = 940


class JobsPage(Page):
    def __init__(self, context: PageContext) -> None:
        super().__init__(context, tr("Jobs"))
        theme = context.theme
        self._view: NodeView | None = None
        self._loading: asyncio.Task[None] | None = None
        self._records: asyncio.Task[None] | None = None
        self._loaded: JobView | None = None

        self.search = QLineEdit()
        self.search.setFont(theme.fonts.body)
        self.search.setPlaceholderText(tr("Search id, consumer, phase"))
        self.search.setAccessibleName(tr("Search jobs"))
        self.search.setToolTip(tr("Search jobs (Ctrl+F)"))
        self.search.setClearButtonEnabled(True)
        self.search.setFixedWidth(theme.fonts.px(240))
        self.buttons.addWidget(self.search)
        phases = [(phase.value, phase_look(phase).word) for phase in Phase]
        self.phases = Choice(theme, [("", tr("All phases")), *phases], self._narrow)
        self.phases.setAccessibleName(tr("Phase"))
        self.buttons.addWidget(self.phases)
        self.order = Choice(
            theme,
            [
                (JobOrder.NEWEST.value, tr("Newest first")),
                (JobOrder.OLDEST.value, tr("Oldest first")),
                (JobOrder.EARNED.value, tr("Most earned")),
                (JobOrder.REWARD.value, tr("Highest reward")),
                (JobOrder.SLOWEST.value, tr("Slowest first")),
            ],
            lambda _: self._search_now(),
        )
        self.order.setAccessibleName(tr("Order"))
        self.buttons.addWidget(self.order)
        self.export = button(tr("Export…"), theme)
        self.export.clicked.connect(self._export)
        self.export.setVisible(context.desk.save is not None)
        self.buttons.addWidget(self.export)
        self.saving = SaveSheet(theme, context.tasks)
        self.sheet = Sheet(theme, context.tasks)
        self.column.addWidget(self.saving)
        self.column.addWidget(self.sheet)
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(TYPING_MS)
        self._typing.timeout.connect(self._search_now)
        self.search.textChanged.connect(lambda: self._typing.start())

        self.model = JobsModel(self._fetch, self)
        self.model.counted.connect(self._counted)
        self.table = Table(theme, self.model, tr("Jobs"))
        self.table.chosen.connect(self._choose)
        card = Card(theme, padding=0)
        self.list = OrEmpty(self.table, EmptyState(theme))
        card.body.addWidget(self.list)
        self.detail = JobDetail(theme)
        self.detail.give_up.clicked.connect(self._ask_give_up)
        self.detail.evidence.clicked.connect(self._open_votes)
        self._split = split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(16)
        split.setChildrenCollapsible(False)
        split.addWidget(card)
        split.addWidget(self.detail)
        split.setSizes([theme.fonts.px(582), theme.fonts.px(410)])
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        self.column.addWidget(split, 1)

    def opened(self) -> None:
        if not self.model.started:
            self._search_now()

    def open_search(self) -> bool:
        self.search.setFocus()
        self.search.selectAll()
        return True

    def open_part(self, name: str) -> None:
        """A request, by its id in hex."""
        key = bytes.fromhex(name)
        if not self.table.choose(key):  # filtered out
            self.search.clear()
            self._search_now()
            self.table.choose(key)

    def refresh(self, view: NodeView) -> None:
        self._view = view
        self.model.show_live(view.jobs, self.table.last_in_sight())
        chosen = self.table.current_key()
        live = next((job for job in view.jobs if job.request_id == chosen), None)
        if live is not None:
            self.detail.show_job(live, view.address)
        self._counted()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """In a narrow window the details go below the table."""
        super().resizeEvent(event)
        narrow = self.width() < self.context.theme.fonts.px(SIDE_BY_SIDE)
        self._split.setOrientation(Qt.Orientation.Vertical if narrow else Qt.Orientation.Horizontal)

    def tick(self) -> None:
        self.table.tick()

    # history ----------------------------------------------------------------------------------------

    def _search_now(self) -> None:
        words = self.search.text().split()
        self.phases.choose(next((phase.value for phase in Phase if phase.value in words), ""))
        self.model.start(self.search.text(), JobOrder(self.order.currentData()))
        self._counted()

    def _fetch(self, offset: int, limit: int, search: str, order: JobOrder) -> None:
        self.context.tasks.start(self._fetch_page(offset, limit, search, order), self._fetch_failed)

    async def _fetch_page(self, offset: int, limit: int, search: str, order: JobOrder) -> None:
        rows = await self.context.facade.jobs(offset, limit, search, order)
        self.model.add_page(search, order, offset, rows)

    def _fetch_failed(self, error: BaseException) -> None:
        self.model.page_failed()
        if not self.model.rows:
            self.list.empty.say(tr("The history could not be read"), text.explain(error))
        else:
            self.subtitle.setText(text.explain(error))

    def _counted(self) -> None:
        model = self.model
        self.list.show_content(bool(model.rows))
        running = sum(line.running for line in model.rows[:200])
        shown = plural(len(model.rows), tr("request"), tr("requests"))
        more = "" if model.complete else tr(", older ones follow as you scroll")
        if model.search:
            self.subtitle.setText(tr("{shown} match “{words}”.").format(shown=shown, words=model.search))
        else:
            self.subtitle.setText(
                tr("{running} running, {shown} shown{more}.").format(running=running, shown=shown, more=more)
            )
        if model.rows or not model.complete:
            return
        if model.search:
            self.list.empty.say(
                tr("No request matches"),
                tr("Search for a part of an id, a consumer’s address, or a phase."),
                tr("Clear the search"),
                self.search.clear,
            )
        else:
            self.list.empty.say(
                tr("No requests yet"),
                tr(
                    "Every request that this node sees for its consumers appears here, with its provers, "
                    "votes and reward. None has come since the node was set up."
                ),
                tr("Choose a consumer"),
                lambda: self.context.go("consumers"),
            )

    # the chosen request -----------------------------------------------------------------------------

    def _choose(self, key: object) -> None:
        if self._view is None or not isinstance(key, bytes):
            return
        if self._loading is not None:
            self._loading.cancel()
            self._loading = None
        if self._records is not None:
            self._records.cancel()
        live = next((job for job in self._view.jobs if job.request_id == key), None)
        self._records = self.context.tasks.start(self._load_records(Hash32(key)))
        if live is not None:
            self.detail.show_job(live, self._view.address)
            return
        self.detail.say(tr("Loading"), tr("The request’s statements are read from the journal."))
        self._loading = self.context.tasks.start(
            self._load(Hash32(key)),
            lambda error: self.detail.say(tr("No details"), text.explain(error)),
        )

    async def _load(self, request_id: Hash32) -> None:
        watch = self.context.facade.watch(request_id)
        async with aclosing(watch) as states:  # type: ignore[type-var]  # the port promises only an iterator
            async for job in states:
                if self._view is not None:
                    self.detail.show_job(job, self._view.address)
                return

    async def _load_records(self, request_id: Hash32) -> None:
        """What is beside the request itself: its transactions, and what its containers wrote."""
        facade = self.context.facade
        transactions = await facade.transactions(request_id)
        self.detail.show_records(request_id, transactions, await facade.logs(request_id))

    def _open_votes(self) -> None:
        request_id = self.table.current_key()
        if isinstance(request_id, bytes):
            self.context.go(f"votes:{request_id.hex()}")

    def _ask_give_up(self) -> None:
        request_id = self.table.current_key()
        if not isinstance(request_id, bytes):
            return

        async def give_up() -> str:
            await self.context.facade.give_up(Hash32(request_id))
            return tr("Given up. The next prover takes over.")

        self.sheet.ask(
            Question(
                tr("Give this turn up?"),
                tr(
                    "The container is stopped and the turn declined, so that the next prover starts at once. "
                    "The reward of this proof goes to whoever makes it. No stake is at risk."
                ),
                tr("Give it up"),
                give_up,
                tr("Giving up"),
                tone="warn",
            )
        )

    # narrowing and saving -------------------------------------------------------------------------------

    def _narrow(self, phase: str) -> None:
        """A phase is one of the words that are searched for; it takes the place of another one."""
        names = {phase.value for phase in Phase}
        words = [word for word in self.search.text().split() if word not in names]
        self.search.setText(" ".join([*words, phase]).strip())
        self._search_now()

    def _export(self) -> None:
        save = self.context.desk.save
        assert save is not None

        async def write(path: Path, progress: Callable[[int], None]) -> str:
            from gpn_desktop.services.history import export_jobs

            count = await export_jobs(
                self.context.facade.jobs, self.model.search, self.model.order, path, save, progress
            )
            return tr("{requests} written to {path}.").format(
                requests=plural(count, tr("request"), tr("requests")), path=path
            )

        self.saving.ask(tr("Export requests as CSV"), "gpn-requests.csv", write)
