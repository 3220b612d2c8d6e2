"""A chain in memory, for one or many nodes of one process: the port's second implementation.

Blocks are mined as transactions come, unless mining is held. The clock is the ledger's own: it follows the
given one and can be moved ahead. What a chain node does to a node (going away, reorganising) can be played.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gpn_desktop.adapters.chain.calldata import value_of
from gpn_desktop.adapters.chain.ledger import Rules
from gpn_desktop.adapters.chain.ledger_state import Revert
from gpn_desktop.adapters.chain.records import Records
from gpn_desktop.adapters.chain.slots import own_slot
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import (
    ChainUnreachable,
    ContractMissing,
    InsufficientFunds,
    KeyMissing,
    TransactionFailed,
    WrongChain,
)
from gpn_desktop.core.types import Address, Domain, Gwei, Hash32, Snapshot, Wei, hex0x
from gpn_desktop.ports.calls import Call, Settle, SettleAttested
from gpn_desktop.ports.chain import (
    Block,
    Candidate,
    ChainDown,
    ChainEvent,
    ChainUp,
    ConsumerInfo,
    ContractParams,
    EntrySkipped,
    LatestProof,
    NewHead,
    ProverInfo,
    Reorged,
    RewardsWithdrawn,
    Settled,
    SettlementRecord,
    TxJournal,
    TxRecord,
    TxState,
)
from gpn_desktop.ports.secrets import NodeKey

MEMORY_CONTRACT: Final = Address(bytes(19) + b"\x01")


@dataclass(slots=True)
class _Sealed:
    """A block with what happened in it and the state after it."""

    block: Block
    events: list[ChainEvent]
    state: Rules
    receipts: dict[Hash32, str]  # "" or the contract's error
    mined: list[tuple[Hash32, Address, Call]] = field(default_factory=list)


class MemoryLedger:
    """The chain that the nodes share."""

    def __init__(
        self,
        params: ContractParams,
        chain_id: int = 31337,
        contract: Address = MEMORY_CONTRACT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.domain = Domain(chain_id=chain_id, contract=contract)
        self.down = ""  # why the chain node is gone; empty while it is there
        self.gas_price = 0  # what it says a unit of gas costs; nothing is charged
        self._clock = clock
        self._ahead = 0
        self._forks = 0
        self._held = False
        self._waiting: dict[Hash32, tuple[Address, Call]] = {}
        self._signed: dict[bytes, tuple[Hash32, Address, Call]] = {}
        self._nodes: list[MemoryChain] = []
        genesis = Block(0, keccak(b"gpn memory ledger"), int(clock()))
        self._chain = [_Sealed(genesis, [], Rules(self.domain, params), {})]

    # what a test can do -------------------------------------------------------------------------------------

    @property
    def state(self) -> Rules:
        return self._chain[-1].state

    def fund(self, account: Address, amount: Wei) -> None:
        for sealed in self._chain:  # no reorganisation takes it back
            balances = sealed.state.balances
            balances[account] = balances.get(account, 0) + amount

    def advance(self, seconds: int) -> None:
        """Move the clock and mine a block."""
        self._ahead += seconds
        self.mine()

    def hold_mining(self) -> None:
        self._held = True

    def release_mining(self) -> None:
        self._held = False
        self.mine()

    def reorganise(self, depth: int) -> None:
        """Replace the last blocks; their transactions wait to be mined anew, in their order."""
        gone = self._chain[-depth:]
        del self._chain[-depth:]
        self._forks += 1
        again = {tx: (sender, call) for sealed in gone for tx, sender, call in sealed.mined}
        self._waiting = again | self._waiting
        for node in self._nodes:
            node.tell(Reorged(gone[0].block.number))
        for _ in gone:
            self.mine(empty=True)
        self.mine()

    def go_down(self, reason: str) -> None:
        self.down = reason
        for node in self._nodes:
            node.tell(ChainDown(reason))

    def come_up(self) -> None:
        self.down = ""
        for node in self._nodes:
            node.tell(ChainUp(self.head))

    # what a node can do -------------------------------------------------------------------------------------

    @property
    def head(self) -> Block:
        return self._chain[-1].block

    def sealed(self, number: int) -> _Sealed | None:
        return self._chain[number] if 0 <= number < len(self._chain) else None

    def now(self) -> int:
        return max(int(self._clock()) + self._ahead, self.head.time)

    def next_block(self) -> Block:
        number = len(self._chain)
        seed = b"%d %d %d" % (number, self._forks, self.now())
        return Block(number, keccak(self.head.hash, seed), self.now())

    def sign(self, key: NodeKey, nonce: int, call: Call) -> tuple[bytes, Hash32]:
        """Stands for a signed transaction: the bytes mean the call to this ledger only."""
        raw = key.address + nonce.to_bytes(8, "big") + keccak(repr(call).encode())
        tx_hash = keccak(raw)
        self._signed[raw] = (tx_hash, key.address, call)
        return raw, tx_hash

    def send(self, raw: bytes) -> None:
        """Take a transaction; one that is known already changes nothing."""
        tx_hash, sender, call = self._signed[raw]
        if self.receipt(tx_hash) is None and tx_hash not in self._waiting:
            self._waiting[tx_hash] = (sender, call)
            if not self._held:
                self.mine()

    def receipt(self, tx_hash: Hash32) -> tuple[int, str] | None:
        """Block number and error of a mined transaction."""
        for sealed in reversed(self._chain):
            if tx_hash in sealed.receipts:
                return sealed.block.number, sealed.receipts[tx_hash]
        return None

    def mine(self, *, empty: bool = False) -> None:
        """Seal a block with everything that waits."""
        block = self.next_block()
        sealed = _Sealed(block, [], self.state.fork(), {})
        waiting = {} if empty else self._waiting
        for tx_hash, (sender, call) in waiting.items():
            sealed.mined.append((tx_hash, sender, call))
            try:
                sealed.events += _told_by(tx_hash, sealed.state.apply(sender, call, block))
                sealed.receipts[tx_hash] = ""
            except Revert as error:
                sealed.receipts[tx_hash] = str(error)
        if not empty:
            self._waiting = {}
        self._chain.append(sealed)
        for node in self._nodes:
            node.saw(sealed)

    def refusal(self, sender: Address, call: Call) -> str:
        """Why the contract would refuse the call now; empty if it would not."""
        try:
            self.state.fork().apply(sender, call, self.next_block())
        except Revert as error:
            return str(error)
        return ""

    def join(self, node: MemoryChain) -> None:
        self._nodes.append(node)

    def leave(self, node: MemoryChain) -> None:
        if node in self._nodes:
            self._nodes.remove(node)


class MemoryChain:
    """See ``ports.chain.Chain``. ``domain`` is what the node expects; it must be the ledger's."""

    def __init__(
        self, ledger: MemoryLedger, key: NodeKey | None, journal: TxJournal, domain: Domain | None = None
    ) -> None:
        self.domain = domain or ledger.domain
        self._ledger = ledger
        self._key = key
        self._journal = journal
        self._next_nonce = 0
        self._queue: asyncio.Queue[ChainEvent | None] = asyncio.Queue()
        self._mined = asyncio.Condition()
        self._locks: dict[str, asyncio.Lock] = {}
        self._started = False
        self._tasks: set[asyncio.Task[None]] = set()

    # life -------------------------------------------------------------------------------------------------

    async def start(self, from_block: int) -> None:
        ledger = self._up()
        if self.domain.chain_id != ledger.domain.chain_id:
            raise WrongChain(
                f"The endpoint serves chain {ledger.domain.chain_id}, not {self.domain.chain_id}."
            )
        if self.domain.contract != ledger.domain.contract:
            raise ContractMissing(f"There is no contract at {hex0x(self.domain.contract)}.")
        self._started = True
        for number in range(from_block, ledger.head.number + 1):
            sealed = ledger.sealed(number)
            if sealed is not None:
                self._tell_block(sealed)
        self.tell(ChainUp(ledger.head))
        ledger.join(self)
        for record in await self._journal.pending_txs():
            self._next_nonce = max(self._next_nonce, record.nonce + 1)
            ledger.send(record.raw)
            await self._note(record)

    async def aclose(self) -> None:
        self._ledger.leave(self)
        self._started = False
        for task in list(self._tasks):
            await task
        async with self._mined:
            self._mined.notify_all()
        self._queue.put_nowait(None)

    async def events(self) -> AsyncIterator[ChainEvent]:
        while (event := await self._queue.get()) is not None:
            yield event

    def tell(self, event: ChainEvent) -> None:
        self._queue.put_nowait(event)
        self._wake()

    def saw(self, sealed: _Sealed) -> None:
        self._tell_block(sealed)
        self._wake()

    def _tell_block(self, sealed: _Sealed) -> None:
        for event in sealed.events:
            self._queue.put_nowait(event)
        self._queue.put_nowait(NewHead(sealed.block))

    def _wake(self) -> None:
        task = asyncio.get_running_loop().create_task(self._after_block())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _after_block(self) -> None:
        for record in await self._journal.pending_txs():
            await self._note(record)
        async with self._mined:
            self._mined.notify_all()

    def _up(self) -> MemoryLedger:
        if self._ledger.down:
            raise ChainUnreachable(self._ledger.down)
        return self._ledger

    # reads ------------------------------------------------------------------------------------------------

    def _state(self, at_block: int | None = None) -> Rules:
        ledger = self._up()
        if at_block is None:
            return ledger.state
        sealed = ledger.sealed(at_block)
        if sealed is None:
            raise ChainUnreachable(f"The chain has not reached block {at_block}.")
        return sealed.state

    async def params(self) -> ContractParams:
        return self._state().params

    async def head(self) -> Block:
        return self._up().head

    async def block(self, number: int) -> Block | None:
        sealed = self._up().sealed(number)
        return None if sealed is None else sealed.block

    async def gas_price(self) -> int:
        self._state()
        return self._ledger.gas_price

    async def burned(self) -> Gwei:
        return Gwei(self._state().burned)

    async def balance(self, account: Address) -> Wei:
        state = self._state()
        return state.held() if account == self.domain.contract else Wei(state.balances.get(account, 0))

    async def consumer(self, address: Address, at_block: int | None = None) -> ConsumerInfo | None:
        found = self._state(at_block).consumers.get(address)
        return found.info if found and found.is_registered else None

    async def consumers(self) -> list[ConsumerInfo]:
        state = self._state()
        return [state.consumers[address].info for address in state.listed]

    async def prover(self, address: Address) -> ProverInfo | None:
        return self._state().provers.get(address)

    async def snapshot(self, consumer: Address, snapshot_id: int) -> Snapshot | None:
        return self._state().snapshot(consumer, snapshot_id)

    async def committee(self, consumer: Address) -> list[Candidate]:
        state = self._state()
        return state.committee(consumer, self._ledger.head.time)

    async def suspended_until(self, consumer: Address, member: Address) -> int:
        return self._state().suspended_until(consumer, member)

    async def latest_proof(self, consumer: Address, at_block: int) -> Hash32 | None:
        ledger = self._up()
        for number in range(min(at_block, ledger.head.number), -1, -1):
            sealed = ledger.sealed(number)
            for event in reversed(sealed.events if sealed else []):
                if isinstance(event, LatestProof) and event.consumer == consumer:
                    return event.proof_hash
        return None

    def records(self, raw: bytes) -> Sequence[SettlementRecord]:
        return Records(raw)

    async def settled(self, consumer: Address, first: int, last: int) -> list[SettlementRecord]:
        ledger = self._up()
        sealed = [ledger.sealed(number) for number in range(first, min(last, ledger.head.number) + 1)]
        events = [event for block in sealed if block is not None for event in block.events]
        return [
            record
            for event in events
            if isinstance(event, Settled)
            for record in event.records
            if record.consumer == consumer
        ]

    async def rewards(self, member_id: int) -> Gwei:
        return Gwei(self._state().rewards.get(member_id, 0))

    # writes -----------------------------------------------------------------------------------------------

    async def submit(self, intent: str, call: Call) -> TxRecord:
        async with self._locks.setdefault(intent, asyncio.Lock()):
            self._up()
            record = await self._journal.tx_by_intent(intent)
            if record is None or record.state is TxState.QUEUED:
                record = await self._send(intent, call)
            return await self._outcome(intent, record)

    async def _send(self, intent: str, call: Call) -> TxRecord:
        if self._key is None:
            raise KeyMissing("This node has no key to sign transactions with.")
        ledger, sender = self._up(), self._key.address
        if value_of(call) > ledger.state.balances.get(sender, 0):
            raise InsufficientFunds(
                f"The transaction needs {value_of(call)} wei, and the account holds less."
            )
        if isinstance(call, Settle | SettleAttested) and call.pays is not None:
            own_slot(sender, call.pays.key)
        refused = ledger.refusal(sender, call)
        if refused:
            raise TransactionFailed(f"The contract refuses: {refused}.")
        nonce, self._next_nonce = self._next_nonce, self._next_nonce + 1
        raw, tx_hash = ledger.sign(self._key, nonce, call)
        record = TxRecord(intent, nonce, tx_hash, raw, TxState.SIGNED)
        await self._journal.put_tx(record)
        sent = replace(record, state=TxState.SENT)
        await self._journal.put_tx(sent)
        ledger.send(raw)
        return sent

    async def _outcome(self, intent: str, record: TxRecord) -> TxRecord:
        while record.state in (TxState.SIGNED, TxState.SENT):
            self._up()
            if not self._started:
                raise ChainUnreachable("The chain is closed.")
            async with self._mined:
                if self._ledger.receipt(record.hash) is None:
                    await self._mined.wait()
            record = await self._note(record)
        if record.state is TxState.REVERTED:
            raise TransactionFailed(f"{intent} failed: {record.error}.")
        return record

    async def _note(self, record: TxRecord) -> TxRecord:
        """Write down what became of a transaction, if it is mined."""
        receipt = self._ledger.receipt(record.hash)
        if receipt is None:
            return record
        block, error = receipt
        state = TxState.REVERTED if error else TxState.MINED
        record = replace(record, state=state, block=block, error=error)
        await self._journal.put_tx(record)
        return record


def _told_by(tx: Hash32, events: list[ChainEvent]) -> list[ChainEvent]:
    """Some events name their transaction, which the rules don't know."""
    return [replace(e, tx=tx) if isinstance(e, RewardsWithdrawn | EntrySkipped) else e for e in events]
