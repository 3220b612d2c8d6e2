"""What the store keeps of an open request besides what was said: the order that counts, a proof begun."""

from __future__ import annotations

from gpn_desktop.core.events import OrderKnown
from gpn_desktop.core.selection import ranking
from gpn_desktop.core.types import Hash32, Millis, Snapshot
from gpn_desktop.ports.store import Store
from gpn_desktop.services.entry import Entry


def proving_mark(request_id: Hash32) -> str:
    return f"proving:{request_id.hex()}"


async def pin(store: Store, entry: Entry) -> None:
    """Keep the order that a request has: a proof was announced under it, or this node signs something.

    The chain may reorganise under a node that is down. A node that computed the order anew from the new
    branch would not know its own announcement and votes for what they are, and could contradict them.
    """
    order = entry.job.order
    if order is not None and not entry.pinned:
        await store.set(_order_mark(entry.id), order.seed + order.t0.to_bytes(8, "big"))
        entry.pinned = True


async def pinned_order(store: Store, request_id: Hash32, snapshot: Snapshot) -> OrderKnown | None:
    """The order that was pinned; None where nobody had announced a proof yet."""
    kept = await store.get(_order_mark(request_id))
    if kept is None:
        return None
    seed = Hash32(kept[:32])
    return OrderKnown(seed, ranking(seed, snapshot), Millis(int.from_bytes(kept[32:], "big")))


def _order_mark(request_id: Hash32) -> str:
    return f"order:{request_id.hex()}"
