"""What a page is: a title, its buttons, and a refresh from a snapshot. It knows node, desk, theme only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gpn_desktop.services.desk import Desk
from gpn_desktop.services.views import NodeView
from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import label

if TYPE_CHECKING:
    # For the types only: they pull in the protocol's cryptography, 0.3 s before the first paint.
    from gpn_desktop.services.facade import Facade
    from gpn_desktop.ui.story import Story


@dataclass(frozen=True, slots=True)
class PageContext:
    """What pages get. ``go`` opens a page, or a part of it as in "settings:pausing".

    ``story`` is there on a demo network; ``node`` is None on the pages that are there before a node runs.
    """

    node: Facade | None
    tasks: Tasks
    theme: Theme
    go: Callable[[str], None]
    story: Story | None = None
    desk: Desk = field(default_factory=Desk)

    @property
    def facade(self) -> Facade:
        """The node, on the pages that are only there while one runs."""
        assert self.node is not None
        return self.node


class Page(QWidget):
    """``refresh`` runs while the page is visible, and on opening it with the latest view."""

    def __init__(self, context: PageContext, title: str) -> None:
        super().__init__()
        self.setObjectName("page")
        self.context = context
        theme = context.theme
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(32, 24, 32, 24)
        self.column.setSpacing(16)
        head = QHBoxLayout()
        head.setSpacing(8)
        words = QVBoxLayout()
        words.setSpacing(3)
        self.title = label(title, theme.fonts.title)
        self.subtitle = label("", theme.fonts.body, "muted")
        words.addWidget(self.title)
        words.addWidget(self.subtitle)
        head.addLayout(words, 1)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(8)
        head.addLayout(self.buttons)
        self.column.addLayout(head)

    def refresh(self, view: NodeView) -> None:
        """The node is another one now; pages that show nothing of it leave this as it is."""

    def opened(self) -> None:
        """The page has become the visible one."""

    def open_part(self, name: str) -> None:
        """Show this part of the page; pages without parts show themselves."""

    def open_search(self) -> bool:
        """Put the cursor into the page's search; False if it has none."""
        return False

    def tick(self) -> None:
        """A second has passed; running times move on."""
