"""Two chains behind one set of levers, so that one suite can hold both adapters to the port."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from gpn_desktop.adapters.chain.evm import EvmChain, EvmOptions
from gpn_desktop.adapters.chain.localnet import AnvilLocalnet, find_anvil, rich_accounts
from gpn_desktop.adapters.chain.memory import MemoryChain, MemoryLedger
from gpn_desktop.adapters.chain.rpc import Rpc
from gpn_desktop.core.errors import ChainUnreachable
from gpn_desktop.core.types import Address, Domain, Gwei, Wei, hex0x
from gpn_desktop.ports.chain import Chain, ChainEvent, ContractParams, TxJournal, TxRecord, TxState
from gpn_desktop.ports.secrets import NodeKey

ROOT = Path(__file__).parents[3]
ARTIFACT = ROOT / "contracts" / "artifacts" / "GpnSettlement.json"
NODE_MODULES = ROOT / "contracts" / "node_modules"
WINDOW = 600
SOON = 20.0
RICH = Wei(10_000 * 10**18)

E = TypeVar("E")


class Journal:
    """A journal in memory. ``dies_after`` is the state whose writing the process does not survive."""

    def __init__(self) -> None:
        self.records: dict[str, TxRecord] = {}
        self.dies_after: TxState | None = None
        self._written = asyncio.Event()

    async def until(
        self, intent: str, state: TxState, holds: Callable[[TxRecord], bool] = lambda _: True
    ) -> TxRecord:
        """Wait until the intent's transaction has come so far."""
        async with asyncio.timeout(SOON):
            while (
                (record := self.records.get(intent)) is None or record.state is not state or not holds(record)
            ):
                self._written.clear()
                await self._written.wait()
        return record

    async def tx_by_intent(self, intent: str) -> TxRecord | None:
        return self.records.get(intent)

    async def put_tx(self, record: TxRecord) -> None:
        self.records[record.intent] = record
        self._written.set()
        if record.state is self.dies_after:
            raise Killed

    async def forget_unsigned(self, intent: str) -> None:
        if intent in self.records and self.records[intent].nonce < 0:
            del self.records[intent]

    async def pending_txs(self) -> list[TxRecord]:
        return sorted((r for r in self.records.values() if r.is_pending), key=lambda r: r.nonce)

    async def unsettled_txs(self) -> list[TxRecord]:
        return sorted((r for r in self.records.values() if r.is_unsettled), key=lambda r: r.nonce)

    async def recent_txs(self, limit: int) -> list[TxRecord]:
        return list(self.records.values())[::-1][:limit]


class Killed(Exception):
    """The process ended here."""


