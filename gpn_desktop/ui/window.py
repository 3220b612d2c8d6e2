"""The main window: frame, pages and banners around one facade. It asks to be closed; others decide when."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from gpn_desktop.services.desk import Desk
from gpn_desktop.services.views import NodeView
from gpn_desktop.ui import text
from gpn_desktop.ui.live import LiveView
from gpn_desktop.ui.models.phases import running_jobs
from gpn_desktop.ui.notify import Note, Notifier
from gpn_desktop.ui.opening import Opening
from gpn_desktop.ui.pagelist import PAGES, PageSpec
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.pages.start import StartPage
from gpn_desktop.ui.quitting import QuitSheet, my_proofs
from gpn_desktop.ui.sidebar import Sidebar
from gpn_desktop.ui.story import Story, StoryLine
from gpn_desktop.ui.strip import PLAY_NETWORKS, Strip, is_test_prover
from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import WINDOW, WINDOW_LEAST, Theme
from gpn_desktop.ui.tray import Tray
from gpn_desktop.ui.widgets.banners import Banner, BannerArea
from gpn_desktop.ui.widgets.pause_menu import PauseNote

if TYPE_CHECKING:
    # For the types only: they pull in the protocol's cryptography, 0.3 s before the first paint.
    from gpn_desktop.services.facade import Facade

SECOND_MS = 1000
# Of errors and of alerts each; more would push the page out of sight.
MOST_BANNERS = 3


class MainWindow(QMainWindow):
    """Up before there is a facade: first a starting page, then ``attach``. A ``Shell`` holds it on screen."""

    quit_asked = Signal()
    join_asked = Signal()  # a node of one's own in place of the demo

    def __init__(self, theme: Theme, title: str, banner: str = "", desk: Desk | None = None) -> None:
        super().__init__()
        self._theme = theme
        self._note = text.say(banner)
        self._story: Story | None = None
        self._facade: Facade | None = None
        self._desk = desk or Desk()
        self._live: LiveView | None = None
        self._view: NodeView | None = None
        self._closing = False
        self._may_close = False
        self._errors: list[Banner] = []
        self.tray: Tray | None = None
        self._notifier = Notifier(self._note_shown, time.monotonic, self._wants)
        self.pages: dict[str, Page] = {}
        self.current = "home"
        self.tasks = Tasks(self.show_error)
        self._context = PageContext(None, self.tasks, theme, self.go_to, None, self._desk)
        self.setWindowTitle(title)
        self.resize(*map(theme.fonts.px, WINDOW))
        self.setMinimumSize(*map(theme.fonts.px, WINDOW_LEAST))
        self._build()
        self._shortcut("Ctrl+Q", self.ask_quit)
        self._shortcut("Ctrl+F", self._search)
        self._shortcut("Ctrl+P", self.strip.pause.toggle)
        for spec in PAGES:
            self._shortcut(spec.shortcut, partial(self._key, spec))
        self._second = QTimer(self)
        self._second.setInterval(SECOND_MS)
        self._second.timeout.connect(self._tick)
        self._second.start()

    def _build(self) -> None:
        theme = self._theme
        self.sidebar = Sidebar(theme, PAGES, self.go)
        self.sidebar.hide_pages(_story_pages())
        self.sidebar.mark("home")
        self.banners = BannerArea(theme, self._dismiss, self.go_to)
        self.quit_sheet = QuitSheet(theme, self._finish_first, self.quit_now, self._to_tray)
        self.start_page = StartPage(theme, self.tasks, self._desk, self.go_to)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.start_page)
        self.strip = Strip(theme, self.tasks, self.go_to)
        self.pause_note = PauseNote(theme, self.tasks, self.go_to)
        content = QWidget()
        content.setObjectName("content")
        content.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        inner = QVBoxLayout(content)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        inner.addWidget(self.banners)
        inner.addWidget(_with_margins(self.pause_note))
        inner.addWidget(_with_margins(self.quit_sheet))
        self._scroll = _scrolled(self.stack)
        inner.addWidget(self._scroll, 1)
        upper = QHBoxLayout()
        upper.setSpacing(0)
        upper.addWidget(self.sidebar)
        upper.addWidget(content, 1)
        root = QWidget()
        column = QVBoxLayout(root)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(upper, 1)
        column.addWidget(self.strip)
        self.setCentralWidget(root)

    # the node ---------------------------------------------------------------------------------------

    def show_starting(self, opening: Opening) -> None:
        """Nothing runs yet: the start page tells how far the start is."""
        self.setWindowTitle(text.say(opening.title))
        self._note = text.say(opening.banner)
        if opening.story is not self._story:
            if self._story is not None:
                self._story.told.disconnect(self._told)
            self._story = opening.story
            if opening.story is not None:
                opening.story.told.connect(self._told)
        self.start_page.show_starting(opening)
        self.strip.say(tr("Starting"))
        self.strip.story.say("")
        self._show_banners()

    def show_failure(self, error: BaseException, other: Opening | None = None) -> None:
        """The node could not start; the page offers to try again, or to open ``other``."""
        self.start_page.show_failure(error, other)
        self.strip.say(tr("Not running"))
        self.strip.story.say("")

    def attach(self, facade: Facade) -> None:
        """Show this node from now on."""
        self._facade = facade
        self._drop_pages()
        # A demo node's key is thrown away with it; the operator's own wallet has no business on its pages.
        desk = self._desk if self._story is None else replace(self._desk, wallet=None)
        self._context = PageContext(facade, self.tasks, self._theme, self.go_to, self._story, desk)
        self.sidebar.open()
        self.sidebar.hide_pages(() if self._story is not None else _story_pages())
        if facade.pausing is not None:
            self.strip.pause.attach(facade.pausing)
        self._live = LiveView(facade)
        self._live.changed.connect(self._show)
        self._live.flush()
        self.go("home")
        self.stack.setFocus()

    async def detach(self) -> None:
        """The node has ended, and another one may come: back to the page that tells of its start."""
        await self.tasks.cancel()
        if self._live is not None:
            self._live.close()
            self._live.changed.disconnect(self._show)
        self._facade = self._live = self._view = None
        self.strip.detach()
        self.pause_note.hide()
        self._drop_pages()
        self._context = PageContext(None, self.tasks, self._theme, self.go_to, None, self._desk)
        self.sidebar.close_pages()
        self.sidebar.hide_pages(_story_pages())
        self.go("home")
        self._show_banners()

    @property
    def shown(self) -> NodeView | None:
        """The node's latest view."""
        return self._view

    def _key(self, spec: PageSpec) -> None:
        if not self.sidebar.buttons[spec.key].isHidden():
            self.go(spec.key)

    def go_to(self, place: str) -> None:
        """Open a page, or a part of it, as in "settings:pausing"; "join" leaves the demo."""
        if place == "join":
            self.join_asked.emit()
            return
        key, _, part = place.partition(":")
        self.go(key)
        if part and key in self.pages:
            self.pages[key].open_part(part)

    def go(self, key: str) -> None:
        """Open a page; before there is a node, home is the page that tells how far its start is."""
        spec = next(spec for spec in PAGES if spec.key == key)
        if self._facade is None and (spec.key == "home" or not spec.alone):
            self.current = "home"
            self.sidebar.mark("home")
            self.stack.setCurrentWidget(self.start_page)
            self.start_page.opened()
            return
        page = self._page(spec)
        self.current = key
        self.sidebar.mark(key)
        self.stack.setCurrentWidget(page)
        self._scroll.verticalScrollBar().setValue(0)
        if self._view is not None:
            page.refresh(self._view)
        page.opened()

    def _page(self, spec: PageSpec) -> Page:
        """Built when it is first opened: all pages at once would hold up several frames."""
        if spec.key not in self.pages:
            self.pages[spec.key] = spec.make(self._context)
            self.stack.addWidget(self.pages[spec.key])
        return self.pages[spec.key]

    def _drop_pages(self) -> None:
        """Pages that were open before there was a node do not know it."""
        for page in self.pages.values():
            self.stack.removeWidget(page)
            page.deleteLater()
        self.pages.clear()

    def _show(self, view: NodeView) -> None:
        self._view = view
        self.strip.refresh(view)
        self.sidebar.buttons["jobs"].show_count(running_jobs(view))
        self.sidebar.buttons["network"].show_count(view.peers)
        self._show_banners()
        if self.current in self.pages:
            self.pages[self.current].refresh(view)
        self._notifier.see(view)
        if self.tray is not None:
            self.tray.refresh(view)
        if self._facade is not None and self._facade.pausing is not None:
            self.pause_note.refresh(self._facade.pausing)
            self.strip.show_gpus(self._facade.pausing.state().readings)
        if not self.quit_sheet.isHidden():
            self._finishing(view)

    def _told(self, line: StoryLine) -> None:
        """The latest line stands in the strip; one that tells of a failure waits to be read."""
        if self._facade is not None and (not line.detail or line.tone != "text"):
            self.strip.story.say(line.text)
        if line.tone == "bad" and not line.detail:
            self.show_problem(line.text)

    def _tick(self) -> None:
        if self.isVisible() and self.current in self.pages:
            self.pages[self.current].tick()

    # banners ----------------------------------------------------------------------------------------

    def show_error(self, error: BaseException) -> None:
        """Keep an error in sight until it is dismissed."""
        self.show_problem(text.explain(error))

    def show_problem(self, words: str) -> None:
        banner = Banner(words, "bad", dismissable=True)
        if banner not in self._errors:
            self._errors.append(banner)
        self._show_banners()

    def _dismiss(self, banner: Banner) -> None:
        self._errors.remove(banner)
        self._show_banners()

    def _show_banners(self) -> None:
        banners = self._errors[-MOST_BANNERS:]
        view = self._view
        if self._closing:
            banners.insert(0, Banner(tr("Closing: work in hand is put in order first."), "info"))
        if view is not None:
            banners += [Banner(alert, "warn") for alert in view.alerts[-MOST_BANNERS:][::-1]]
            if is_test_prover(view):
                banners.append(_test_prover_banner(self._note))
            banners += _backup_banner(self._context.desk)
        if self._note and (view is None or not is_test_prover(view)):
            banners.append(Banner(self._note, "info"))
        self.banners.show_banners(banners)

    # commands ---------------------------------------------------------------------------------------

    def _search(self) -> None:
        """In the page that is open, or among the jobs where it has nothing to search."""
        if self._facade is None:
            return
        if not (self.current in self.pages and self.pages[self.current].open_search()):
            self.go("jobs")
            self.pages["jobs"].open_search()

    def _shortcut(self, keys: str, act: Callable[[], object]) -> None:
        QShortcut(QKeySequence(keys), self).activated.connect(act)

    # closing ----------------------------------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        """Never closes by itself: the shutdown is awaited first, then ``finish`` lets it."""
        if self._may_close:
            event.accept()
            return
        event.ignore()
        if self._stays():
            self._to_tray()
        else:
            self.ask_quit()

    def _stays(self) -> bool:
        """In the tray, where there is one and a node of the operator's own runs."""
        wanted = self._desk.preferences is not None and self._desk.preferences.ui.close_to_tray
        own = self._view is not None and self._view.network not in PLAY_NETWORKS
        return wanted and own and self.tray is not None and not self._closing

    def ask_quit(self) -> None:
        """Quit, with a question where that would cost something."""
        view = self._view
        if view is not None and view.network not in PLAY_NETWORKS and my_proofs(view):
            self.show_window()
            self.quit_sheet.ask(view, self.tray is not None)
        else:
            self.quit_now()

    def quit_now(self) -> None:
        """Without a question, as a signal asks for it; the shutdown itself is in order."""
        if not self._closing:
            self._closing = True
            self.quit_sheet.hide()
            self._show_banners()
            self.quit_asked.emit()

    def _finish_first(self) -> None:
        assert self._facade is not None
        self.tasks.start(self._facade.pause(True))

    def _finishing(self, view: NodeView) -> None:
        self.quit_sheet.refresh(view)
        if self.quit_sheet.finishing and not my_proofs(view):
            self.quit_now()

    # the tray ---------------------------------------------------------------------------------------

    def open_tray(self) -> None:
        """Where the desktop has one."""
        if Tray.available():
            self.tray = Tray(self.show_window, self.strip.pause.toggle, self.ask_quit, self)
            self.tray.open()

    def show_window(self, page: str = "") -> None:
        """To the front, from wherever it is, on ``page``."""
        frame = self.window()
        frame.showNormal() if frame.isMinimized() else frame.show()
        frame.raise_()
        frame.activateWindow()
        if page:
            self.go(page)

    def _to_tray(self) -> None:
        self.window().hide()

    def _note_shown(self, note: Note) -> None:
        if self.tray is not None and not self.isActiveWindow():
            self.tray.note(note)

    def _wants(self, kind: str) -> bool:
        preferences = self._desk.preferences
        return preferences is None or preferences.ui.notifies(kind)

    def finish(self) -> None:
        """The node is down: close for good."""
        self._second.stop()
        if self.tray is not None:
            self.tray.close()
        if self._live is not None:
            self._live.close()
        self._may_close = True
        self.window().close()


