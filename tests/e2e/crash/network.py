"""A network of real node processes that fall when they are told to, and what its journals and chain say."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from gpn_desktop.adapters.chain.rpc import Rpc
from gpn_desktop.adapters.grpc.client import ProvingClient
from gpn_desktop.adapters.sqlite import rows
from gpn_desktop.adapters.system.processes import ProcessLauncher
from gpn_desktop.composition import demo
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import UnknownRequest
from gpn_desktop.core.messages import AnnouncementMessage, VotesMessage
from gpn_desktop.core.types import Address, Hash32
from gpn_desktop.ports.chain import ChainEvent, Extended, Settled, TxRecord
from gpn_desktop.ports.processes import NodeProcess, NodeSpec
from gpn_desktop.ports.store import Kept
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.demo.books import Books
from gpn_desktop.services.demo.stage import WINDOW, Operator, Stage
from gpn_desktop.services.views import JobView, Phase
from tests.e2e.crash.boundaries import Boundary
from tests.e2e.world import eventually

NODES: Final = 5
REWARD: Final = 2_100_000
TURN: Final = 30  # seconds
PROVING: Final = 0.3  # seconds of one proof
ARGS: Final = demo.DemoArgs(nodes=NODES, requests=1, cheat=0, crash=False, builtin=True, keep=False)
DONE: Final = (Phase.SETTLED, Phase.PAID)


class FallingLauncher(ProcessLauncher):
    def program(self, spec: NodeSpec) -> Sequence[str]:
        return (sys.executable, "-m", "tests.e2e.crash.falling", str(spec.data_dir))


class Chronicle(Books):
    """Every settlement there ever was: a key is used again once its batch was paid, so it names no batch."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Settled] = []
        self._latest: dict[Hash32, Hash32] = {}

    def hear(self, event: ChainEvent) -> None:
        match event:
            case Settled(key=key):
                self.all.append(event)
                self._latest[key] = keccak(key, event.block.hash)
                super().hear(replace(event, key=self._latest[key]))
            case Extended(key=key):
                super().hear(replace(event, key=self._latest[key]))
            case _:
                super().hear(event)

    def record(self, request_id: Hash32) -> tuple[Settled, int]:
        """The settlement of a request, and its place in it."""
        for event in self.all:
            for index, record in enumerate(event.records):
                if record.request_id == request_id:
                    return event, index
        raise AssertionError("it was not settled")

    def ids(self) -> list[Hash32]:
        """The requests of all settlements heard of; a node may have heard of one before this has."""
        return [record.request_id for event in self.all for record in event.records]

    def counted(self, request_id: Hash32) -> int:
        """The seats whose votes on it count by now, as bits."""
        event, index = self.record(request_id)
        later = self._extended.get((keccak(event.key, event.block.hash), index), 0)
        return event.records[index].counted | later


@dataclass
class Journal:
    """What a node's file says, read beside the node."""

    path: Path

    def _ask(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)) as db:
            return db.execute(query, values).fetchall()

    def statements(self) -> list[Kept]:
        query = "SELECT cursor, request_id, consumer, own, time_ms, body FROM statements ORDER BY cursor"
        return [rows.kept(row) for row in self._ask(query)]

    def transactions(self) -> list[TxRecord]:
        found = self._ask("SELECT intent, body FROM txs ORDER BY number")
        return [rows._open(TxRecord, str(intent), body) for intent, body in found]  # type: ignore[arg-type]

    def jobs(self) -> set[bytes]:
        return {bytes(row[0]) for row in self._ask("SELECT request_id FROM jobs")}  # type: ignore[arg-type]


