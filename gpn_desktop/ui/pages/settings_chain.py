"""Settings: the chain's endpoints in their order, each of which can be tried, and what they have to serve."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from gpn_desktop.ui import text
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.pages.settings_draft import Draft
from gpn_desktop.ui.pages.settings_fields import Remark, sentence, source_words
from gpn_desktop.ui.pages.settings_general import Section
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import button, label

KEY = "chain.api"


class ChainSection(Section):
    def __init__(self, context: PageContext, draft: Draft) -> None:
        super().__init__(
            context, draft,
            tr("The first endpoint that answers is used, the others take over when it fails. All of them "
               "have to serve the same chain. Changes take effect when the node is restarted."),
        )  # fmt: skip
        self.add_title(tr("Endpoints"))
        self.endpoints: list[EndpointRow] = []
        self._list = QVBoxLayout()
        self._list.setSpacing(8)
        self.column.addLayout(self._list)
        self.empty = label(
            tr("None yet. A node needs at least one, such as wss://… of your own node or of a provider."),
            context.theme.fonts.body, "muted", wrap=True,
        )  # fmt: skip
        self.column.addWidget(self.empty)
        self.source = label("", context.theme.fonts.label, "muted", wrap=True)
        self.column.addWidget(self.source)
        row = QHBoxLayout()
        self.add = button(tr("Add an endpoint"), context.theme)
        self.add.clicked.connect(self._add)
        row.addWidget(self.add)
        row.addStretch(1)
        self.column.addLayout(row)
        self.add_title(tr("What they have to serve"))
        self.add_field("chain.id", tr("Chain id"), tr("An endpoint of any other chain is refused."))
        self.add_field("chain.contract", tr("Settlement contract"), tr("Its address on that chain."))
        self.add_title(tr("What transactions may cost"))
        self.add_field(
            "chain.max_fee_gwei", tr("Highest price of gas, in gwei"),
            tr("Transactions wait while gas is dearer. Empty: any price is paid."),
        )  # fmt: skip
        self.add_field(
            "settle.max_gas_gwei", tr("Price of gas that settlements wait for, in gwei"),
            tr("They wait for cheaper gas until their time is nearly up. Empty: they don’t wait."),
        )  # fmt: skip
        self.column.addStretch(1)
        draft.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Rows as the draft has them, and those that nobody has filled in yet."""
        if not self.draft.rows:
            return
        urls = [part.strip() for part in self.draft.value(KEY).split(",") if part.strip()]
        if [url for url in self._urls() if url] != urls:
            self._fill(urls)
        setting = self.draft.row(KEY)
        for at, row in enumerate(self.endpoints):
            row.allow(setting.locked, first=at == 0, last=at == len(self.endpoints) - 1)
        self.add.setEnabled(not setting.locked)
        self.empty.setVisible(not self.endpoints)
        self.source.setVisible(setting.locked)
        self.source.setText(source_words(setting))

    def _fill(self, urls: list[str]) -> None:
        while len(self.endpoints) > len(urls):
            gone = self.endpoints.pop()
            self._list.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        while len(self.endpoints) < len(urls):
            row = EndpointRow(self.context.theme, len(self.endpoints) + 1, self._edited)
            row.test.clicked.connect(lambda _=False, row=row: self._test(row))
            row.up.clicked.connect(lambda _=False, row=row: self._move(row, -1))
            row.down.clicked.connect(lambda _=False, row=row: self._move(row, 1))
            row.remove.clicked.connect(lambda _=False, row=row: self._remove(row))
            row.test.setVisible(self.preferences.doors.check_endpoint is not None)
            self.endpoints.append(row)
            self._list.addWidget(row)
            row.show()  # now, so that it can take the cursor
        for row, url in zip(self.endpoints, urls, strict=True):
            if row.url != url:
                row.show_url(url)

    def _urls(self) -> list[str]:
        return [row.url for row in self.endpoints]

    def _edited(self) -> None:
        for row in self.endpoints:
            wrong = self.preferences.problem_of(KEY, row.url) if row.url else tr("an address is expected")
            row.say_problem(wrong)
        self._write(self._urls())

    def _write(self, urls: list[str]) -> None:
        self._fill(urls)
        self.draft.set(KEY, ", ".join(url for url in urls if url))
        self.refresh()

    def _add(self) -> None:
        self._write([*self._urls(), ""])
        self.endpoints[-1].edit.setFocus()

    def _move(self, row: EndpointRow, by: int) -> None:
        urls = self._urls()
        at = self.endpoints.index(row)
        urls[at], urls[at + by] = urls[at + by], urls[at]
        self._write(urls)
        self.endpoints[at + by].edit.setFocus()

    def _remove(self, row: EndpointRow) -> None:
        urls = self._urls()
        del urls[self.endpoints.index(row)]
        self._write(urls)
        self.add.setFocus()

    def _test(self, row: EndpointRow) -> None:
        row.say(tr("Asking"), "info", "proving")
        row.test.setEnabled(False)
        self.context.tasks.start(self._tested(row, row.url), lambda error: self._refused(row, error))

    async def _tested(self, row: EndpointRow, url: str) -> None:
        check = self.preferences.doors.check_endpoint
        assert check is not None
        found = await check(url)
        row.test.setEnabled(True)
        if row.url != url:
            return  # it was edited meanwhile
        wanted = self.draft.value("chain.id").strip()
        chain, head = str(found.chain_id), f"{found.head:,}"
        if wanted and wanted != chain:
            words = tr("Serves chain {chain}, and the settings below say {wanted}.")
            row.say(words.format(chain=chain, wanted=wanted), "bad", "warn")
        else:
            row.say(
                tr("Answers: chain {chain}, block {head}.").format(chain=chain, head=head), "good", "check"
            )

    def _refused(self, row: EndpointRow, error: BaseException) -> None:
        row.test.setEnabled(True)
        row.say(text.explain(error), "bad", "warn")


class EndpointRow(QWidget):
    """One endpoint: its address, its place in the order, and what it answered."""

    def __init__(self, theme: Theme, number: int, edited: Callable[[], None]) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        row = QHBoxLayout()
        row.setSpacing(8)
        self.edit = QLineEdit()
        self.edit.setPlaceholderText("wss://")
        self.edit.setAccessibleName(tr("Endpoint {n}").format(n=number))
        self.edit.textEdited.connect(edited)
        row.addWidget(self.edit, 1)
        self.test = self._button(row, theme, tr("Test"), number)
        self.up = self._button(row, theme, tr("Up"), number)
        self.down = self._button(row, theme, tr("Down"), number)
        self.remove = self._button(row, theme, tr("Remove"), number)
        column.addLayout(row)
        self.state = Remark(theme)
        column.addWidget(self.state)

    @property
    def url(self) -> str:
        return self.edit.text().strip()

    def show_url(self, url: str) -> None:
        self.edit.setText(url)
        self.state.say("")

    def say(self, words: str, tone: str, icon: str) -> None:
        self.state.say(words, tone, icon)

    def say_problem(self, problem: str) -> None:
        self.state.say(sentence(problem))

    def allow(self, locked: bool, first: bool, last: bool) -> None:
        self.edit.setEnabled(not locked)
        self.up.setEnabled(not locked and not first)
        self.down.setEnabled(not locked and not last)
        self.remove.setEnabled(not locked)

    @staticmethod
    def _button(row: QHBoxLayout, theme: Theme, words: str, number: int) -> QPushButton:
        made = button(words, theme)
        made.setAccessibleName(tr("{action} endpoint {n}").format(action=words, n=number))
        row.addWidget(made)
        return made
