"""Transactions that are sent once: each is an intent with a name, journalled before it leaves.

One nonce at a time: what the chain node refuses outright never used its nonce, so the next transaction takes
it and the refused one can never be mined; only then may its intent be signed anew. Everything else that was
signed is the same bytes for ever, and sending it again does no harm. One exception: a transaction that the
base fee has overtaken, or that blocks leave out although the chain node has it, is signed again with the same
nonce and higher fees, so one of the two can be mined. What gas under the operator's ceiling cannot pay for is
not signed at all: it is in the journal as queued, and asking again tries again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final
from weakref import WeakValueDictionary

from gpn_desktop.adapters.chain.fees import GWEI, Fees, Offer, first_offer, in_gwei, raised_offer
from gpn_desktop.adapters.chain.outbox import Outbox, call_data, never_left
from gpn_desktop.adapters.chain.rpc import Header, Receipt, Refused, Rpc
from gpn_desktop.adapters.chain.signing import Outgoing, read_signed, sign
from gpn_desktop.core.errors import (
    ChainUnreachable,
    FeesTooHigh,
    GpnError,
    InsufficientFunds,
    KeyMissing,
    TransactionFailed,
)
from gpn_desktop.core.types import Address, hex0x
from gpn_desktop.ports.chain import TxJournal, TxRecord, TxState
from gpn_desktop.ports.secrets import NodeKey

log = logging.getLogger(__name__)

FALLBACK_SECONDS: Final = 5.0  # how long a lost push can delay the news of a receipt
USUAL_TIP: Final = GWEI  # wei per gas
LOOKED_BACK: Final = 64  # blocks; older receipts may be gone from a chain node that prunes


@dataclass(frozen=True, slots=True)
class Policy:
    """How transactions are paid for, and when they count as lasting.

    After ``stuck_blocks`` blocks without it a transaction is looked after: a first offer has room for the
    base fee to double, and six full blocks in a row are what it takes to double it.
    """

    fees: Fees = field(default_factory=Fees)
    confirmations: int = 3
    stuck_blocks: int = 6


@dataclass(frozen=True, slots=True)
class Payload:
    """What a transaction does, before it has a nonce and fees. ``to`` is the contract where it is None."""

    value: int
    data: bytes
    to: Address | None = None


class Writer:
    """The transactions of one key on one contract; with None, those that deploy one."""

    def __init__(
        self,
        key: NodeKey | None,
        chain_id: int,
        contract: Address | None,
        journal: TxJournal,
        policy: Policy,
        explain: Callable[[bytes], str],
    ) -> None:
        self._key = key
        self._chain_id = chain_id
        self._contract = contract
        self._journal = journal
        self._policy = policy
        self._explain = explain
        self._outbox = Outbox(journal)
        self._rpc: Rpc | None = None
        self._next_nonce = 0
        self._front: tuple[bytes, int] | None = None  # the first that waits, and the block it waits since
        self._sending = asyncio.Lock()
        self._intents: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._waiting: dict[str, asyncio.Future[TxRecord]] = {}

    # the connection's side --------------------------------------------------------------------------------

    async def connected(self, rpc: Rpc) -> None:
        """Take up what an earlier connection, or an earlier run, left open."""
        self._rpc = rpc
        async with self._sending:
            await self._outbox.load()
            head = await rpc.header()
            for record in self._outbox.mined():
                # A reorganisation while nobody looked may have gone deeper than what counts as lasting.
                lasts = head is not None and record.block + LOOKED_BACK <= head.number
                if record.state is TxState.MINED or not lasts:
                    await self._still_mined(rpc, record)
            await self._resync(rpc)

    def disconnected(self, reason: GpnError) -> None:
        """Nobody waits for a connection that is gone; the journal knows what was under way."""
        self._rpc = None
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(ChainUnreachable(reason.message))

    async def look(self, rpc: Rpc, head: Header) -> None:
        """See what a new head mined, and help on what it left behind."""
        await self._look_all(rpc)
        if self._key is not None and self._outbox.open():
            async with self._sending:
                for record in self._outbox.newest():
                    if head.base_fee > read_signed(record.raw).max_fee and self._outbox.holds(record):
                        await self._raise(rpc, self._key, record)
                await self._push_on(rpc, self._key, head)

    async def reorganised(self, rpc: Rpc, first_void: int) -> None:
        """Bring back what was mined on the branch that is gone."""
        async with self._sending:
            for record in self._outbox.mined():
                if record.block >= first_void:
                    await self._outbox.reopen(record.intent)
            await self._resync(rpc)

    async def settle_down(self, rpc: Rpc, head: int) -> None:
        """Confirm what stands deep enough under the head, once every reorganisation up to it is known."""
        for record in self._outbox.mined():
            if record.state is TxState.CONFIRMED or record.block + self._policy.confirmations > head:
                continue
            async with self._sending:
                if await self._still_mined(rpc, record):
                    await self._outbox.confirmed(record)
                else:
                    await self._resync(rpc)

    async def _still_mined(self, rpc: Rpc, record: TxRecord) -> bool:
        """Whether its block is where it was; if not, it waits again or is noted in its new block."""
        receipt = await rpc.receipt(record.hash)
        if receipt is None:
            await self._outbox.reopen(record.intent)
        elif receipt.block_number != record.block:
            await self._outbox.moved(await self._closed(rpc, record, receipt))
        return receipt is not None and receipt.block_number == record.block

    async def _resync(self, rpc: Rpc) -> None:
        """Learn the next nonce from the chain node, and send again what it may not have."""
        if self._key is None:
            return
        await self._look_all(rpc)
        for record in self._outbox.open():
            await self._offer(rpc, record)
        self._next_nonce = max(await rpc.nonce(self._key.address), self._outbox.next_nonce())

    # the caller's side ------------------------------------------------------------------------------------

    async def submit(self, intent: str, payload: Payload) -> TxRecord:
        """See ``ports.chain.Chain.submit``."""
        lock = self._intents.setdefault(intent, asyncio.Lock())
        async with lock:
            record = self._outbox.get(intent) or await self._journal.tx_by_intent(intent)
            if record is None or never_left(record):
                try:
                    return await self._await_outcome(intent, payload)
                except TransactionFailed as error:
                    await self._outbox.no_longer_queued(intent, error.message)
                    raise
            if record.is_done:
                return record
            if record.state is TxState.REVERTED:
                raise TransactionFailed(f"{intent} failed before: {record.error}.")
            self._outbox.take_up(record)
            return await self._await_outcome(intent, record)

    def under_way(self) -> list[bytes]:
        """The call data of every transaction that waits to be mined."""
        return call_data(self._outbox.open())

    async def _await_outcome(self, intent: str, work: Payload | TxRecord) -> TxRecord:
        """Wait for the receipt of a payload that is sent now, or of a transaction that is under way."""
        rpc = self._connected()
        waiter = self._waiting[intent] = asyncio.get_running_loop().create_future()
        try:
            if isinstance(work, Payload):
                await self._send_new(rpc, intent, work)
            else:
                await self._look_up(rpc, work)
            return await self._outcome(intent, waiter)
        finally:
            del self._waiting[intent]
            if not waiter.cancel() and not waiter.cancelled():
                waiter.exception()  # taken note of, so that asyncio does not report it as unseen

    async def _outcome(self, intent: str, waiter: asyncio.Future[TxRecord]) -> TxRecord:
        while not waiter.done():
            await asyncio.wait([waiter], timeout=FALLBACK_SECONDS)
            record = self._outbox.get(intent)
            if not waiter.done() and record is not None:
                await self._look_up(self._connected(), record)
        record = waiter.result()
        if record.state is TxState.REVERTED:
            raise TransactionFailed(f"{intent} failed: {record.error}.")
        return record

    async def _send_new(self, rpc: Rpc, intent: str, payload: Payload) -> None:
        key = self._signer()
        gas = await self._estimate(rpc, key, payload)
        try:
            offer = first_offer(*await self._market(rpc), self._policy.fees)
        except FeesTooHigh as error:
            await self._outbox.queue(intent, error)
            raise
        async with self._sending:
            for last_try in (False, True):
                nonce = self._next_nonce
                record = self._signed(key, intent, self._outgoing(nonce, payload, gas, offer))
                await self._outbox.signed(record)
                # Counted as used until it is refused outright: an answer that is lost tells nothing.
                self._next_nonce = nonce + 1
                refusal = await self._offer(rpc, record)
                if refusal is None:
                    return
                self._next_nonce = nonce
                await self._outbox.refused(record, refusal)
                if last_try or not _nonce_is_taken(refusal):
                    raise await self._refusal(rpc, key, refusal, payload.value + gas * offer.max_fee)
                self._next_nonce = max(await rpc.nonce(key.address), self._outbox.next_nonce())

    def _outgoing(self, nonce: int, payload: Payload, gas: int, offer: Offer) -> Outgoing:
        to = payload.to or self._contract
        return Outgoing(self._chain_id, nonce, to, payload.value, payload.data, gas, offer.max_fee, offer.tip)

    def _signed(self, key: NodeKey, intent: str, outgoing: Outgoing) -> TxRecord:
        raw, tx_hash = sign(outgoing, key)
        return TxRecord(intent, outgoing.nonce, tx_hash, raw, TxState.SIGNED)

    async def _offer(self, rpc: Rpc, record: TxRecord) -> str | None:
        """Hand the transaction to the chain node; why it does not take it, if it does not."""
        try:
            await rpc.send(record.raw)
        except Refused as error:
            if not _is_known(error.message):
                return error.message
        await self._outbox.sent(record)
        return None

    async def _refusal(self, rpc: Rpc, key: NodeKey, why: str, cost: int) -> GpnError:
        if "insufficient" in why.lower() or await rpc.balance(key.address) < cost:
            return InsufficientFunds(f"The transaction may cost {cost} wei, and the account holds less.")
        return TransactionFailed(f"The chain node did not take the transaction: {why}.")

    async def _estimate(self, rpc: Rpc, key: NodeKey, payload: Payload) -> int:
        """Gas with a margin, since the state may change before the block; a sure failure is not sent."""
        while True:
            earlier = list(self._waiting_on_others())
            try:
                gas = await rpc.estimate(
                    key.address, payload.to or self._contract, payload.value, payload.data
                )
            except Refused as error:
                if error.data and earlier:
                    # It may build upon a transaction of ours that is still under way.
                    await asyncio.wait(earlier, timeout=FALLBACK_SECONDS)
                    if any(waiter.done() for waiter in earlier):
                        continue
                if error.data:
                    raise TransactionFailed(f"The contract refuses: {self._explain(error.data)}.") from error
                raise await self._refusal(rpc, key, error.message, payload.value) from error
            return self.gas_limit(gas)

    @staticmethod
    def gas_limit(estimate: int) -> int:
        """What is allowed to a transaction that would use so much now."""
        return estimate * 5 // 4 + 5_000

    def _waiting_on_others(self) -> list[asyncio.Future[TxRecord]]:
        return [w for intent, w in self._waiting.items() if self._outbox.get(intent) and not w.done()]

    # fees -------------------------------------------------------------------------------------------------

    async def gas_price(self, rpc: Rpc) -> int:
        """Base fee and tip of a transaction that is sent now, in wei per gas."""
        base, suggested = await self._market(rpc)
        return base + self._policy.fees.tip(suggested)

    async def _market(self, rpc: Rpc) -> tuple[int, int]:
        """The base fee and the tip that the chain node suggests, in wei per gas."""
        head, suggested = await asyncio.gather(rpc.header(), _suggested_tip(rpc))
        return (head.base_fee if head is not None else 0), suggested

    async def _push_on(self, rpc: Rpc, key: NodeKey, head: Header) -> None:
        """What blocks leave out: lost transactions are sent again, and those that are not lost pay more.

        Only the first that waits is looked at; those behind it cannot be mined before it.
        """
        front = next(iter(self._outbox.newest()), None)
        if front is None or self._front is None or self._front[0] != front.hash:
            self._front = None if front is None else (front.hash, head.number)
            return
        if head.number - self._front[1] < self._policy.stuck_blocks:
            return
        self._front = front.hash, head.number
        log.info("%s waits for %d blocks", front.intent, self._policy.stuck_blocks)
        if not await rpc.knows(front.hash):
            if await self._gave_way(rpc, key, front):
                return
            refusal = await self._offer(rpc, front)
            if refusal is None or not _is_cheap(refusal):
                return
        await self._raise(rpc, key, front)

    async def _gave_way(self, rpc: Rpc, key: NodeKey, front: TxRecord) -> bool:
        """Whether a transaction from elsewhere was mined with its nonce, for as long as it was stuck."""
        if await rpc.nonce(key.address, mined_only=True) <= front.nonce:
            return False
        group = [record for record in self._outbox.open() if record.nonce == front.nonce]
        if not any([await self._look_up(rpc, record) for record in group]):
            for lost in await self._outbox.nonce_lost(front.nonce):
                self._tell(lost)
        return True

    async def _raise(self, rpc: Rpc, key: NodeKey, record: TxRecord) -> None:
        """Sign the transaction again with higher fees, if the ceilings leave room for it."""
        old = read_signed(record.raw)
        offer = raised_offer(
            Offer(old.max_fee, old.priority_fee), *await self._market(rpc), self._policy.fees
        )
        if offer is None:
            log.info("%s waits for cheaper gas: a higher fee would be over the ceiling", record.intent)
            return
        outgoing = replace(old, max_fee=offer.max_fee, priority_fee=offer.tip)
        newer = self._signed(key, record.intent, outgoing)
        await self._outbox.replaced(record, newer)
        log.info("%s is replaced by %s at %s gwei", record.intent, hex0x(newer.hash), in_gwei(offer.max_fee))
        refusal = await self._offer(rpc, newer)
        if refusal is not None:
            log.warning("the chain node does not take the replacement of %s: %s", record.intent, refusal)

    # receipts ---------------------------------------------------------------------------------------------

    async def _look_all(self, rpc: Rpc) -> None:
        for record in self._outbox.open():
            await self._look_up(rpc, record)

    async def _look_up(self, rpc: Rpc, record: TxRecord) -> bool:
        """Close the intent if this transaction of it is mined."""
        receipt = await rpc.receipt(record.hash)
        if receipt is None:
            return False
        closed = await self._outbox.mined_as(record, await self._closed(rpc, record, receipt))
        if closed is not None:
            self._tell(closed)
        return True

    async def _closed(self, rpc: Rpc, record: TxRecord, receipt: Receipt) -> TxRecord:
        done = receipt.succeeded
        return replace(
            record,
            state=TxState.MINED if done else TxState.REVERTED,
            block=receipt.block_number,
            gas_used=receipt.gas_used,
            fee=receipt.fee,
            error="" if done else await self._why(rpc, record, receipt.block_number),
        )

    def _tell(self, record: TxRecord) -> None:
        waiter = self._waiting.get(record.intent)
        if waiter is not None and not waiter.done():
            waiter.set_result(record)

    async def _why(self, rpc: Rpc, record: TxRecord, block: int) -> str:
        """The contract's error, by running the call once more: upon the state before its block, and after."""
        tx = read_signed(record.raw)
        for at_block in (block - 1, block):
            try:
                await rpc.replay(self._signer().address, tx.to or self._contract, tx.value, tx.data, at_block)
            except Refused as error:
                return self._explain(error.data) if error.data else error.message
        return "it ran out of gas or met a state that is gone"

    def _connected(self) -> Rpc:
        if self._rpc is None:
            raise ChainUnreachable("The chain node is not connected.")
        return self._rpc

    def _signer(self) -> NodeKey:
        if self._key is None:
            raise KeyMissing("This node has no key to sign transactions with.")
        return self._key


async def _suggested_tip(rpc: Rpc) -> int:
    try:
        return await rpc.priority_fee()
    except Refused:
        return USUAL_TIP  # not every chain node has an opinion


def _nonce_is_taken(message: str) -> bool:
    text = message.lower()
    return "nonce too low" in text or _is_cheap(message)


def _is_cheap(message: str) -> bool:
    return "underpriced" in message.lower()


def _is_known(message: str) -> bool:
    text = message.lower()
    return "already known" in text or "already imported" in text or "known transaction" in text