@dataclass
class Network:
    """``took``: seconds from each start until the node served and had its peers, without the time in which
    the node could have run and the machine had no processor for it. ``open``: the orders whose window has not
    passed."""

    stage: Stage
    took: list[float] = field(default_factory=list)
    usual_start: float = 0.0
    orders: list[Order] = field(default_factory=list)
    open: list[Order] = field(default_factory=list)
    number: int = 0

    @property
    def victim(self) -> Operator:
        return self.stage.operators[2]

    @property
    def chronicle(self) -> Chronicle:
        assert isinstance(self.stage.books, Chronicle)
        return self.stage.books

    def journal(self, operator: Operator) -> Journal:
        (path,) = operator.spec.data_dir.rglob("node.db")
        return Journal(path)

    def client(self, operator: Operator) -> ProvingClient:
        return ProvingClient(operator.grpc)

    # falling and rising -----------------------------------------------------------------------------------

    def arm(self, operator: Operator, boundary: Boundary) -> None:
        """It falls at the boundary from now on."""
        _order_fall(operator, boundary)
        self._process = self.stage.crew.let_die(operator.address)

    async def fell(self) -> None:
        await self.stage.crew.ended(self._process, 60)

    async def launch(self, operator: Operator, boundary: Boundary) -> NodeProcess:
        """Start it, with a fall ahead that may come before it serves."""
        _order_fall(operator, boundary)
        return await self.stage.crew.launcher.launch(operator.spec)

    async def change(self, operator: Operator, spec: NodeSpec) -> None:
        """Start a node again with other settings."""
        await self.stage.crew.stop(operator.address)
        operator.spec = spec
        await self.rise(operator)

    async def rise(self, operator: Operator) -> float:
        """Start it again; seconds until it serves, and is connected with everybody who is there."""
        crew = self.stage.crew
        if operator.listen:  # others know it by this address
            (operator.spec.data_dir / "port").write_text(operator.listen[0].split("/")[4])
        others, mark = len(crew.running), len(crew.told)
        began = time.monotonic()
        await self.stage.restart(operator)
        await crew.until(
            lambda t: t.address == operator.address and t.name == "peers" and _count(t.fields) >= others,
            60,
            mark,
        )
        async with self.client(operator) as client:
            info = await client.info()
        assert info.chain_up
        wall, waited = time.monotonic() - began, kept_waiting(self.pid(operator))
        self.took.append(wall - waited)
        print(f"at work again after {wall:.2f} s, of which it waited {waited:.2f} s for a processor")
        return self.took[-1]

    def pid(self, operator: Operator) -> int:
        process = self.stage.crew.running[operator.address]
        pid = process._process.pid  # type: ignore[attr-defined]
        assert isinstance(pid, int)
        return pid

    # requests ---------------------------------------------------------------------------------------------

    async def order(self, prover: Operator | None = None, besides: Operator | None = None) -> Order:
        """A signed request whose first prover is the one wanted, or any but one."""
        consumer = self.stage.consumers[0]
        for _ in range(200):
            self.number += 1
            order = await consumer.order(f"request-{self.number}", REWARD, TURN)
            first = await self.stage.first_prover(order)
            if (prover is None or first == prover.address) and (besides is None or first != besides.address):
                self.orders.append(order)
                self.open.append(order)
                return order
            await consumer.discard(order)
        raise AssertionError("no request has the wanted first prover")

    async def send(self, order: Order, gateway: Operator | None = None) -> None:
        async with self.client(gateway or self.stage.operators[0]) as client:
            await client.submit(order.signed.message, order.signed.signature, order.payload)

    async def reaches(self, order: Order, operator: Operator, *phases: Phase) -> JobView:
        async with asyncio.timeout(60), self.client(operator) as client:
            while True:
                try:
                    async for view in client.watch(order.id):
                        if view.phase in phases:
                            return view
                        assert not view.phase.ended, view.phase
                except UnknownRequest:
                    await asyncio.sleep(0.1)  # a node does not tell when it has synced
        raise AssertionError("unreachable")

    async def pay(self) -> None:
        """Let the window pass, once every vote that is in a journal has come to the chain: later none can."""
        await self.all_counted()
        await self.stage.localnet.advance(WINDOW + 1)

    # what has to hold -------------------------------------------------------------------------------------

    def no_contradiction(self) -> None:
        """In all journals: one proof of a prover, one opinion of a voter on it, one proof it found valid."""
        announced: dict[tuple[Hash32, Address], set[Hash32]] = {}
        opinions: dict[tuple[Hash32, Address, Address, Hash32], set[bool]] = {}
        valid: dict[tuple[Hash32, Address], set[Hash32]] = {}
        for operator in self.stage.operators:
            for kept in self.journal(operator).statements():
                match kept.message:
                    case AnnouncementMessage(_, signed, _):
                        said = signed.message
                        announced.setdefault((said.request_id, said.prover), set()).add(said.proof_hash)
                    case VotesMessage(_, votes):
                        for cast in votes:
                            vote, voter = cast.signed.message, cast.signed.signer
                            about = (vote.request_id, voter, vote.prover, vote.proof_hash)
                            opinions.setdefault(about, set()).add(vote.valid)
                            if vote.valid:
                                valid.setdefault((vote.request_id, voter), set()).add(vote.proof_hash)
        for seen in (announced, opinions, valid):
            assert all(len(values) == 1 for values in seen.values()), seen

    async def settled_once(self, *orders: Order) -> None:
        for order in orders:
            await self.settlement(order)
            assert self.chronicle.ids().count(order.id) == 1, order.signed.message.details.ref

    async def settlement(self, order: Order) -> tuple[Settled, int]:
        """A request's settlement, which the nodes have heard of, and its place in it."""
        await eventually(lambda: order.id in self.chronicle.ids())
        return self.chronicle.record(order.id)

    async def transactions_agree(self, operator: Operator) -> None:
        """The journal's transactions are those that the chain has of this account: none lost, none twice."""
        assert self.stage.local is not None
        rpc = await Rpc.open(self.stage.local.ws_url, 10.0)
        try:
            async with asyncio.timeout(30):
                while True:
                    used = await rpc.nonce(operator.address, mined_only=True)
                    records = self.journal(operator).transactions()
                    if not any(record.is_pending for record in records):
                        break
                    await asyncio.sleep(0.1)  # until its node has seen the receipts
            receipts = {record.hash: await rpc.receipt(record.hash) for record in records if record.raw}
            mined = [record for record in records if receipts.get(record.hash) is not None]
            assert sorted(record.nonce for record in mined) == list(range(used))
            for record in records:
                receipt = receipts.get(record.hash)
                assert record.is_done == (receipt is not None and receipt.succeeded), record
        finally:
            await rpc.aclose()

    def operator(self, address: Address) -> Operator:
        return next(o for o in self.stage.operators if o.address == address)

    def known(self) -> dict[Address, set[bytes]]:
        """The requests in each journal."""
        return {o.address: self.journal(o).jobs() for o in self.stage.operators}

    async def counted(self, order: Order, *voters: Operator) -> None:
        """The chain has counted these verifiers' votes, in the settlement or later."""
        bits = sum(1 << order.snapshot.members[voter.address] for voter in voters)
        await self.settlement(order)
        await eventually(lambda: not bits & ~self.chronicle.counted(order.id), 60)

    async def all_counted(self) -> None:
        """Whatever was in a journal when its node was killed is known to the network, and on the chain."""
        for order in self.open:
            await self._all_counted(order)
        self.open.clear()

    async def _all_counted(self, order: Order) -> None:
        """All valid votes on the settled proof that any journal has as its node's own."""
        event, index = await self.settlement(order)
        prover = order.snapshot.seats[event.records[index].prover_seat].address
        voters = [
            operator
            for operator in self.stage.operators
            for kept in self.journal(operator).statements()
            if kept.own and kept.request_id == order.id and isinstance(kept.message, VotesMessage)
            if any(c.signed.message.valid and c.signed.message.prover == prover for c in kept.message.votes)
        ]
        await self.counted(order, *voters)

    async def paid_to_the_wei(self) -> None:
        """Every payout address has exactly its share of all settlements."""
        assert self.stage.chain is not None
        owed, burned = await self.chronicle.expected(self.stage.chain)
        assert sum(owed.values()) + burned == len(self.orders) * REWARD * 10**9
        for operator in self.stage.operators:
            await self._payout_is(operator, owed[operator.address])

    async def _payout_is(self, operator: Operator, wei: int) -> None:
        assert self.stage.chain is not None
        mark = 0
        while (has := await self.stage.chain.balance(operator.spec.payout)) < wei:
            told = await self.stage.crew.until(
                lambda t: t.address == operator.address and t.name == "withdrawn", 60, mark
            )
            mark = self.stage.crew.told.index(told) + 1
        assert has == wei, operator.spec.name

    def kinds(self) -> set[str]:
        """Every kind of write and word of all nodes so far."""
        files = [operator.spec.data_dir / "writes" for operator in self.stage.operators]
        return {line for file in files for line in file.read_text().splitlines()}


def kept_waiting(pid: int) -> float:
    """Seconds that a process's first thread was ready to run and others had the processors; 0 if unknown."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def _order_fall(operator: Operator, boundary: Boundary) -> None:
    operator.spec.data_dir.mkdir(parents=True, exist_ok=True)
    order = operator.spec.data_dir / "fall"
    order.with_suffix(".new").write_text(f"{boundary.when} {boundary.kind} {boundary.number}")
    order.with_suffix(".new").replace(order)


def _count(fields: dict[str, object]) -> int:
    count = fields.get("count", 0)
    return count if isinstance(count, int) else 0


async def build(folder: Path) -> Network:
    image = replace(demo.BUILTIN, delay=PROVING)
    stage = demo.make_stage(ARGS, FallingLauncher(os.environ), [image], folder, lambda text: None)
    stage.books = Chronicle()
    network = Network(stage)
    try:
        await stage.build()
    except BaseException:
        await stage.aclose()
        raise
    return network
