"""What the window has whether or not a node runs: keys, checks, logs, settings.

Each part is a service of its own; one that is missing, as in tests of a single page, is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpn_desktop.ports.health import LogBook
    from gpn_desktop.services.diagnostics import Diagnostics
    from gpn_desktop.services.health import Health
    from gpn_desktop.services.history import Saver
    from gpn_desktop.services.joining import Joining
    from gpn_desktop.services.preferences import Preferences
    from gpn_desktop.services.wallet import Wallet


@dataclass
class Desk:
    wallet: Wallet | None = None
    health: Health | None = None
    logs: LogBook | None = None
    diagnostics: Diagnostics | None = None
    preferences: Preferences | None = None
    joining: Joining | None = None
    save: Saver | None = None
    """Writes a file whole or not at all."""
