"""Counting opinions: a verdict follows from the votes alone, never from a wait (protocol.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from gpn_desktop.core.messages import CastVote
from gpn_desktop.core.types import Address


class Verdict(Enum):
    OPEN = "open"
    VALID = "valid"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Tally:
    """The opinions on one (prover, proofHash): by voter, and who contradicted itself on it."""

    opinions: Mapping[Address, CastVote] = field(default_factory=dict)
    equivocators: frozenset[Address] = frozenset()

    def add(self, cast: CastVote) -> Tally:
        """The tally with this vote; the same tally for a repetition, and for a known equivocator."""
        voter = cast.signed.signer
        known = self.opinions.get(voter)
        if voter in self.equivocators:
            return self
        if known is None:
            return replace(self, opinions={**self.opinions, voter: cast})
        if known.signed.message.valid == cast.signed.message.valid:
            return self
        rest = {a: c for a, c in self.opinions.items() if a != voter}
        return Tally(rest, self.equivocators | {voter})

    def count(self, valid: bool) -> int:
        return sum(c.signed.message.valid == valid for c in self.opinions.values())

    def valid_votes(self) -> tuple[CastVote, ...]:
        return tuple(c for c in self.opinions.values() if c.signed.message.valid)


def verdict(tally: Tally, verifiers: int, quorum: int) -> Verdict:
    """The verdict of a committee with ``verifiers`` members in V.

    A proven equivocator counts on neither side. Since the quorum is a majority of V, no two contradicting
    verdicts on one proof can both exist; for two proofs of one request see ``job``.
    """
    if tally.count(True) >= quorum:
        return Verdict.VALID
    if verifiers - tally.count(False) - len(tally.equivocators) < quorum:
        return Verdict.DOWN
    return Verdict.OPEN
