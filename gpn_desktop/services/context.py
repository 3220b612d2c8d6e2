"""What every service of one node needs: its ports, its options, and one place for tasks and signals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field

from gpn_desktop.core.batching import Terms
from gpn_desktop.core.errors import GpnError, StoreCorrupt, StoreFull
from gpn_desktop.core.types import Address, Domain, Gwei, Hash32, Role, Wei
from gpn_desktop.ports.clock import Clock
from gpn_desktop.ports.cluster import Cluster
from gpn_desktop.ports.network import Network
from gpn_desktop.ports.runtime import ProverRuntime
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.ports.store import Store
from gpn_desktop.services.meters import Meters

log = logging.getLogger("gpn")

request_in_work: ContextVar[Hash32 | None] = ContextVar("request_in_work", default=None)
"""The request in whose service the current task works; log lines carry it."""

Emit = Callable[[str, dict[str, object]], None]


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """What the operator decides. ``serve`` are the consumers whose images this node runs."""

    version: str
    network: str  # for people: "demo", "testing", or the chain's id
    payout: Address
    serve: tuple[Address, ...] = ()
    roles: Role = Role.PROVE | Role.VERIFY
    capacity: int = 1  # proofs at a time
    stake: Wei = Wei(0)  # register and commit with this stake at the start; 0: leave the chain alone
    min_reward: Gwei = Gwei(0)
    auto_claim: bool = False
    canaries: bool = False  # make false proofs where a consumer orders them
    report_faults: bool = True  # bring evidence against others to the contract
    settle: Terms = field(default_factory=Terms)  # when verified requests are settled
    keep_blobs_seconds: float = 7 * 24 * 3600.0  # payloads and proofs; far longer than any request lives


def ignore(name: str, fields: dict[str, object]) -> None:
    """The emitter of nodes that nobody listens to."""


def _to_both(first: Emit, second: Emit) -> Emit:
    def emit(name: str, fields: dict[str, object]) -> None:
        first(name, fields)
        second(name, fields)

    return emit


@dataclass
class Context:
    key: NodeKey
    domain: Domain
    options: NodeOptions
    network: Network
    runtime: ProverRuntime
    store: Store
    clock: Clock
    emit: Emit = ignore
    cluster: Cluster | None = None
    alerts: list[str] = field(default_factory=list)
    tasks: Tasks = field(default_factory=lambda: Tasks())
    watchers: set[Callable[[], None]] = field(default_factory=set)
    serve: tuple[Address, ...] = ()
    """The consumers of the options, and those that the operator committed to since."""
    members: dict[Address, set[Address]] = field(default_factory=dict)
    """Who sits or sat in a consumer's committees, as far as this node has seen them."""
    meters: Meters = field(default_factory=Meters)

    def __post_init__(self) -> None:
        self.serve = self.serve or self.options.serve
        self.emit = _to_both(self.meters.hear, self.emit)
        self.tasks.failed = self._failed

    def _failed(self, name: str, error: GpnError) -> None:
        """Work in the background ended with this; what is wrong with the disk the operator has to see."""
        if isinstance(error, StoreCorrupt | StoreFull):
            self.alert(str(error))
        else:
            log.warning("%s: %s", name, error)

    @property
    def me(self) -> Address:
        return self.key.address

    def meet(self, consumer: Address, committee: Collection[Address]) -> None:
        """Know a committee, so that its members are heard before others."""
        known = self.members.setdefault(consumer, set())
        if not known.issuperset(committee):
            known.update(committee)
            self.network.listen_to(consumer, committee)

    def changed(self) -> None:
        """Tell every client that the view is another one now."""
        for watcher in list(self.watchers):
            watcher()

    def alert(self, text: str) -> None:
        """Something the operator has to see; the latest 20 are kept."""
        log.warning("%s", text)
        if text not in self.alerts:
            self.alerts = [*self.alerts[-19:], text]
            self.emit("alert", {"text": text})
        self.changed()


class Tasks:
    """Background work of a node: strongly held, its errors seen, all of it ended at shutdown."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self.closing = False
        self.failed: Callable[[str, GpnError], None] = lambda name, error: log.warning("%s: %s", name, error)

    def spawn(
        self, work: Coroutine[object, object, None], name: str, about: Hash32 | None = None
    ) -> asyncio.Task[None]:
        """Begin work, in the service of a request where it has one."""
        context = copy_context()
        context.run(request_in_work.set, about)
        task = asyncio.get_running_loop().create_task(work, name=name, context=context)
        self._running.add(task)
        task.add_done_callback(self._done)
        if self.closing:
            task.cancel()
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, GpnError):
            self.failed(task.get_name(), error)
        elif error is not None:
            log.error("%s ended unexpectedly", task.get_name(), exc_info=error)

    async def aclose(self, within: float = 3.0) -> None:
        """End everything; what has not ended ``within`` seconds is left behind and named in the log."""
        self.closing = True
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            _, stuck = await asyncio.wait(running, timeout=within)
            for task in stuck:
                log.warning("%s does not end", task.get_name())


@contextmanager
def in_work(request_id: Hash32) -> Iterator[None]:
    """What is done inside serves this request."""
    token = request_in_work.set(request_id)
    try:
        yield
    finally:
        request_in_work.reset(token)


def request_tag(request_id: Hash32) -> str:
    return request_id.hex()[:12]
