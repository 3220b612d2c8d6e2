"""Banned peers and what was dropped, as lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final

from gpn_desktop.core.refusals import Ban, Drops
from gpn_desktop.core.types import hex0x, short
from gpn_desktop.ui.models.table import Cell, Column
from gpn_desktop.ui.text import left, tr


@dataclass(frozen=True, slots=True)
class DropLine:
    """How much was dropped for one reason; ``reason`` is a field of ``Drops``."""

    reason: str
    count: int


def lines_of(drops: Drops) -> list[DropLine]:
    """The reasons for which something was dropped, the most frequent first."""
    lines = [DropLine(field.name, getattr(drops, field.name)) for field in fields(drops)]
    return sorted((line for line in lines if line.count), key=lambda line: (-line.count, line.reason))


WORDS: Final[dict[str, Callable[[], tuple[str, str]]]] = {
    "full": lambda: (
        tr("Too busy"),
        tr("The oldest messages that waited for this node. It is too slow for what it hears."),
    ),
    "flood": lambda: (tr("Flood of a peer"), tr("More messages than one peer may hand over.")),
    "author": lambda: (tr("Flood of an author"), tr("More messages than one operator may say.")),
    "stranger": lambda: (
        tr("Strangers"),
        tr("Messages of operators outside of the committees, above the little that they may say."),
    ),
    "malformed": lambda: (
        tr("Invalid"),
        tr("Messages that are none of this protocol’s, or signed by another than they say."),
    ),
    "stale": lambda: (tr("Too old"), tr("Messages of the past, or of a clock that is far ahead.")),
    "misplaced": lambda: (
        tr("Out of place"),
        tr("Messages on another topic than their own, or by another than their author."),
    ),
    "banned": lambda: (tr("By banned peers"), tr("Messages from or by peers that are banned.")),
    "control": lambda: (
        tr("Gossip’s own notes"),
        tr("Topics and message ids that are none of this network’s, or too many of them."),
    ),
    "streams": lambda: (
        tr("Direct requests"),
        tr("Requests for proofs, histories or signatures: too many at a time, or no requests at all."),
    ),
    "connections": lambda: (
        tr("Connections"),
        tr("Calls of a banned peer, or of a host that has enough connections already."),
    ),
}


def _what_cell(line: DropLine) -> Cell:
    return Cell(WORDS[line.reason]()[0], tone="warn" if line.reason == "full" else "text")


def _why_cell(line: DropLine) -> Cell:
    return Cell(WORDS[line.reason]()[1], tone="muted")


def _count_cell(line: DropLine) -> Cell:
    return Cell(f"{line.count:,}")


def drop_columns() -> list[Column[DropLine]]:
    return [
        Column(tr("What"), _what_cell, 180),
        Column(tr("Why"), _why_cell, 0),
        Column(tr("Since the start"), _count_cell, 130, right=True),
    ]


def _peer_cell(ban: Ban) -> Cell:
    return Cell(short(ban.peer), mono=True, tip=hex0x(ban.peer))


def _reason_cell(ban: Ban) -> Cell:
    return Cell(ban.reason, tone="muted")


def _end_cell(ban: Ban) -> Cell:
    return Cell(left(int(ban.until)))


def ban_columns() -> list[Column[Ban]]:
    return [
        Column(tr("Operator"), _peer_cell, 150),
        Column(tr("Why"), _reason_cell, 0),
        Column(tr("Ends"), _end_cell, 130, right=True),
    ]
