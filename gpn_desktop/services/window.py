"""The settlements in their window: a day of them, so that those at rest are kept in the journal alone.

At rest is a settlement that counts this node and pays it for every record, and about which nobody quarrels:
nearly all of them. Nothing is done about it before its window is over, unless the chain tells more of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gpn_desktop.core.errors import StoreCorrupt
from gpn_desktop.core.types import Address, Gwei, Hash32, Snapshot
from gpn_desktop.ports.chain import Block, Settled, SettlementRecord
from gpn_desktop.ports.store import Store
from gpn_desktop.services.batch import Batch

Decode = Callable[[bytes], Sequence[SettlementRecord]]


@dataclass(frozen=True, slots=True)
class Rest:
    """What is remembered of a settlement at rest. Its records are in the journal, under its key."""

    finalize_at: int
    submitter: Address
    block: Block
    committees: tuple[Snapshot, ...]
    share: Gwei
    extended: Mapping[int, int]


class Window:
    """By key, each in one of two places. A batch from ``get`` is awake until it is put to ``rest`` again."""

    def __init__(self, store: Store, decode: Decode) -> None:
        self.awake: Final[dict[Hash32, Batch]] = {}
        self._resting: dict[Hash32, Rest] = {}
        self._store, self._decode = store, decode
        self._committees: tuple[Snapshot, ...] = ()  # of the latest batch

    def __len__(self) -> int:
        return len(self.awake) + len(self._resting)

    def add(self, batch: Batch) -> None:
        key = batch.settled.key
        self._resting.pop(key, None)
        self.awake[key] = batch

    def remove(self, key: Hash32) -> None:
        self._resting.pop(key, None)
        self.awake.pop(key, None)

    def rest(self, batch: Batch) -> None:
        """From now on the journal alone has its records. Its row there has to be up to date."""
        settled = batch.settled
        if self.awake.get(settled.key) is batch:
            del self.awake[settled.key]
            self._resting[settled.key] = Rest(
                settled.finalize_at,
                settled.submitter,
                settled.block,
                batch.committees,
                batch.share,
                batch.extended,
            )

    async def get(self, key: Hash32) -> Batch | None:
        """The batch, awake; None if no settlement of this key is in its window.

        Raises:
            StoreCorrupt: the journal does not have its records.
        """
        rest = self._resting.get(key)
        if rest is None:
            return self.awake.get(key)
        row = await self._store.settlement(key)
        if self._resting.get(key) is not rest:  # somebody else was quicker
            return self.awake.get(key)
        if row is None or row.finalize_at != rest.finalize_at:
            raise StoreCorrupt("The journal lost a settlement that is in its window.")
        records = self._decode(row.records)
        settled = Settled(key, rest.submitter, rest.finalize_at, records, row.records, rest.block)
        batch = Batch(settled, rest.committees, rest.share)
        batch.extended = rest.extended
        self.add(batch)
        return batch

    async def holding(self, request_id: Hash32) -> Batch | None:
        """The batch with this request in it, awake."""
        for batch in self.awake.values():
            if batch.settled.raw_records.find(request_id) >= 0:  # far quicker than to unpack them all
                return batch
        line = await self._store.ledger_line(request_id)  # each record of one at rest has a line
        rest = None if line is None else self._resting.get(line.key)
        if line is None or rest is None or rest.finalize_at != line.finalize_at:
            return None
        return await self.get(line.key)

    async def wake_finished(self, now: int) -> None:
        """All whose window is over at ``now`` in Unix seconds."""
        for key in [key for key, rest in self._resting.items() if rest.finalize_at <= now]:
            await self.get(key)

    async def wake_since(self, first_block: int) -> None:
        """All that were settled in this block or later."""
        for key in [key for key, rest in self._resting.items() if rest.block.number >= first_block]:
            await self.get(key)

    def oldest_block(self, head: int) -> int:
        """The block of the oldest settlement, ``head`` if there is none."""
        places: list[Settled | Rest] = [batch.settled for batch in self.awake.values()]
        return min([place.block.number for place in (*places, *self._resting.values())] + [head])

    def shares(self) -> Iterator[tuple[Gwei, int]]:
        """What each that pays this node pays it, as it stands, and from when on in Unix seconds."""
        for batch in self.awake.values():
            if batch.share:
                yield batch.share, batch.settled.finalize_at
        for rest in self._resting.values():
            yield rest.share, rest.finalize_at

    def shared(self, committees: list[Snapshot]) -> tuple[Snapshot, ...]:
        """As short as it can be told, and not once for each batch of a day."""
        one = committees[:1]
        told = tuple(one if one * len(committees) == committees else committees)
        if told != self._committees:
            self._committees = told
        return self._committees
