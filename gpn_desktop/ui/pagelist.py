"""The pages of the window, in the order of the sidebar; each is imported when it is first opened."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpn_desktop.ui.pages.base import Page, PageContext


@dataclass(frozen=True, slots=True)
class PageSpec:
    """A page of the window. A new one is a module in ``pages`` and a line in ``PAGES``.

    Attributes:
        where: module and class, as in "jobs:JobsPage"; importing all of them would hold up the first paint.
        of_story: only there where a story is told.
        alone: also there while no node runs; home is the start page then.
        low: at the sidebar's foot.
    """

    key: str
    name: str
    icon: str
    where: str
    shortcut: str
    of_story: bool = False
    alone: bool = False
    low: bool = False

    def make(self, context: PageContext) -> Page:
        module, _, name = self.where.partition(":")
        made: Page = getattr(import_module(f"gpn_desktop.ui.pages.{module}"), name)(context)
        return made


PAGES = (
    PageSpec("home", "Home", "home", "home:HomePage", "Ctrl+1", alone=True),
    PageSpec("consumers", "Consumers & images", "consumers", "consumers:ConsumersPage", "Ctrl+2"),
    PageSpec("jobs", "Jobs", "jobs", "jobs:JobsPage", "Ctrl+3"),
    PageSpec("votes", "Votes", "votes", "votes:VotesPage", "Ctrl+4"),
    PageSpec("earnings", "Earnings", "earnings", "earnings:EarningsPage", "Ctrl+5"),
    PageSpec("wallet", "Wallet", "wallet", "wallet:WalletPage", "Ctrl+6", alone=True),
    PageSpec("network", "Network", "network", "network:NetworkPage", "Ctrl+7"),
    PageSpec("health", "Logs & health", "health", "health:HealthPage", "Ctrl+8", alone=True),
    PageSpec("demo", "Demo", "play", "demo:DemoPage", "Ctrl+9", of_story=True),
    PageSpec("settings", "Settings", "settings", "settings:SettingsPage", "Ctrl+,", alone=True, low=True),
)
