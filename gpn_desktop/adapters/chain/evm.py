"""A node's chain: the settlement contract on any EVM chain, over a WebSocket that is replaced when it fails.

While the chain node is gone, calls fail at once with ChainUnreachable and ``ChainDown`` was told; what was
missed is made good before ``ChainUp``, through the same endpoint or another. This is the place where follower
and writer meet one connection: whatever they do at one head, they do with that connection alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from eth_abi.exceptions import DecodingError

from gpn_desktop.adapters.chain import bindings, calldata, codec
from gpn_desktop.adapters.chain.endpoints import Endpoints
from gpn_desktop.adapters.chain.follower import Follower
from gpn_desktop.adapters.chain.records import Records
from gpn_desktop.adapters.chain.rpc import Header, Log, Refused, Rpc
from gpn_desktop.adapters.chain.slots import Slots
from gpn_desktop.adapters.chain.writer import Payload, Policy, Writer
from gpn_desktop.core.errors import ChainUnreachable, ContractMissing, GpnError, WrongChain
from gpn_desktop.core.types import ZERO_HASH, Address, Domain, Gwei, Hash32, Snapshot, Wei, short
from gpn_desktop.ports.calls import Call, Settle, SettleAttested, Transfer
from gpn_desktop.ports.chain import (
    Block,
    Candidate,
    ChainDown,
    ChainEvent,
    ChainUp,
    ConsumerInfo,
    ContractParams,
    ProverInfo,
    SettlementRecord,
    TxJournal,
    TxRecord,
)
from gpn_desktop.ports.secrets import NodeKey

log = logging.getLogger(__name__)

T = TypeVar("T")

PAGE: Final = 100  # consumers read at once
_SETTLING: Final = (
    bindings.settle(ZERO_HASH, bindings.EMPTY_BATCH, [])[:4],
    bindings.settle_attested(ZERO_HASH, bindings.EMPTY_BATCH, [], b"")[:4],
)
LOG_CHUNK: Final = 5000  # blocks looked through at once
# For a consumer's last proof: a busy one has hundreds in a chunk, each with a cost, a quiet one none in many.
NEAR: Final = 16  # blocks, at first
WIDER: Final = 16  # times as many each time that nothing was there


@dataclass(frozen=True, slots=True)
class EvmOptions:
    """Seconds, and the policy of transactions. Nothing before block ``deployed_at`` is looked for.

    After ``quiet`` seconds without a new head the chain node is asked for it: one that has forgotten the
    subscription, or hangs, is found out.
    """

    request_timeout: float = 15.0
    first_retry: float = 0.5
    last_retry: float = 30.0
    quiet: float = 60.0
    deployed_at: int = 0
    policy: Policy = field(default_factory=Policy)


class EvmChain:
    """See ``ports.chain.Chain``. ``key`` None is a chain that is only read.

    ``urls``: one endpoint or several, the preferred one first; see ``endpoints`` for when each is used.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        contract: Address,
        chain_id: int,
        key: NodeKey | None,
        journal: TxJournal,
        options: EvmOptions | None = None,
    ) -> None:
        self.domain = Domain(chain_id=chain_id, contract=contract)
        self._contract = contract
        self._options = options or EvmOptions()
        named = (urls,) if isinstance(urls, str) else urls
        self._endpoints = Endpoints(named, self._options.first_retry, self._options.last_retry)
        self._writer = Writer(key, chain_id, contract, journal, self._options.policy, bindings.decode_error)
        self._slots = Slots(key.address if key else None)
        self._rpc: Rpc | None = None
        self._down = "The chain is not started."
        self._task: asyncio.Task[None] | None = None
        # Unbounded: a chain event that is dropped cannot be made good, and each was paid for in gas.
        self._queue: asyncio.Queue[ChainEvent | None] = asyncio.Queue()
        self._snapshots: dict[tuple[Address, int], Snapshot] = {}
        self._params: ContractParams | None = None

    # life -------------------------------------------------------------------------------------------------

    async def start(self, from_block: int) -> None:
        rpc = await self._endpoints.first(self._connect)
        first = max(from_block, self._options.deployed_at)
        follower = Follower(self._contract, first, _decode, self._emit)
        self._task = asyncio.create_task(self._run(rpc, follower), name="chain")
        self._task.add_done_callback(self._ended)

    async def aclose(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if self._rpc is not None:
            await self._rpc.aclose()
        self._drop("The chain is closed.")
        self._queue.put_nowait(None)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nothing but a fault of this program ends the task unasked; the node has to hear of it."""
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            log.error("the chain is no longer followed", exc_info=fault)
            self._drop("The chain is no longer followed; restart the node.")
            self._emit(ChainDown(self._down))

    async def events(self) -> AsyncIterator[ChainEvent]:
        while (event := await self._queue.get()) is not None:
            yield event

    def _emit(self, event: ChainEvent) -> None:
        self._slots.saw(event)
        self._queue.put_nowait(event)

    async def _connect(self, url: str) -> Rpc:
        rpc = await Rpc.open(url, self._options.request_timeout)
        try:
            await self._check(rpc)
            await rpc.subscribe_heads()
            await self._writer.connected(rpc)
        except BaseException as error:
            await rpc.aclose()
            if isinstance(error, Refused):
                raise ChainUnreachable(f"The chain node refuses to answer: {error.message}.") from error
            raise
        self._rpc = rpc
        return rpc

    async def _check(self, rpc: Rpc) -> None:
        chain_id = await rpc.chain_id()
        code = await rpc.code(self._contract)
        if chain_id != self.domain.chain_id:
            raise WrongChain(f"The endpoint serves chain {chain_id}, not {self.domain.chain_id}.")
        if not code:
            raise ContractMissing(f"There is no contract at {short(self._contract)} on chain {chain_id}.")

    async def _run(self, rpc: Rpc, follower: Follower) -> None:
        while True:
            try:
                await self._follow(rpc, follower)
            except (GpnError, Refused) as error:
                self._endpoints.lost()
                self._drop(str(error.message))
                self._emit(ChainDown(str(error.message)))
            finally:
                await rpc.aclose()
            rpc = await self._endpoints.next(self._connect)

    async def _follow(self, rpc: Rpc, follower: Follower) -> None:
        """Tell what the chain tells, until the connection is lost."""
        head = await self._advance(rpc, follower, None)
        self._endpoints.holds()
        self._emit(ChainUp(head.block))
        while True:
            head = await self._next_head(rpc)
            await self._writer.look(rpc, head)
            await self._advance(rpc, follower, head)

    async def _next_head(self, rpc: Rpc) -> Header:
        try:
            async with asyncio.timeout(self._options.quiet):
                return await rpc.next_head()
        except TimeoutError:
            return await self._head(rpc)

    async def _advance(self, rpc: Rpc, follower: Follower, pushed: Header | None) -> Header:
        """Follow to the head, and see to the transactions that its branch voided or confirmed."""
        void = await follower.advance(rpc, pushed)
        if void is not None:
            self._snapshots.clear()
            await self._writer.reorganised(rpc, void)
        head = pushed or await self._head(rpc)
        await self._writer.settle_down(rpc, head.number)
        return head

    @staticmethod
    async def _head(rpc: Rpc) -> Header:
        header = await rpc.header()
        if header is None:
            raise ChainUnreachable("The chain node has no head.")
        return header

    def _drop(self, reason: str) -> None:
        self._rpc, self._down = None, reason
        self._writer.disconnected(ChainUnreachable(reason))

    # reads ------------------------------------------------------------------------------------------------

    def _connected(self) -> Rpc:
        if self._rpc is None:
            raise ChainUnreachable(self._down)
        return self._rpc

    async def _ask(self, question: Callable[[Rpc], Awaitable[T]]) -> T:
        """What a chain node has no reason to refuse; busy ones do."""
        try:
            return await question(self._connected())
        except Refused as error:
            raise ChainUnreachable(f"The chain node refuses to answer: {error.message}") from error

    async def _read(
        self, data: bytes, decode: Callable[[bytes], T], at_block: int | None = None, rpc: Rpc | None = None
    ) -> T:
        """``rpc``: the connection to ask, for answers that belong together."""
        try:
            answer = await (rpc or self._connected()).call(self._contract, data, at_block)
            return decode(answer)
        except (Refused, DecodingError, ValueError) as error:
            raise ChainUnreachable(f"The chain node cannot answer: {error}") from error

    async def params(self) -> ContractParams:
        if self._params is None:
            self._params = codec.params(await self._read(bindings.params(), bindings.decode_params))
        return self._params

    async def head(self) -> Block:
        return (await self._ask(self._head)).block

    async def block(self, number: int) -> Block | None:
        header = await self._ask(lambda rpc: rpc.header(number))
        return None if header is None else header.block

    async def balance(self, account: Address) -> Wei:
        return await self._ask(lambda rpc: rpc.balance(account))

    async def gas_price(self) -> int:
        return await self._ask(self._writer.gas_price)

    async def consumer(self, address: Address, at_block: int | None = None) -> ConsumerInfo | None:
        view = await self._read(bindings.consumer(address), bindings.decode_consumer, at_block)
        return codec.consumer(view)

    async def consumers(self) -> list[ConsumerInfo]:
        found: list[ConsumerInfo] = []
        offset, rpc = 0, self._connected()
        while True:
            data = bindings.get_consumers(offset, PAGE)
            page = await self._read(data, bindings.decode_get_consumers, rpc=rpc)
            found += [info for view in page if (info := codec.consumer(view)) is not None]
            if len(page) < PAGE:
                return found
            offset += PAGE

    async def prover(self, address: Address) -> ProverInfo | None:
        return codec.prover(await self._read(bindings.prover(address), bindings.decode_prover))

    async def snapshot(self, consumer: Address, snapshot_id: int) -> Snapshot | None:
        known = self._snapshots.get((consumer, snapshot_id))
        if known is None:
            data = bindings.snapshot(consumer, snapshot_id)
            known = codec.snapshot(consumer, snapshot_id, await self._read(data, bindings.decode_snapshot))
            if known is not None:
                self._snapshots[consumer, snapshot_id] = known
        return known

    async def committee(self, consumer: Address) -> list[Candidate]:
        views = await self._read(bindings.committee(consumer), bindings.decode_committee)
        return [codec.candidate(view) for view in views]

    async def suspended_until(self, consumer: Address, member: Address) -> int:
        data = bindings.suspended_until(consumer, member)
        return await self._read(data, bindings.decode_suspended_until)

    async def latest_proof(self, consumer: Address, at_block: int) -> Hash32 | None:
        topics = (bindings.LatestProof.TOPIC, bytes(12) + consumer)
        last, chunk, most, rpc = at_block, NEAR, LOG_CHUNK, self._connected()
        while last >= self._options.deployed_at:
            first = max(self._options.deployed_at, last - chunk + 1)
            try:
                logs = await rpc.logs(self._contract, first, last, topics)
            except Refused as error:
                if chunk == 1:
                    raise ChainUnreachable(f"The chain node gives no logs: {error.message}.") from error
                most = chunk = chunk // 2
                continue
            if logs:
                return bindings.LatestProof.decode(logs[-1].topics, logs[-1].data).proof_hash
            last, chunk = first - 1, min(chunk * WIDER, most)
        return None

    def records(self, raw: bytes) -> Sequence[SettlementRecord]:
        return Records(raw)

    async def settled(self, consumer: Address, first: int, last: int) -> list[SettlementRecord]:
        found: list[SettlementRecord] = []
        chunk, rpc = LOG_CHUNK, self._connected()
        first = max(first, self._options.deployed_at)
        while first <= last:
            end = min(last, first + chunk - 1)
            try:
                logs = await rpc.logs(self._contract, first, end, (bindings.Settled.TOPIC,))
            except Refused as error:
                if chunk == 1:
                    raise ChainUnreachable(f"The chain node gives no logs: {error.message}.") from error
                chunk //= 2
                continue
            found += [record for log in logs for record in _settled(log) if record.consumer == consumer]
            first = end + 1
        return found

    async def rewards(self, member_id: int) -> Gwei:
        return Gwei(await self._read(bindings.rewards(member_id), bindings.decode_rewards))

    async def burned(self) -> Gwei:
        return Gwei(await self._read(bindings.burned(), bindings.decode_burned))

    # writes -----------------------------------------------------------------------------------------------

    async def submit(self, intent: str, call: Call) -> TxRecord:
        if not isinstance(call, Settle | SettleAttested):
            value, data = calldata.encode(call, ZERO_HASH, ())
            to = call.to if isinstance(call, Transfer) else None
            return await self._send(intent, Payload(value, data, to))
        committees = {(e.request.message.consumer, e.request.message.snapshot_id) for e in call.entries}
        found = [await self.snapshot(*committee) for committee in committees]
        snapshots = [snapshot for snapshot in found if snapshot is not None]
        under_way = self._slots_under_way()
        async with self._slots.take(under_way, self._slot_is_open, call.pays) as (slot, pays):
            value, data = calldata.encode(replace(call, pays=pays), slot, snapshots)
            return await self._send(intent, Payload(value, data))

    async def _send(self, intent: str, payload: Payload) -> TxRecord:
        return await self._ask(lambda _: self._writer.submit(intent, payload))

    def _slots_under_way(self) -> set[bytes]:
        """What settlements took that wait to be mined, those of an earlier run too."""
        return {data[4:36] for data in self._writer.under_way() if data[:4] in _SETTLING}

    async def _slot_is_open(self, key: Hash32) -> bool:
        is_open, _, _ = await self._read(bindings.batch_state(key), bindings.decode_batch_state)
        return is_open


def _settled(log: Log) -> tuple[SettlementRecord, ...]:
    try:
        return codec.settled(log)
    except (ValueError, DecodingError) as error:
        raise ChainUnreachable(f"The chain node sent a malformed log ({error}).") from error


def _decode(log: Log, block: Block) -> ChainEvent | None:
    try:
        return codec.event(log, block)
    except (ValueError, DecodingError) as error:
        raise ChainUnreachable(f"The chain node sent a malformed log ({error}).") from error
