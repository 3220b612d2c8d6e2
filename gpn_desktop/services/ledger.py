"""What this node earned, line by line: kept as the chain tells it, paged, summed and exported."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gpn_desktop.core.errors import FileNotWritten
from gpn_desktop.core.ledger import LedgerRow, Query, Sort, Totals, part_of_fee, total
from gpn_desktop.core.settlement import Shares
from gpn_desktop.core.types import WEI_PER_GWEI, Address, Gwei, Hash32, Wei, hex0x, to_wei
from gpn_desktop.ports.chain import Chain, TxRecord, TxState
from gpn_desktop.ports.clock import Clock
from gpn_desktop.ports.store import Store
from gpn_desktop.services.batch import Batch, name_of
from gpn_desktop.services.fiat import Fiat
from gpn_desktop.services.history import Saver, defused

PAGE: Final = 500
_AMOUNT: Final = re.compile(r"-?[0-9]+\.[0-9]{18}")
WITHDRAW_GAS: Final = 96_000  # 70,089 measured; a payout address that never held anything costs 25,000 more
HEADER: Final = (
    "settled", "request", "settlement", "consumer", "role", "requests", "reward_gwei", "proved_gwei",
    "verified_gwei", "gross_gwei", "gross_eth", "fees_wei", "fees_eth", "net_wei", "net_eth", "state",
    "window_ends", "withdrawn_with",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the ledger with this node's own fees for it, as far as its journal has them."""

    row: LedgerRow
    fees: Wei

    @property
    def net(self) -> Wei:
        return Wei(to_wei(self.row.share) - self.fees)


def lines_of(batch: Batch, me: Address, shares: Shares) -> list[LedgerRow]:
    """A settlement's lines as it stands; those without a share of this node are to be removed."""
    settled = batch.settled
    rows = []
    for index, record in enumerate(settled.records):
        share = batch.share_of(me, index, shares)
        seat = batch.committee(index).members.get(me)
        proved = share if seat == batch.winner(index)[0] else Gwei(0)
        rows.append(
            LedgerRow(
                record.request_id,
                settled.key,
                settled.finalize_at,
                index,
                len(settled.records),
                settled.block.time * 1000,
                settled.block.number,
                record.consumer,
                record.reward,
                proved,
                Gwei(share - proved),
            )
        )
    return rows


@dataclass
class Ledger:
    """Raises of all calls: StoreCorrupt, StoreClosed."""

    store: Store
    clock: Clock
    chain: Chain | None = None
    fiat: Fiat | None = None
    """None where no preferences are kept."""

    async def page(self, query: Query, offset: int, limit: int) -> list[Line]:
        spent: dict[tuple[Hash32, int], Wei] = {}
        return [
            Line(row, await self._fees(row, spent)) for row in await self.store.ledger(query, offset, limit)
        ]

    async def count(self, query: Query) -> int:
        return await self.store.ledger_count(query)

    async def consumers(self) -> list[Address]:
        return await self.store.ledger_consumers()

    async def withdrawal_fee(self) -> Wei:
        """The most that withdrawing takes at the present price; ChainUnreachable. 0 without a chain."""
        return Wei(WITHDRAW_GAS * await self.chain.gas_price()) if self.chain is not None else Wei(0)

    async def withdrawal(self) -> TxRecord | None:
        """The one that is on its way, also from before a restart."""
        number = int.from_bytes(await self.store.get("withdrawals") or b"", "big")
        record = await self.store.tx_by_intent(f"withdraw:{number}")
        waits = record is not None and (record.is_pending or record.state is TxState.QUEUED)
        return record if waits else None

    async def totals(self, bins: list[int]) -> Totals:
        """What was settled since the first bin's begin (Unix ms), by bin, consumer and role."""
        return total(await self.store.ledger_sums(bins[0]), bins)

    async def _fees(self, row: LedgerRow, spent: dict[tuple[Hash32, int], Wei]) -> Wei:
        """The request's part of what was spent on its batch, and what was spent on it alone."""
        batch = name_of(row.key, row.finalize_at)
        known = spent.get((row.key, row.finalize_at))
        if known is None:
            settling = await self.store.get(f"settling:{row.request_id.hex()}")
            known = Wei(
                await self._fee(f"finalize:{batch}")
                + (await self._fee(settling.decode()) if settling else Wei(0))
            )
            spent[row.key, row.finalize_at] = known
        own = [await self._fee(f"{what}:{batch}:{row.place}") for what in ("extend", "supersede")]
        return Wei(part_of_fee(known, row.place, row.of) + sum(own))

    async def _fee(self, intent: str) -> Wei:
        record = await self.store.tx_by_intent(intent)
        return Wei(record.fee) if record is not None else Wei(0)

    async def export(
        self, path: Path, since_ms: int, until_ms: int | None, save: Saver, progress: Callable[[int], None]
    ) -> int:
        """The lines of a time as CSV (RFC 4180, UTF-8), oldest first; how many. Whole or not at all.

        Raises:
            FileNotWritten
        """
        # Up to now and no further: lines that come meanwhile would shift the pages.
        end = until_ms if until_ms is not None else int(self.clock.unix() * 1000) + 1
        query = Query(since_ms=since_ms, until_ms=end, sort=Sort.TIME, descending=False)
        text = io.StringIO()
        out = csv.writer(text)
        out.writerow(HEADER)
        count = 0
        while lines := await self.page(query, count, PAGE):
            out.writerows([_safe(value) for value in _cells(line)] for line in lines)
            count += len(lines)
            progress(count)
        try:
            await asyncio.to_thread(save, path, text.getvalue())
        except OSError as error:
            raise FileNotWritten(f"{path} can't be written: {error.strerror}.") from error
        return count


def _cells(line: Line) -> tuple[object, ...]:
    row = line.row
    gross = to_wei(row.share)
    return (
        _moment(row.settled_ms / 1000), hex0x(row.request_id), hex0x(row.key), hex0x(row.consumer),
        row.part.value, row.of, row.reward, row.proved, row.verified, row.share, exact_eth(gross),
        line.fees, exact_eth(line.fees), line.net, exact_eth(line.net), row.state.value,
        _moment(row.finalize_at), hex0x(row.tx) if row.tx else "",
    )  # fmt: skip


def _safe(value: object) -> object:
    """A loss begins with a minus and is a number all the same."""
    return value if isinstance(value, str) and _AMOUNT.fullmatch(value) else defused(value)


def _moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="seconds")


def exact_eth(amount: Wei) -> str:
    """All 18 digits, a plain point, no grouping: what every program reads alike."""
    sign, amount = ("-", Wei(-amount)) if amount < 0 else ("", amount)
    whole, rest = divmod(amount, WEI_PER_GWEI * 10**9)
    return f"{sign}{whole}.{rest:018d}"
