"""Transactions that are sent once: each is an intent with a name, journalled before it leaves.

One nonce at a time: what the chain node refuses outright never used its nonce, so the next transaction takes
it and the refused one can never be mined; only then may its intent be signed anew. Everything else that was
signed is the same bytes for ever, and sending it again does no harm. One exception: a transaction that the
base fee has overtaken is signed again with the same nonce and a higher fee, so one of the two can be mined.
The older one stays in the journal under the intent's name and ``~``, since it may be the one that is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from weakref import WeakValueDictionary

import rlp  # type: ignore[import-untyped]

from gpn_desktop.adapters.chain.rpc import Header, Refused, Rpc
from gpn_desktop.adapters.chain.signing import Outgoing, sign
from gpn_desktop.core.errors import (
    ChainUnreachable,
    GpnError,
    InsufficientFunds,
    KeyMissing,
    TransactionFailed,
)
from gpn_desktop.core.types import Address
from gpn_desktop.ports.chain import TxJournal, TxRecord, TxState
from gpn_desktop.ports.secrets import NodeKey

FALLBACK_SECONDS: Final = 5.0  # how long a lost push can delay the news of a receipt
USUAL_TIP: Final = 10**9  # wei per gas
REMEMBERED: Final = 256  # mined transactions that a reorganisation may bring back
OLDER: Final = "~"  # between an intent and what tells its older transactions apart
UNTAKEN: Final = "not sent: "  # marks a journalled transaction that the chain node refused


@dataclass(frozen=True, slots=True)
class Fees:
    """The fee policy, in wei per gas. Above ``ceiling`` nothing is sent; None is no ceiling."""

    ceiling: int | None = None
    priority_ceiling: int = 5 * 10**9


@dataclass(frozen=True, slots=True)
class Payload:
    """What a transaction does, before it has a nonce and fees."""

    value: int
    data: bytes


class Writer:
    """The transactions of one key on one contract."""

    def __init__(
        self,
        key: NodeKey | None,
        chain_id: int,
        contract: Address,
        journal: TxJournal,
        fees: Fees,
        explain: Callable[[bytes], str],
    ) -> None:
        self._key = key
        self._chain_id = chain_id
        self._contract = contract
        self._journal = journal
        self._fees = fees
        self._explain = explain
        self._rpc: Rpc | None = None
        self._next_nonce = 0
        self._sending = asyncio.Lock()
        self._intents: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._open: dict[str, TxRecord] = {}
        self._mined: deque[TxRecord] = deque(maxlen=REMEMBERED)
        self._waiting: dict[str, asyncio.Future[TxRecord]] = {}

    # the connection's side --------------------------------------------------------------------------------

    async def connected(self, rpc: Rpc) -> None:
        """Take up what an earlier connection, or an earlier run, left open."""
        self._rpc = rpc
        for record in await self._journal.pending_txs():
            self._open.setdefault(record.intent, record)
        await self._resync(rpc)

    def disconnected(self, reason: GpnError) -> None:
        """Nobody waits for a connection that is gone; the journal knows what was under way."""
        self._rpc = None
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(ChainUnreachable(reason.message))

    async def look(self, rpc: Rpc, head: Header | None = None) -> None:
        """See what a new head mined, and whether its base fee leaves anything behind."""
        for record in list(self._open.values()):
            await self._look_up(rpc, record)
        if head is not None and self._key is not None and self._open:
            async with self._sending:
                for record in sorted(self._open.values(), key=lambda r: r.nonce):
                    await self._raise_fee(rpc, self._key, record, head)

    async def reorganised(self, rpc: Rpc, first_void: int) -> None:
        """Bring back what was mined on the branch that is gone."""
        for record in [r for r in self._mined if r.block >= first_void]:
            self._mined.remove(record)
            again = replace(record, state=TxState.SENT, block=0, gas_used=0, fee=0, error="")
            self._open[record.intent] = again
            await self._journal.put_tx(again)
        await self._resync(rpc)

    async def _resync(self, rpc: Rpc) -> None:
        """Learn the next nonce from the chain node, and send again what it may not have."""
        if self._key is None:
            return
        async with self._sending:
            await self.look(rpc)
            used = await rpc.nonce(self._key.address, mined_only=True)
            self._next_nonce = await rpc.nonce(self._key.address)
            for record in sorted(self._open.values(), key=lambda r: r.nonce):
                if record.intent not in self._open:
                    continue
                if record.nonce < used:
                    # It may have been mined since the receipts were asked for.
                    if not await self._look_up(rpc, record):
                        await self._close(replace(record, state=TxState.REVERTED, error=_REPLACED))
                else:
                    await self._offer(rpc, record)
                    self._next_nonce = max(self._next_nonce, record.nonce + 1)

    # the caller's side ------------------------------------------------------------------------------------

    async def submit(self, intent: str, payload: Payload) -> TxRecord:
        """See ``ports.chain.Chain.submit``."""
        lock = self._intents.setdefault(intent, asyncio.Lock())
        async with lock:
            record = self._open.get(intent) or await self._journal.tx_by_intent(intent)
            if record is None or _never_left(record):
                return await self._await_outcome(intent, payload)
            if record.state is TxState.MINED:
                return record
            if record.state is TxState.REVERTED:
                raise TransactionFailed(f"{intent} failed before: {record.error}.")
            self._open.setdefault(intent, record)
            return await self._await_outcome(intent, None)

    def under_way(self) -> list[bytes]:
        """The call data of every transaction that waits to be mined."""
        return [_fields(record.raw)[7] for record in self._open.values()]

    async def _await_outcome(self, intent: str, payload: Payload | None) -> TxRecord:
        """Wait for the receipt; ``payload`` is sent first, None if the transaction is under way."""
        rpc = self._connected()
        waiter = self._waiting[intent] = asyncio.get_running_loop().create_future()
        try:
            if payload is None:
                await self._look_up(rpc, self._open[intent])
            else:
                await self._send_new(rpc, intent, payload)
            return await self._outcome(intent, waiter)
        finally:
            del self._waiting[intent]
            if not waiter.cancel() and not waiter.cancelled():
                waiter.exception()  # taken note of, so that asyncio does not report it as unseen

    async def _outcome(self, intent: str, waiter: asyncio.Future[TxRecord]) -> TxRecord:
        while not waiter.done():
            await asyncio.wait([waiter], timeout=FALLBACK_SECONDS)
            record = self._open.get(intent)
            if not waiter.done() and record is not None:
                await self._look_up(self._connected(), record)
        record = waiter.result()
        if record.state is TxState.REVERTED:
            raise TransactionFailed(f"{intent} failed: {record.error}.")
        return record

    async def _send_new(self, rpc: Rpc, intent: str, payload: Payload) -> None:
        key = self._signer()
        gas, (max_fee, tip) = await asyncio.gather(self._estimate(rpc, key, payload), self._price(rpc))
        async with self._sending:
            for last_try in (False, True):
                nonce = self._next_nonce
                raw, tx_hash = sign(
                    Outgoing(
                        self._chain_id, nonce, self._contract, payload.value, payload.data, gas, max_fee, tip
                    ),
                    key,
                )
                record = TxRecord(intent, nonce, tx_hash, raw, TxState.SIGNED)
                await self._journal.put_tx(record)
                self._open[intent] = record
                # Counted as used until it is refused outright: an answer that is lost tells nothing.
                self._next_nonce = nonce + 1
                refusal = await self._offer(rpc, record)
                if refusal is None:
                    return
                self._next_nonce = nonce
                await self._untaken(record, refusal)
                if last_try or not _nonce_is_taken(refusal):
                    raise await self._refusal(rpc, key, refusal, payload.value + gas * max_fee)
                self._next_nonce = await rpc.nonce(key.address)

    async def _offer(self, rpc: Rpc, record: TxRecord) -> str | None:
        """Hand the transaction to the chain node; why it does not take it, if it does not."""
        try:
            await rpc.send(record.raw)
        except Refused as error:
            if not _is_known(error.message):
                return error.message
        if self._open.get(record.intent) is record and record.state is TxState.SIGNED:
            sent = replace(record, state=TxState.SENT)
            self._open[record.intent] = sent
            await self._journal.put_tx(sent)
        return None

    async def _untaken(self, record: TxRecord, why: str) -> None:
        self._open.pop(record.intent, None)
        await self._journal.put_tx(replace(record, state=TxState.REVERTED, error=UNTAKEN + why))

    async def _refusal(self, rpc: Rpc, key: NodeKey, why: str, cost: int) -> GpnError:
        if "insufficient" in why.lower() or await rpc.balance(key.address) < cost:
            return InsufficientFunds(f"The transaction may cost {cost} wei, and the account holds less.")
        return TransactionFailed(f"The chain node did not take the transaction: {why}.")

    async def _raise_fee(self, rpc: Rpc, key: NodeKey, record: TxRecord, head: Header) -> None:
        """Sign the transaction again if the base fee has risen above what it offers."""
        chain_id, nonce, tip, max_fee, gas, _, value = (
            int.from_bytes(field, "big") for field in _fields(record.raw)[:7]
        )
        if head.base_fee <= max_fee or OLDER in record.intent or self._open.get(record.intent) is not record:
            return
        raised_tip = tip * 9 // 8 + 1  # chain nodes take a replacement only if both fees rise by an eighth
        raised = max(2 * head.base_fee + raised_tip, max_fee * 9 // 8 + 1)
        if self._fees.ceiling is not None and raised > self._fees.ceiling:
            return
        data = _fields(record.raw)[7]
        outgoing = Outgoing(chain_id, nonce, self._contract, value, data, gas, raised, raised_tip)
        raw, tx_hash = sign(outgoing, key)
        older = replace(record, intent=f"{record.intent}{OLDER}{record.hash.hex()[:8]}")
        newer = replace(record, hash=tx_hash, raw=raw, state=TxState.SIGNED)
        for each in (older, newer):
            self._open[each.intent] = each
            await self._journal.put_tx(each)
        await self._offer(rpc, newer)

    async def _estimate(self, rpc: Rpc, key: NodeKey, payload: Payload) -> int:
        """Gas with a margin, since the state may change before the block; a sure failure is not sent."""
        while True:
            earlier = list(self._waiting_on_others())
            try:
                gas = await rpc.estimate(key.address, self._contract, payload.value, payload.data)
            except Refused as error:
                if error.data and earlier:
                    # It may build upon a transaction of ours that is still under way.
                    await asyncio.wait(earlier, timeout=FALLBACK_SECONDS)
                    if any(waiter.done() for waiter in earlier):
                        continue
                if error.data:
                    raise TransactionFailed(f"The contract refuses: {self._explain(error.data)}.") from error
                raise await self._refusal(rpc, key, error.message, payload.value) from error
            return gas * 5 // 4 + 5_000

    def _waiting_on_others(self) -> list[asyncio.Future[TxRecord]]:
        return [w for intent, w in self._waiting.items() if intent in self._open and not w.done()]

    async def gas_price(self, rpc: Rpc) -> int:
        """Base fee and tip of a transaction that is sent now, in wei per gas."""
        head, tip = await asyncio.gather(rpc.header(), _tip(rpc))
        base_fee = head.base_fee if head is not None else 0
        return int(base_fee + min(tip, self._fees.priority_ceiling))

    async def _price(self, rpc: Rpc) -> tuple[int, int]:
        """Maximum fee and tip in wei per gas: room for the base fee to double before the block."""
        head, tip = await asyncio.gather(rpc.header(), _tip(rpc))
        base = head.base_fee if head else 0
        tip = min(tip, self._fees.priority_ceiling)
        wanted = 2 * base + tip
        ceiling = self._fees.ceiling
        if ceiling is None or wanted <= ceiling:
            return wanted, tip
        if base + tip > ceiling:
            raise TransactionFailed(
                f"Gas costs {(base + tip) / 10**9:.1f} gwei, over the ceiling of {ceiling / 10**9:.1f} gwei.",
                remedy="Wait until gas is cheaper, or raise the ceiling.",
            )
        return ceiling, tip

    # receipts ---------------------------------------------------------------------------------------------

    async def _look_up(self, rpc: Rpc, record: TxRecord) -> bool:
        """Close the record if it is mined."""
        receipt = await rpc.receipt(record.hash)
        if receipt is None or record.intent not in self._open:
            return receipt is not None
        error = "" if receipt.succeeded else await self._why(rpc, record, receipt.block_number)
        closed = replace(
            record,
            state=TxState.MINED if receipt.succeeded else TxState.REVERTED,
            block=receipt.block_number,
            gas_used=receipt.gas_used,
            fee=receipt.fee,
            error=error,
        )
        await self._close(closed)
        return True

    async def _close(self, record: TxRecord) -> None:
        if record.block:
            record = replace(record, intent=record.intent.partition(OLDER)[0])
            self._mined.append(record)
            for other in [r for r in self._open.values() if r.nonce == record.nonce]:
                self._open.pop(other.intent)
                if other.intent != record.intent:
                    gone = replace(other, state=TxState.REVERTED, error=_REPLACED)
                    await self._journal.put_tx(gone)
        self._open.pop(record.intent, None)
        await self._journal.put_tx(record)
        waiter = self._waiting.get(record.intent)
        if waiter is not None and not waiter.done():
            waiter.set_result(record)

    async def _why(self, rpc: Rpc, record: TxRecord, block: int) -> str:
        """The contract's error, by running the call once more: upon the state before its block, and after."""
        fields = _fields(record.raw)
        to, value, data = Address(fields[5]), int.from_bytes(fields[6], "big"), fields[7]
        for at_block in (block - 1, block):
            try:
                await rpc.replay(self._signer().address, to, value, data, at_block)
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


_REPLACED: Final = "another transaction took its nonce"


async def _tip(rpc: Rpc) -> int:
    try:
        return await rpc.priority_fee()
    except Refused:
        return USUAL_TIP  # not every chain node has an opinion


def _fields(raw: bytes) -> list[bytes]:
    """A signed EIP-1559 transaction's fields: chain, nonce, tip, fee, gas, to, value, data, and more."""
    fields: list[bytes] = rlp.decode(raw[1:])
    return fields


def _never_left(record: TxRecord) -> bool:
    """Refused by the chain node: its nonce went to another transaction, so it can never be mined."""
    return record.state is TxState.REVERTED and record.error.startswith(UNTAKEN)


def _nonce_is_taken(message: str) -> bool:
    text = message.lower()
    return "nonce too low" in text or "underpriced" in text


def _is_known(message: str) -> bool:
    text = message.lower()
    return "already known" in text or "already imported" in text or "known transaction" in text
