"""The consumers that this node knows, with the state of their images on this machine."""

from __future__ import annotations

from gpn_desktop.core.types import hex0x, short
from gpn_desktop.services.views import ConsumerView
from gpn_desktop.ui import text
from gpn_desktop.ui.models.phases import image_look
from gpn_desktop.ui.models.table import Cell, Column
from gpn_desktop.ui.text import tr


def _name_cell(consumer: ConsumerView) -> Cell:
    digest = f"sha256:{consumer.image_digest.hex()}"
    return Cell(
        short(consumer.address),
        sub=f"{consumer.image_name}@{digest[:11]}…{digest[-2:]}",
        mono=True,
        tip=f"{hex0x(consumer.address)}\n{consumer.image_name}\n{digest}",
    )


def _image_cell(consumer: ConsumerView) -> Cell:
    look = image_look(consumer.image_state)
    return Cell(look.word, tone=look.tone, icon=look.icon)


def _committed_cell(consumer: ConsumerView) -> Cell:
    if consumer.committed:
        return Cell(tr("Committed"), tone="good", icon="check")
    return Cell(tr("Not committed"), tone="muted", icon="dash")


def consumer_columns() -> list[Column[ConsumerView]]:
    return [
        Column(tr("Consumer"), _name_cell, 0),
        Column(
            tr("Balance, ETH"),
            lambda c: Cell(text.eth(c.balance), tip=text.exact_gwei(c.balance)),
            140,
            right=True,
        ),
        Column(
            tr("Committee"),
            lambda c: Cell(str(c.committee), tip=tr("Snapshot {n}").format(n=c.snapshot_id)),
            96,
            right=True,
        ),
        Column(tr("This node"), _committed_cell, 140),
        Column(tr("Image on this machine"), _image_cell, 190),
    ]