def _story_pages() -> tuple[str, ...]:
    return tuple(spec.key for spec in PAGES if spec.of_story)


def _with_margins(card: QWidget) -> QWidget:
    """Between banners and page; takes no room while the card is hidden."""
    holder = QWidget()
    column = QVBoxLayout(holder)
    column.setContentsMargins(32, 0, 32, 0)
    column.addWidget(card)
    return holder


def _scrolled(content: QWidget) -> QScrollArea:
    """Scrolls where banners and a small window leave too little height."""
    area = QScrollArea()
    area.setObjectName("scroll")
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(content)
    area.viewport().setAutoFillBackground(False)
    content.setAutoFillBackground(False)
    return area


def _backup_banner(desk: Desk) -> list[Banner]:
    """Until a restore was tested: a broken disk would take key and stake with it."""
    state = desk.wallet.state if desk.wallet is not None else None
    if state is None or state.address is None or state.backed_up:
        return []
    words = tr("The key’s backup was never tested. If this disk breaks, the key and its stake are lost.")
    return [Banner(words, "warn", act=tr("Back it up"), page="wallet")]


def _test_prover_banner(note: str) -> Banner:
    words = tr("Test prover: proofs are made and checked by the built-in test prover and prove nothing.")
    return Banner(f"{note} {words}".strip(), "warn")