class Watcher:
    """Everything a chain told, in order."""

    def __init__(self, chain: Chain) -> None:
        self.seen: list[ChainEvent] = []
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._watch(chain))

    async def _watch(self, chain: Chain) -> None:
        async for event in chain.events():
            async with self._news:
                self.seen.append(event)
                self._news.notify_all()

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.seen if isinstance(event, kind)]

    async def until(self, kind: type[E], holds: Callable[[E], bool] = lambda _: True, since: int = 0) -> E:
        """The first such event of those told, the first ``since`` left out."""

        def found() -> E | None:
            told = (event for event in self.seen[since:] if isinstance(event, kind))
            return next((event for event in told if holds(event)), None)

        async with asyncio.timeout(SOON), self._news:
            await self._news.wait_for(lambda: found() is not None)
        event = found()
        assert event is not None
        return event

    async def aclose(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


class Harness(Protocol):
    """What a test can do to the chain behind the adapter."""

    domain: Domain
    keys: tuple[NodeKey, ...]  # each with RICH to spend

    def chain(
        self, key: NodeKey | None, journal: TxJournal | None = None, domain: Domain | None = None
    ) -> Chain:
        """A chain of this harness, not started; it is closed with the harness."""
        ...

    async def fund(self, account: Address) -> None:
        """Give an account RICH to spend."""
        ...

    async def advance(self, seconds: int) -> None: ...

    async def hold_mining(self) -> None: ...

    async def release_mining(self) -> None: ...

    async def reorganise(self, depth: int) -> None: ...

    async def go_down(self) -> None:
        """Take the chain away from the chains made so far."""
        ...

    async def come_up(self) -> None: ...

    async def aclose(self) -> None: ...


class MemoryHarness:
    def __init__(self) -> None:
        hour = 3600
        params = ContractParams(
            window=WINDOW,
            settle_grace=hour,
            max_lifetime=hour,
            unbond=WINDOW + 3 * hour,
            min_stake=Wei(5 * 10**17),
            min_reward=Gwei(1000),
            prover_bps=6000,
            inclusion_bps=2000,
            verifier_bps=2000,
            settle_delay=60,
            tip=Gwei(600),
        )
        self.ledger = MemoryLedger(params)
        self.domain = self.ledger.domain
        self.keys = rich_accounts()
        self._chains: list[MemoryChain] = []
        for key in self.keys:
            self.ledger.fund(key.address, RICH)

    def chain(
        self, key: NodeKey | None, journal: TxJournal | None = None, domain: Domain | None = None
    ) -> Chain:
        chain = MemoryChain(self.ledger, key, journal or Journal(), domain)
        self._chains.append(chain)
        return chain

    async def fund(self, account: Address) -> None:
        self.ledger.fund(account, RICH)

    async def advance(self, seconds: int) -> None:
        self.ledger.advance(seconds)

    async def hold_mining(self) -> None:
        self.ledger.hold_mining()

    async def release_mining(self) -> None:
        self.ledger.release_mining()

    async def reorganise(self, depth: int) -> None:
        self.ledger.reorganise(depth)

    async def go_down(self) -> None:
        self.ledger.go_down("The chain node went away.")

    async def come_up(self) -> None:
        self.ledger.come_up()

    async def aclose(self) -> None:
        for chain in self._chains:
            await chain.aclose()


class Line:
    """A TCP line to the chain node that can be cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, far_writer}
        await asyncio.wait(
            [
                asyncio.create_task(_pump(reader, far_writer)),
                asyncio.create_task(_pump(far_reader, writer)),
            ]
        )
        self._writers -= {writer, far_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class AnvilHarness:
    def __init__(self, localnet: AnvilLocalnet, contract: Address, keys: tuple[NodeKey, ...]) -> None:
        self.localnet = localnet
        self.domain = Domain(chain_id=31337, contract=contract)
        self.keys = keys
        self.line = Line(localnet.port)
        self._chains: list[EvmChain] = []
        self._rpc: Rpc | None = None

    @classmethod
    async def start(cls) -> AnvilHarness:
        localnet = AnvilLocalnet(ARTIFACT, NODE_MODULES)
        chain = await localnet.start()
        # The last account deploys, so that those the tests count with have spent nothing.
        contract = await localnet.deploy(chain.funded[-1], WINDOW)
        harness = cls(localnet, contract, chain.funded[:-1])
        await harness.line.open()
        harness._rpc = await Rpc.open(chain.ws_url, request_timeout=10)
        return harness

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.line.port}"

    def chain(
        self, key: NodeKey | None, journal: TxJournal | None = None, domain: Domain | None = None
    ) -> Chain:
        domain = domain or self.domain
        options = EvmOptions(request_timeout=5, first_retry=0.05, last_retry=0.2)
        chain = EvmChain(self.url, domain.contract, domain.chain_id, key, journal or Journal(), options)
        self._chains.append(chain)
        return chain

    async def ask(self, method: str, *params: object) -> object:
        assert self._rpc is not None
        return await self._rpc.ask(method, *params)

    async def fund(self, account: Address) -> None:
        await self.ask("anvil_setBalance", hex0x(account), hex(RICH))

    async def advance(self, seconds: int) -> None:
        await self.localnet.advance(seconds)

    async def hold_mining(self) -> None:
        await self.ask("evm_setAutomine", False)

    async def release_mining(self) -> None:
        await self.ask("evm_setAutomine", True)
        await self.ask("evm_mine")

    async def reorganise(self, depth: int) -> None:
        await self.ask("anvil_reorg", depth, [])

    async def go_down(self) -> None:
        await self.line.cut()

    async def come_up(self) -> None:
        await self.line.open()

    async def aclose(self) -> None:
        for chain in self._chains:
            await chain.aclose()
        await self.line.cut()
        if self._rpc is not None:
            await self._rpc.aclose()
        await self.localnet.aclose()


def need_anvil() -> None:
    """Skip where anvil is missing; fail where engines are required."""
    try:
        find_anvil(NODE_MODULES)
    except ChainUnreachable as error:
        if os.environ.get("GPN_REQUIRE_ENGINES") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
