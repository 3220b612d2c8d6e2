"""Would I have earned? The past of a consumer, from the chain, with this machine in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gpn_desktop.core.errors import NotTriedYet
from gpn_desktop.core.replay import Outlook, Past, Terms, replay
from gpn_desktop.core.selection import weight_of
from gpn_desktop.core.settlement import Shares
from gpn_desktop.core.trial import Measured
from gpn_desktop.core.types import Address, Wei
from gpn_desktop.ports.chain import Chain, SettlementRecord
from gpn_desktop.services.authority import ChainAuthority

CHUNK: Final = 2_000  # blocks between two steps of the progress
MOST_BLOCKS: Final = 300_000  # a chain of fast blocks is read for a shorter time
DAY: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Wanted:
    """``watts`` while it works; ``price`` of a kWh in millionths of the operator's currency."""

    consumer: Address
    days: int
    stake: Wei
    turn_seconds: float
    watts: int = 0
    price: int = 0


@dataclass
class Replay:
    me: Address
    chain: Chain
    authority: ChainAuthority
    batch: int = 1
    """How many requests this node settles at a time."""

    async def run(
        self, wanted: Wanted, measured: Measured | None, progress: Callable[[int, int], None]
    ) -> Outlook:
        """``progress`` gets the blocks that were read, and how many there are; may be cancelled.

        Raises:
            NotTriedYet: nothing is known of this machine's speed with the consumer's image.
            ChainUnreachable
        """
        if measured is None or measured.prove is None or measured.verify is None:
            raise NotTriedYet("This machine’s speed with the consumer’s image is not known.")
        params = await self.authority.params()
        past = await self._past(wanted, progress)
        shares = Shares(params.prover_bps, params.inclusion_bps, params.verifier_bps, params.tip)
        terms = Terms(
            weight_of(wanted.stake, params.min_stake), measured.prove.worst, measured.verify.median,
            wanted.turn_seconds, shares, await self.chain.gas_price(), self.batch, wanted.watts,
            wanted.price,
        )  # fmt: skip
        return replay(past, terms)

    async def _past(self, wanted: Wanted, progress: Callable[[int, int], None]) -> list[Past]:
        head = await self.chain.head()
        first = await self._first_since(head.time - wanted.days * DAY, head.number)
        total = head.number - first + 1
        found: list[Past] = []
        for start in range(first, head.number + 1, CHUNK):
            end = min(start + CHUNK - 1, head.number)
            for record in await self.chain.settled(wanted.consumer, start, end):
                found += await self._committee(record)
            progress(end - first + 1, total)
        return found

    async def _committee(self, record: SettlementRecord) -> list[Past]:
        snapshot = await self.chain.snapshot(record.consumer, record.snapshot_id)
        return [] if snapshot is None else [Past.of(record.reward, snapshot, self.me)]

    async def _first_since(self, time: int, head: int) -> int:
        """The first block of that time or later, by halving; not further back than is read at once."""
        low, high = max(0, head - MOST_BLOCKS + 1), head
        while low < high:
            middle = (low + high) // 2
            block = await self.chain.block(middle)
            if block is not None and block.time >= time:
                high = middle
            else:
                low = middle + 1
        return low
