"""What the doctor asks the machine, and where the program's log lines are kept for people to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gpn_desktop.core.health import Engine, Folder
from gpn_desktop.core.reach import Endpoint, PortState
from gpn_desktop.core.types import Address


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be checked, from the settings. URLs may carry access keys and stay out of the repr.

    Attributes:
        problem, remedy: why the settings cannot be used; "" where they can. The rest is the defaults then.
        source: where the settings come from, for people.
    """

    data_dir: Path
    journal: Path
    source: str
    p2p: tuple[str, int]
    grpc: tuple[str, int]
    endpoints: tuple[str, ...] = field(default=(), repr=False)
    chain_id: int | None = None
    contract: Address | None = None
    announced: tuple[str, ...] = ()
    containers: bool = True
    gpus: bool = False
    key_file: bool = False
    testing: bool = False
    problem: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Gpus:
    """``usable`` ones that can be given to provers, and all ``others``, for people; ``why`` not, or ""."""

    usable: tuple[str, ...]
    others: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class ServerTime:
    """Another machine's clock against this one's, to a second: positive where this one is ahead."""

    name: str
    skew: float


class Probes(Protocol):
    """One question each, none of which changes anything. They may hang: whoever asks sets the limit."""

    async def engine(self) -> Engine:
        """EngineMissing, EngineDenied, EngineTooOld."""
        ...

    async def gpus(self) -> Gpus: ...

    async def disk(self, path: Path) -> tuple[int, int]:
        """Bytes free for this user and in all, where the path is or would be. ProbeFailed."""
        ...

    async def folder(self, path: Path) -> Folder: ...

    async def port(self, host: str, port: int) -> PortState: ...

    async def addresses(self) -> tuple[str, ...]:
        """This machine's own addresses, as the system tells; nothing is asked outside."""
        ...

    async def endpoint(self, url: str) -> Endpoint:
        """Never raises for a chain node that does not answer: ``error`` says so."""
        ...

    async def server_time(self, url: str) -> ServerTime | None:
        """The clock of the web server in front of a chain node; None where it does not tell."""
        ...

    async def contract(self, url: str, chain_id: int, contract: Address) -> bool:
        """Whether the code is the one this program knows. ChainUnreachable, ContractMissing."""
        ...

    async def keyring(self) -> str:
        """The name of a keyring that stores, reads and forgets. KeyringUnavailable."""
        ...

    async def versions(self) -> tuple[tuple[str, str], ...]: ...

    async def missing(self) -> tuple[str, ...]:
        """Parts of the program that are not installed."""
        ...


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log, without secrets. ``level`` as in ``logging``; ``number`` grows by one a line."""

    number: int
    time_ms: int
    level: int
    logger: str
    message: str


class LogBook(Protocol):
    """The latest lines, bounded in number and size. May be asked from any thread."""

    @property
    def first(self) -> int:
        """The number of the oldest line that is kept."""
        ...

    @property
    def following(self) -> int:
        """The number that the next line will get; so many lines there have been."""
        ...

    def since(self, number: int, limit: int) -> tuple[LogLine, ...]:
        """Up to ``limit`` lines from ``number`` on, or from the oldest that is kept."""
        ...

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` after every line, on whatever thread logs; it must be quick. Returns the undo."""
        ...


class BundleWriter(Protocol):
    def write(self, path: Path, files: Mapping[str, str]) -> int:
        """An archive of these files, whole or not at all, for its owner's eyes; its size. Blocks.

        Raises:
            BundleNotWritten
        """
        ...

    def write_text(self, path: Path, text: str) -> int:
        """A plain file, on the same terms."""
        ...
