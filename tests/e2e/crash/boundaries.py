"""Every boundary of the journal: before a write, after it and before its effect, after the effect.

Of a word to the network the write is ``keep:own:…`` and the effect ``publish:…``. Of a transaction there are
three writes: ``signed`` is its journal entry, then it leaves, then ``sent`` notes that it has left; so
*before sent* is after the effect and before it is noted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Part(Enum):
    """What the falling node does for the request."""

    GATEWAY = "gateway"
    PROVER = "prover"
    DECLINER = "decliner"  # it fell while proving before, and says so
    VERIFIER = "verifier"
    SETTLER = "settler"  # the prover, from the verdict on
    ATTESTER = "attester"  # a verifier that is asked for one signature over two votes
    LATE_VOTER = "late voter"  # it was away when the others had their verdict
    PAID = "paid"  # the prover, after the window
    NEWCOMER = "newcomer"


@dataclass(frozen=True, slots=True)
class Boundary:
    """``number``: at which write of the kind. ``usual``: part of the default suite."""

    part: Part
    when: str
    kind: str
    what: str
    number: int = 1
    usual: bool = False

    @property
    def name(self) -> str:
        again = f"-{self.number}" if self.number > 1 else ""
        return f"{self.part.value}-{self.when}-{self.kind}{again}".replace(" ", "-")


_P = Part
BOUNDARIES: Final = (
    Boundary(_P.GATEWAY, "before", "put_blob", "a request has come in, and nothing of it is kept"),
    Boundary(_P.GATEWAY, "after", "put_blob", "the payload is kept, the request is not"),
    Boundary(_P.GATEWAY, "before", "keep:own:RequestMessage", "admitted, and not in the journal"),
    Boundary(_P.GATEWAY, "after", "keep:own:RequestMessage", "kept, and nobody knows of it", usual=True),
    Boundary(_P.GATEWAY, "after", "put_job", "kept with its summary, and not sent"),
    Boundary(_P.GATEWAY, "after", "publish:RequestMessage", "sent, and its client has no answer"),
    Boundary(_P.PROVER, "before", "keep:others:RequestMessage", "a request was heard of"),
    Boundary(_P.PROVER, "after", "keep:others:RequestMessage", "a request is kept, its payload is not"),
    Boundary(_P.PROVER, "before", "set:proving", "its turn has come"),
    Boundary(_P.PROVER, "after", "set:proving", "it has begun to prove: the next one takes over", usual=True),
    Boundary(_P.PROVER, "before", "put_blob", "the proof is made, and not kept", 2),
    Boundary(_P.PROVER, "after", "put_blob", "the proof is kept, and not announced", 2),
    Boundary(_P.PROVER, "before", "set:order", "the order it announces under is not pinned"),
    Boundary(_P.PROVER, "before", "keep:own:AnnouncementMessage", "signed, and not in the journal"),
    Boundary(_P.PROVER, "after", "keep:own:AnnouncementMessage", "kept, and nobody knows of it", usual=True),
    Boundary(_P.PROVER, "after", "set:proving:done", "announced to itself, the mark of its turn is gone"),
    Boundary(_P.PROVER, "after", "publish:AnnouncementMessage", "announced to everybody", usual=True),
    Boundary(_P.DECLINER, "before", "keep:own:DeclineMessage", "signed, and not in the journal"),
    Boundary(_P.DECLINER, "after", "keep:own:DeclineMessage", "kept, and nobody knows of it"),
    Boundary(_P.DECLINER, "after", "publish:DeclineMessage", "declined to everybody"),
    Boundary(_P.VERIFIER, "after", "keep:others:AnnouncementMessage", "it knows of a proof"),
    Boundary(_P.VERIFIER, "before", "keep:own:VotesMessage", "signed, and not in the journal", usual=True),
    Boundary(_P.VERIFIER, "after", "keep:own:VotesMessage", "kept, and nobody knows of it", usual=True),
    Boundary(_P.VERIFIER, "after", "publish:VotesMessage", "voted before everybody", usual=True),
    Boundary(_P.VERIFIER, "after", "keep:others:VotesMessage", "another's vote is kept"),
    Boundary(_P.VERIFIER, "after", "put_settlement", "it knows of the settlement and its share"),
    Boundary(_P.VERIFIER, "after", "put_ledger", "its share has a line in the ledger"),
    Boundary(_P.VERIFIER, "after", "set:from_block", "the place on the chain was noted"),
    Boundary(_P.ATTESTER, "before", "set:attested", "a signature over two votes is not in the journal"),
    Boundary(_P.ATTESTER, "after", "set:attested", "it is, and has not left", usual=True),
    Boundary(_P.SETTLER, "before", "set:settling", "there is a verdict, and the settlement has no name"),
    Boundary(_P.SETTLER, "after", "set:settling", "it has a name, and no transaction"),
    Boundary(_P.SETTLER, "before", "tx:settle:signed", "signed, and not in the journal"),
    Boundary(_P.SETTLER, "after", "tx:settle:signed", "in the journal, and not sent", usual=True),
    Boundary(_P.SETTLER, "before", "tx:settle:sent", "sent, and the journal does not know", usual=True),
    Boundary(_P.SETTLER, "after", "tx:settle:sent", "sent, and no receipt was seen"),
    Boundary(_P.SETTLER, "before", "tx:settle:mined", "a receipt was seen, and is not in the journal"),
    Boundary(_P.SETTLER, "after", "tx:settle:mined", "settled, and what it cost was not added up"),
    Boundary(_P.SETTLER, "before", "set:fees", "the same, a step further"),
    Boundary(_P.SETTLER, "after", "tx:settle:confirmed", "settled for good"),
    Boundary(_P.LATE_VOTER, "after", "tx:extend:signed", "a vote that was left out is on its way"),
    Boundary(_P.LATE_VOTER, "before", "tx:extend:sent", "it has left, and the journal does not know"),
    Boundary(_P.LATE_VOTER, "before", "tx:extend:mined", "a receipt was seen, and is not in the journal"),
    Boundary(_P.PAID, "before", "tx:finalize:signed", "the window is over, and nothing was signed"),
    Boundary(_P.PAID, "after", "tx:finalize:signed", "in the journal, and not sent"),
    Boundary(_P.PAID, "before", "tx:finalize:sent", "sent, and the journal does not know", usual=True),
    Boundary(_P.PAID, "before", "put_settlement:finalized", "paid, and the journal does not know"),
    Boundary(_P.PAID, "after", "put_settlement:finalized", "the journal knows, the ledger does not"),
    Boundary(_P.PAID, "after", "ledger_paid", "the ledger knows, the request's summary does not"),
    Boundary(_P.PAID, "after", "tx:withdraw:signed", "the reward's withdrawal is signed, and not sent"),
    Boundary(_P.PAID, "before", "tx:withdraw:sent", "sent, and the journal does not know", usual=True),
    Boundary(_P.PAID, "before", "set:withdrawals", "withdrawn, and the next one has the same name still"),
    Boundary(_P.PAID, "before", "put_withdrawal", "it is on the chain, and not in the list"),
    Boundary(_P.PAID, "after", "put_withdrawal", "it is in the list, and not in the ledger"),
    Boundary(_P.PAID, "after", "ledger_withdrawn", "it is in the ledger"),
    Boundary(_P.NEWCOMER, "before", "set:begins", "a journal without a beginning"),
    Boundary(_P.NEWCOMER, "after", "tx:register:signed", "its stake is on its way, and has not left"),
    Boundary(_P.NEWCOMER, "before", "tx:register:sent", "its stake has left, and the journal does not know"),
    Boundary(_P.NEWCOMER, "before", "tx:commit:sent", "its commitment has left, unknown to the journal"),
)

NO_BOUNDARY: Final = {
    "keep:others:DeclineMessage": "another's word, which its author says again; it is kept like their votes",
    "tx:register:mined": "a receipt can be asked for again, as tx:settle:mined shows",
    "tx:register:confirmed": "as tx:settle:confirmed",
    "tx:commit:signed": "as tx:register:signed",
    "tx:commit:mined": "as tx:settle:mined",
    "tx:commit:confirmed": "as tx:settle:confirmed",
    "tx:extend:confirmed": "as tx:settle:confirmed",
    "tx:finalize:mined": "as tx:settle:mined",
    "tx:finalize:confirmed": "as tx:settle:confirmed",
    "tx:finalize:reverted": "another member was first; nothing is left to do",
    "tx:settle:reverted": "another member was first; nothing is left to do",
    "tx:withdraw:mined": "as tx:settle:mined",
    "tx:withdraw:confirmed": "as tx:settle:confirmed",
    "set:suspects": "a list of what to look at again; the evidence is in the statements",
    "ledger_undo": "the same lines are gone whenever it is done",
    "forget_blobs": "what is not removed now is removed an hour later",
}
"""Writes of which there is nothing to show: why."""


def listed() -> set[str]:
    """All kinds of writes and words that are accounted for."""
    return {boundary.kind for boundary in BOUNDARIES} | NO_BOUNDARY.keys()
