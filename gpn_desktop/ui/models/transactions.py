"""This node's transactions as lines, in the operator's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpn_desktop.core.types import Wei, hex0x, short
from gpn_desktop.ui import text
from gpn_desktop.ui.models.phases import tx_look
from gpn_desktop.ui.models.table import Cell, Column
from gpn_desktop.ui.text import marked, tr

if TYPE_CHECKING:
    from gpn_desktop.ports.chain import TxRecord

# By the first word of an intent.
_WHAT = {
    "register": marked("Register and stake"),
    "commit": marked("Commit to a consumer"),
    "uncommit": marked("Take a commitment back"),
    "renew": marked("Renew a commitment"),
    "settle": marked("Settle verified requests"),
    "extend": marked("Add this node’s vote"),
    "supersede": marked("Contest a settlement"),
    "finalize": marked("Pay a settlement out"),
    "withdraw": marked("Withdraw rewards"),
    "withdraw-stake": marked("Withdraw the stake"),
    "unbond": marked("Leave the network"),
    "transfer": marked("Send ETH"),
    "payout": marked("Change the payout address"),
    "evict": marked("Remove a slashed member"),
    "slash": marked("Report a contradiction"),
    "suspend": marked("Report a refuted proof"),
    "forfeit": marked("Report a blind signature"),
}


def what(intent: str) -> str:
    """What a transaction is for; an intent of a later version shows as it is."""
    first = intent.partition(":")[0]
    return tr(_WHAT[first]) if first in _WHAT else first.capitalize()


def _what_cell(record: TxRecord) -> Cell:
    return Cell(what(record.intent), tip=record.intent)


def _state_cell(record: TxRecord) -> Cell:
    look = tx_look(record.state)
    return Cell(look.word, tone=look.tone, icon=look.icon, tip=record.error, after=record.error)


def _hash_cell(record: TxRecord) -> Cell:
    if not any(record.hash):
        return Cell("–", tone="muted")
    return Cell(short(record.hash), mono=True, tip=hex0x(record.hash))


def _block_cell(record: TxRecord) -> Cell:
    return Cell(f"{record.block:,}" if record.block else "–", tone="text" if record.block else "muted")


def _fee_cell(record: TxRecord) -> Cell:
    if not record.fee:
        return Cell("–", tone="muted")
    return Cell(text.eth_of_wei(Wei(record.fee)), tip=text.exact_wei(Wei(record.fee)))


def transaction_columns() -> list[Column[TxRecord]]:
    return [
        Column(tr("What"), _what_cell, 220),
        Column(tr("State"), _state_cell, 0),
        Column(tr("Transaction"), _hash_cell, 140),
        Column(tr("Block"), _block_cell, 90, right=True),
        Column(tr("Fee, ETH"), _fee_cell, 140, right=True),
    ]
