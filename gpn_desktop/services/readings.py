"""All figures of a node at one instant, for whoever monitors it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from statistics import median
from typing import TYPE_CHECKING, Final

from gpn_desktop.core.types import WEI_PER_GWEI
from gpn_desktop.ports.chain import TxRecord, TxState
from gpn_desktop.services.authority import ChainAuthority
from gpn_desktop.services.meters import LONG, SHORT, Durations, Spread
from gpn_desktop.services.views import Phase

if TYPE_CHECKING:
    from gpn_desktop.services.node import Node

TRANSACTIONS: Final = 500  # the latest, that are looked at

Counted = Mapping[tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class Readings:
    """Counted since the start where it is named after what happened, else as it is now; see ``Meters``.

    Attributes:
        open: requests in work, by phase.
        transactions: the latest ``TRANSACTIONS`` of the journal, by state.
        drops: what the network dropped, by reason (see ``ports.network.Drops``).
        earned: gwei, by where it is: in_window, claimable or withdrawn; a reorganisation can take some back.
        fees: gwei of gas paid.
        round_trips: seconds, by quantile, of the peers that answered a ping.
        chain_head_age: seconds since the head's time; None without a chain, or before its first block.
    """

    version: str = ""
    network: str = ""
    runtime: str = ""
    received: Counted = field(default_factory=dict)
    refused: Counted = field(default_factory=dict)
    outcomes: Counted = field(default_factory=dict)
    open: Counted = field(default_factory=dict)
    attempts: Counted = field(default_factory=dict)
    declines: Counted = field(default_factory=dict)
    votes: Counted = field(default_factory=dict)
    votes_refused: int = 0
    contradictions: int = 0
    faults: Counted = field(default_factory=dict)
    verdicts: Spread = Durations(LONG).spread
    proving: Spread = Durations(LONG).spread
    verifying: Spread = Durations(SHORT).spread
    transactions: Counted = field(default_factory=dict)
    earned: Mapping[str, float] = field(default_factory=dict)
    fees: float = 0.0
    drops: Counted = field(default_factory=dict)
    bans: int = 0
    host_restarts: int = 0
    peers: int = 0
    round_trips: Mapping[str, float] = field(default_factory=dict)
    chain_up: bool | None = None
    chain_head: int = 0
    chain_head_age: float | None = None
    proofs_in_work: int = 0
    capacity: int = 0
    paused: bool = False
    workers: int = 0
    alerts: int = 0
    store_bytes: int = 0


async def read(node: Node) -> Readings:
    """Raises StoreClosed, StoreCorrupt."""
    ctx, meters = node.ctx, node.ctx.meters
    records = await ctx.store.recent_txs(TRANSACTIONS)
    store_bytes = await asyncio.to_thread(meters.gauges.store_bytes)
    view = node.view()
    earnings = view.earnings
    chain = node.authority if isinstance(node.authority, ChainAuthority) else None
    return Readings(
        version=view.version,
        network=view.network,
        runtime=view.runtime,
        received=dict(meters.received),
        refused=dict(meters.refused),
        outcomes=dict(meters.outcomes),
        open=_open(node),
        attempts=dict(meters.attempts),
        declines=dict(meters.declines),
        votes=dict(meters.votes),
        votes_refused=meters.votes_refused,
        contradictions=meters.contradictions,
        faults=dict(meters.faults),
        verdicts=meters.verdicts.spread,
        proving=meters.proving.spread,
        verifying=meters.verifying.spread,
        transactions=_by_state(records),
        earned={
            "in_window": float(earnings.in_window),
            "claimable": float(earnings.claimable),
            "withdrawn": earnings.withdrawn / WEI_PER_GWEI,
        },
        fees=earnings.fees / WEI_PER_GWEI,
        drops={(f.name,): getattr(view.drops, f.name) for f in fields(view.drops)},
        bans=len(view.bans),
        host_restarts=meters.gauges.host_restarts(),
        peers=view.peers,
        round_trips=_round_trips(node),
        chain_up=view.chain_up if chain is not None else None,
        chain_head=view.head,
        chain_head_age=_age(node, chain),
        proofs_in_work=view.running,
        capacity=ctx.options.capacity + ctx.runtime.elsewhere(),
        paused=view.paused,
        workers=len(view.workers),
        alerts=len(view.alerts),
        store_bytes=store_bytes,
    )


def _open(node: Node) -> Counted:
    """Every phase that is not an end is there, so that a graph falls to 0 and does not just break off."""
    found = Counter(entry.phase for entry in node.book.entries.values() if not entry.over)
    return {(phase.value,): found[phase] for phase in Phase if not phase.ended and phase is not Phase.SETTLED}


def _by_state(records: list[TxRecord]) -> Counted:
    found = Counter(record.state for record in records)
    return {(state.value,): found[state] for state in TxState}


def _round_trips(node: Node) -> Mapping[str, float]:
    took = [peer.latency_ms / 1000 for peer in node.peers() if peer.latency_ms is not None]
    return {"0": min(took), "0.5": median(took), "1": max(took)} if took else {}


def _age(node: Node, chain: ChainAuthority | None) -> float | None:
    if chain is None or not chain.time.block_time:
        return None
    return node.ctx.clock.unix() - chain.time.block_time
