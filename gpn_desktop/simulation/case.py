"""One request on one node of a run, in memory: gone with a crash, and made again from the journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from gpn_desktop.core import events as ev
from gpn_desktop.core.job import Job, ProofKey
from gpn_desktop.core.messages import CastVote, RequestMessage
from gpn_desktop.core.types import Hash32
from gpn_desktop.simulation.chain import GRACE_MS

LINGER_MS = 60_000
"""How long after its deadline a request without a verdict is still talked about."""


@dataclass(eq=False)
class Case:
    """``received`` by the node's own clock. ``timer`` numbers the wake-ups, of which only the last counts."""

    message: RequestMessage
    job: Job
    received: int
    chance: Random
    late: bool = False
    refused: bool = False
    recheck: bool = False
    paid: bool = False
    settling: bool = False
    timer: int = 0
    proving: int = 0  # numbers the proofs begun; another number means that the one in work was given up
    present: set[Hash32] = field(default_factory=set)
    fetching: set[Hash32] = field(default_factory=set)
    copied: set[Hash32] = field(default_factory=set)  # proofs on which a copier repeated a vote
    unproven: dict[ProofKey, list[CastVote]] = field(default_factory=dict)

    @property
    def id(self) -> Hash32:
        return self.message.request_id

    def open(self, now: int) -> bool:
        """Whether something can still come of it."""
        deadline = self.job.request.deadline * 1000
        if self.paid or self.refused or self.job.cancelled:
            return False
        if self.job.accepted is not None:
            return now <= deadline + GRACE_MS + LINGER_MS
        return now <= deadline + LINGER_MS

    def vouched(self) -> bool:
        """Whether a member that was on time has said something about it (protocol.md, Selection)."""
        for event in self.job.held:
            signer = event.cast.signed.signer if isinstance(event, ev.Voted) else event.signed.signer
            if signer in self.job.snapshot.members and signer != self.job.mine.address:
                return True
        return False
