"""The node's program, ready to fall: ``falling.py FOLDER node …``.

It notes each kind of durable write, and of word to the network, in ``FOLDER/writes``. When a file
``FOLDER/fall`` says so (``before|after KIND NUMBER``), the process kills itself there with SIGKILL: nothing
is flushed, closed or said any more. The file is gone by then, so the next start is an ordinary one.

The node listens on the port that ``FOLDER/port`` names, as one does that has it in its settings.
"""

from __future__ import annotations

import inspect
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.adapters.sqlite import SqliteStore
from gpn_desktop.cli import main
from gpn_desktop.ports.store import Store

READS: Final = frozenset(
    {
        "open", "aclose", "get", "kept", "since",
        "job", "jobs", "jobs_by_ref", "ref_owner", "open_jobs", "job_count", "blob", "logs",
        "settlement", "settlements", "withdrawals",
        "tx_by_intent", "pending_txs", "unsettled_txs", "recent_txs",
        "ledger", "ledger_line", "ledger_count", "ledger_sums", "ledger_consumers",
    }
)  # fmt: skip
"""The store's calls that write nothing. Whatever else the port has, or comes to have, is a write."""

WRITES: Final = tuple(
    name for name, _ in inspect.getmembers(Store, inspect.isfunction) if name[0] != "_" and name not in READS
)


def kind_of(call: str, args: tuple[Any, ...], named: dict[str, Any]) -> str:
    """The kind of a write, fine enough to tell its purposes apart."""
    match call:
        case "keep":
            own = named["own"] if "own" in named else args[3]
            return f"keep:{'own' if own else 'others'}:{type(args[2]).__name__}"
        case "set":
            over = args[0].startswith("proving:") and not args[1]
            return f"set:{args[0].split(':')[0]}{':done' if over else ''}"
        case "put_tx":
            intent = args[0].intent.partition("~")[0]
            return f"tx:{intent.split(':')[0]}:{args[0].state.value}"
        case "forget_unsigned":
            return f"forget_unsigned:{args[0].split(':')[0]}"
        case "put_settlement":
            return f"put_settlement{':finalized' if args[0].finalized else ''}"
        case _:
            return call


class Fall:
    """Where this process falls, as the file says; asked at each write."""

    def __init__(self, folder: Path) -> None:
        self._order = folder / "fall"
        self._writes = (folder / "writes").open("ab", buffering=0)
        self._seen: dict[str, int] = {}
        self._known: set[str] = set()

    def at(self, when: str, kind: str) -> None:
        if kind not in self._known:
            with suppress(OSError):  # a test has taken all room from this process; it is noted the next time
                self._writes.write(f"{kind}\n".encode())
                self._known.add(kind)
        try:
            wanted, wanted_kind, number = self._order.read_text().split()
        except FileNotFoundError:
            self._seen.clear()
            return
        if (when, kind) != (wanted, wanted_kind):
            return
        self._seen[kind] = self._seen.get(kind, 0) + 1
        if self._seen[kind] == int(number):
            self._order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def through(fall: Fall, name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def falling(self: Any, *args: Any, **named: Any) -> Any:
        kind = f"publish:{type(args[0]).__name__}" if name == "publish" else kind_of(name, args, named)
        fall.at("before", kind)
        result = await call(self, *args, **named)
        fall.at("after", kind)
        return result

    return falling


def make_fall(folder: Path) -> None:
    fall = Fall(folder)
    for name in WRITES:
        setattr(SqliteStore, name, through(fall, name, getattr(SqliteStore, name)))
    publish = through(fall, "publish", LibP2PNetwork.publish)
    LibP2PNetwork.publish = publish  # type: ignore[method-assign,assignment]


def port_option(folder: Path) -> list[str]:
    file = folder / "port"
    return ["--p2p-port", file.read_text()] if file.exists() else []


if __name__ == "__main__":
    make_fall(Path(sys.argv[1]))
    sys.exit(main([*sys.argv[2:], *port_option(Path(sys.argv[1]))]))
