"""The transactions whose end is open, as the journal has them: what is on its way, and what is mined for now.

A nonce has one intent, and one transaction or several: each replacement offers more than those before it,
and any of them may be mined. The newest has the intent's name; the older ones stay in the journal under that
name, ``~`` and the beginning of their hash, until one of them all is confirmed. Knows no chain node.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from gpn_desktop.adapters.chain.signing import read_signed
from gpn_desktop.core.errors import FeesTooHigh
from gpn_desktop.core.types import ZERO_HASH
from gpn_desktop.ports.chain import TxJournal, TxRecord, TxState

# Confirmed transactions that a very deep reorganisation may bring back, 3 KB each: at one in a block, as far
# back as the follower tells of one.
REMEMBERED: Final = 128
OLDER: Final = "~"  # between an intent and what tells its older transactions apart
UNTAKEN: Final = "not sent: "  # marks a journalled transaction that the chain node refused
NO_NONCE: Final = -1
_NONCE_TAKEN: Final = "another transaction took its nonce"
_KEPT_ABOVE: Final = "kept under the intent's own name"


@dataclass(frozen=True, slots=True)
class Mined:
    """What stands in a block, and the transactions that it competed with for its nonce."""

    record: TxRecord
    others: tuple[TxRecord, ...]


class Outbox:
    """Every change is in the journal before it is here."""

    def __init__(self, journal: TxJournal) -> None:
        self._journal = journal
        self._open: dict[str, TxRecord] = {}
        self._mined: dict[str, Mined] = {}

    async def load(self) -> None:
        """Take up what the journal has open, beside what is known already."""
        for record in await self._journal.pending_txs():
            if OLDER in record.intent:  # an earlier version's form of a replaced one
                record = replace(record, state=TxState.REPLACED)
            self._open.setdefault(record.intent, record)
        unsettled = await self._journal.unsettled_txs()
        for record in unsettled:
            if record.state is TxState.MINED and intent_of(record) not in self._mined:
                self._mined[record.intent] = Mined(record, ())
        for record in unsettled:
            if record.state is TxState.REPLACED:
                await self._load_replaced(record)
        for record in await self._journal.recent_txs(REMEMBERED):
            if record.state is TxState.CONFIRMED and record.intent not in self._open:
                self._mined.setdefault(record.intent, Mined(record, ()))

    async def _load_replaced(self, record: TxRecord) -> None:
        name = intent_of(record)
        mined = self._mined.get(name)
        if name in self._open:
            self._open.setdefault(record.intent, record)
        elif mined is None:
            await self._end(record)
        elif record not in mined.others:
            self._mined[name] = replace(mined, others=(*mined.others, record))

    # looking ----------------------------------------------------------------------------------------------

    def open(self) -> list[TxRecord]:
        """All that waits to be mined, by nonce; of one nonce the newest first."""
        return sorted(self._open.values(), key=lambda record: (record.nonce, record.intent))

    def newest(self) -> list[TxRecord]:
        """What waits to be mined, one for each nonce."""
        return [record for record in self.open() if OLDER not in record.intent]

    def get(self, intent: str) -> TxRecord | None:
        return self._open.get(intent)

    def holds(self, record: TxRecord) -> bool:
        """Whether it still waits, in this very form."""
        return self._open.get(record.intent) == record

    def take_up(self, record: TxRecord) -> None:
        """One that the journal has as open."""
        self._open.setdefault(record.intent, record)

    def mined(self) -> list[TxRecord]:
        return [mined.record for mined in self._mined.values()]

    def next_nonce(self) -> int:
        """Above every nonce in use here: a chain node that is behind has not heard of all of them."""
        nonces = [record.nonce for record in (*self._open.values(), *self.mined())]
        return max(nonces, default=NO_NONCE) + 1

    # changing ---------------------------------------------------------------------------------------------

    async def queue(self, intent: str, why: FeesTooHigh) -> None:
        """Asked for, and not signed yet."""
        record = TxRecord(intent, NO_NONCE, ZERO_HASH, b"", TxState.QUEUED, error=why.message)
        await self._journal.put_tx(record)

    async def no_longer_queued(self, intent: str, why: str) -> None:
        """It was refused before it was signed; an intent that was is left as it is."""
        record = await self._journal.tx_by_intent(intent)
        if record is not None and record.state is TxState.QUEUED:
            await self._journal.put_tx(replace(record, state=TxState.REVERTED, error=UNTAKEN + why))

    async def signed(self, record: TxRecord) -> None:
        await self._put(record)

    async def sent(self, record: TxRecord) -> None:
        if self.holds(record) and record.state is TxState.SIGNED:
            await self._put(replace(record, state=TxState.SENT))

    async def refused(self, record: TxRecord, why: str) -> None:
        """The chain node did not take it, and its nonce goes to the next one."""
        self._open.pop(record.intent, None)
        await self._journal.put_tx(replace(record, state=TxState.REVERTED, error=UNTAKEN + why))

    async def replaced(self, record: TxRecord, newer: TxRecord) -> None:
        """Another one of the same intent and nonce offers more; both are kept."""
        await self._put(replace(record, intent=_aside(record), state=TxState.REPLACED))
        await self._put(newer)

    async def mined_as(self, record: TxRecord, closed: TxRecord) -> TxRecord | None:
        """One transaction of a nonce is in a block; what the intent came to, None if that was known."""
        if record.intent not in self._open:
            return None
        closed = replace(closed, intent=intent_of(record))
        others = [o for o in self._open.values() if o.nonce == record.nonce and o.hash != record.hash]
        copies = [o for o in self._open.values() if o.hash == record.hash and o.intent != closed.intent]
        await self._journal.put_tx(closed)
        for copy in copies:
            await self._journal.put_tx(replace(copy, state=TxState.REPLACED, error=_KEPT_ABOVE))
        aside = tuple(replace(o, intent=_aside(o), state=TxState.REPLACED) for o in others)
        for other in aside:
            await self._journal.put_tx(other)
        for each in (record, *others, *copies):
            self._open.pop(each.intent, None)
        self._mined[closed.intent] = Mined(closed, aside)
        self._forget()
        return closed

    async def nonce_lost(self, nonce: int) -> list[TxRecord]:
        """Something that this journal does not know took the nonce; the intents that lost it."""
        gone = [record for record in self._open.values() if record.nonce == nonce]
        ended = []
        for record in gone:
            older = OLDER in record.intent
            state = TxState.REPLACED if older else TxState.REVERTED
            over = replace(record, state=state, error=_NONCE_TAKEN)
            await self._journal.put_tx(over)
            self._open.pop(record.intent, None)
            if not older:
                ended.append(over)
        return ended

    async def reopen(self, intent: str) -> None:
        """Its block is gone: all transactions of its nonce wait again, the one that offers most in front."""
        mined = self._mined.pop(intent)
        again = replace(mined.record, state=TxState.SENT, block=0, gas_used=0, fee=0, error="")
        newest, *older = sorted((again, *mined.others), key=_price, reverse=True)
        for record in older:
            await self._put(replace(record, intent=_aside(record), state=TxState.REPLACED))
        await self._put(replace(newest, intent=intent, state=TxState.SENT))
        if newest is not again:
            await self._journal.put_tx(replace(newest, error=_KEPT_ABOVE))  # it has the intent's name again

    async def moved(self, record: TxRecord) -> None:
        """It stands in another block than it did."""
        mined = self._mined[record.intent]
        await self._journal.put_tx(record)
        self._mined[record.intent] = replace(mined, record=record)

    async def confirmed(self, record: TxRecord) -> None:
        """It stands so deep that it counts as lasting, and nothing else can take its nonce."""
        if record.state is TxState.MINED:
            await self.moved(replace(record, state=TxState.CONFIRMED))
        for other in self._mined[record.intent].others:
            await self._end(other)
        if record.state is TxState.REVERTED:
            self._mined.pop(record.intent)

    async def _put(self, record: TxRecord) -> None:
        await self._journal.put_tx(record)
        self._open[record.intent] = record

    async def _end(self, record: TxRecord) -> None:
        await self._journal.put_tx(replace(record, error=_NONCE_TAKEN))

    def _forget(self) -> None:
        lasting = [m.record for m in self._mined.values() if m.record.state is TxState.CONFIRMED]
        for record in lasting[: max(0, len(lasting) - REMEMBERED)]:
            del self._mined[record.intent]


def intent_of(record: TxRecord) -> str:
    """The name of what it does, for an older transaction too."""
    return record.intent.partition(OLDER)[0]


def never_left(record: TxRecord) -> bool:
    """It can never be mined: not signed, or refused by the chain node, and then its nonce went to another."""
    refused = record.state is TxState.REVERTED and record.error.startswith(UNTAKEN)
    return refused or record.state is TxState.QUEUED


def _aside(record: TxRecord) -> str:
    return f"{intent_of(record)}{OLDER}{record.hash.hex()[:8]}"


def _price(record: TxRecord) -> int:
    return read_signed(record.raw).max_fee


def call_data(records: Iterable[TxRecord]) -> list[bytes]:
    """What the transactions call the contract with."""
    return [read_signed(record.raw).data for record in records]
