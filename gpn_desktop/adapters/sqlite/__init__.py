"""The store on SQLite, and a second one in memory for tests, the simulation and the demo."""

from gpn_desktop.adapters.sqlite.aside import set_aside
from gpn_desktop.adapters.sqlite.memory import MemoryStore
from gpn_desktop.adapters.sqlite.nonces import SqliteNonceBook
from gpn_desktop.adapters.sqlite.store import SqliteStore

__all__ = ["MemoryStore", "SqliteNonceBook", "SqliteStore", "set_aside"]
