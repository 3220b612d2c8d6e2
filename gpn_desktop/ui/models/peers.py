"""Connected peers as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpn_desktop.core.types import hex0x, short
from gpn_desktop.ui.models.table import Cell, Column
from gpn_desktop.ui.text import plural, tr

if TYPE_CHECKING:
    from gpn_desktop.ports.network import PeerInfo

SLOW_MS = 500.0
LOW_SCORE = 0.0


def _peer_cell(peer: PeerInfo) -> Cell:
    return Cell(short(peer.peer), mono=True, tip=hex0x(peer.peer))


def _address_cell(peer: PeerInfo) -> Cell:
    return Cell(peer.address, mono=True, tone="muted", tip=peer.address)


def _latency_cell(peer: PeerInfo) -> Cell:
    if peer.latency_ms is None:
        return Cell("–", tone="muted", tip=tr("Not measured yet."))
    words = tr("{n} ms").format(n=f"{peer.latency_ms:.0f}")
    return Cell(words, tone="warn" if peer.latency_ms > SLOW_MS else "text")


def _score_cell(peer: PeerInfo) -> Cell:
    tip = tr("Sinks with every invalid message; a peer that sinks too low is dropped and banned for a time.")
    return Cell(f"{peer.score:.0f}", tone="bad" if peer.score < LOW_SCORE else "text", tip=tip)


def _topics_cell(peer: PeerInfo) -> Cell:
    tip = "\n".join(hex0x(consumer) for consumer in peer.consumers)
    return Cell(plural(len(peer.consumers), tr("consumer"), tr("consumers")), tone="muted", tip=tip)


def peer_columns() -> list[Column[PeerInfo]]:
    return [
        Column(tr("Operator"), _peer_cell, 150),
        Column(tr("Address"), _address_cell, 0),
        Column(tr("Round trip"), _latency_cell, 110, right=True),
        Column(tr("Score"), _score_cell, 80, right=True),
        Column(tr("In common"), _topics_cell, 130, right=True),
    ]
