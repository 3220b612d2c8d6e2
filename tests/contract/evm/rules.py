"""What the contract must say to a settlement, written down a second time, from contract.md and by itself.

It works on the bytes that the contract gets. It is for settlements of one consumer in one snapshot in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gpn_desktop.adapters.chain import bindings as gpn
from gpn_desktop.core.eip712 import BadSignature, digest, recover
from gpn_desktop.core.types import Address, BatchVote, Domain, Hash32, Request, Role, Signature, Vote
from tests.contract.evm.pool import Committee

VOTE: Final = 65


@dataclass(frozen=True, slots=True)
class Offer:
    """An entry before it is packed; ``votes`` and the consumer's ``signature`` as the contract gets them."""

    request: Request
    signature: bytes
    prover: int
    vote: Vote
    votes: bytes


@dataclass(slots=True)
class Verdict:
    """Why the call is refused, or why an entry was left out, and which seats count for the others."""

    refusal: str = ""
    skipped: dict[int, str] = field(default_factory=dict)
    counted: list[int] = field(default_factory=list)
    tipped: list[bool] = field(default_factory=list)


def signer(hash32: Hash32, compacted: bytes) -> Address | None:
    """Of an EIP-2098 signature."""
    v = 27 + (compacted[32] >> 7)
    s = bytes([compacted[32] & 0x7F]) + compacted[33:]
    try:
        return recover(hash32, Signature(compacted[:32] + s + bytes([v])))
    except BadSignature:
        return None


def tally(hash32: Hash32, votes: bytes, committee: Committee) -> set[int] | None:
    """The seats that signed; None if anything about the votes is wrong."""
    if len(votes) % VOTE:
        return None
    last, seen = -1, set()
    for at in range(0, len(votes), VOTE):
        seat = votes[at]
        if not last < seat < len(committee.keys):
            return None
        if signer(hash32, votes[at + 1 : at + VOTE]) != committee.member(seat):
            return None
        seen.add(seat)
        last = seat
    return seen


@dataclass(slots=True)
class Court:
    """The rules, with what a consumer has and has used up."""

    domain: Domain
    params: gpn.Params
    committee: Committee
    now: int
    sender: Address
    balance: int
    used: set[int] = field(default_factory=set)

    def settle(self, offers: Sequence[Offer]) -> Verdict:
        verdict = Verdict()
        for index, offer in enumerate(offers):
            reason = self._opened(offer)
            seats = tally(digest(offer.vote, self.domain), offer.votes, self.committee)
            able = set(self.committee.verifiers(offer.prover))
            if not reason and (seats is None or not seats <= able):
                reason = "BadVotes"
            self._rule(verdict, index, offer, reason, seats or set())
        return self._closed(verdict)

    def attested(self, offers: Sequence[Offer], signatures: bytes) -> Verdict:
        """By one signature of each verifier over all entries, those that are left out too."""
        reasons = [self._opened(offer) for offer in offers]
        known = [
            Hash32(bytes(32)) if reason == "BadProver" else digest(offer.vote, self.domain)
            for offer, reason in zip(offers, reasons, strict=True)
        ]
        seats = tally(digest(BatchVote(tuple(known)), self.domain), signatures, self.committee)
        if seats is None or not all(self.committee.roles[seat] & Role.VERIFY for seat in seats):
            return Verdict("BadVotes")
        verdict = Verdict()
        for index, (offer, reason) in enumerate(zip(offers, reasons, strict=True)):
            self._rule(verdict, index, offer, reason, seats - {offer.prover})
        return self._closed(verdict)

    @staticmethod
    def _closed(verdict: Verdict) -> Verdict:
        if verdict.counted:
            return verdict
        return replace(verdict, refusal=f"NothingSettled({verdict.skipped[0]})", skipped={})

    def _opened(self, offer: Offer) -> str:
        """What is wrong with an entry before anybody looks at votes."""
        request, params = offer.request, self.params
        if offer.prover not in self.committee.provers:
            return "BadProver"
        if self.now > request.deadline + params.settle_grace:
            return "RequestExpired"
        if request.deadline > self.now + params.max_lifetime:
            return "DeadlineTooFar"
        if request.reward < params.min_reward_gwei:
            return "RewardTooSmall"
        electorate = len(self.committee.verifiers(offer.prover))
        if not electorate // 2 + 1 <= request.quorum <= electorate:
            return "QuorumOutOfRange"
        if signer(digest(request, self.domain), offer.signature) != request.consumer:
            return "BadConsumerSignature"
        return ""

    def _rule(self, verdict: Verdict, index: int, offer: Offer, reason: str, seats: set[int]) -> None:
        reason = reason or self._accepted(offer, seats)
        if reason:
            verdict.skipped[index] = reason
            return
        self.used.add(offer.request.nonce)
        self.balance -= offer.request.reward
        late = self.now >= offer.request.deadline + self.params.settle_delay
        verdict.counted.append(sum(1 << seat for seat in seats))
        verdict.tipped.append(late and self.sender != self.committee.member(offer.prover))

    def _accepted(self, offer: Offer, seats: set[int]) -> str:
        request = offer.request
        if len(seats) < request.quorum:
            return "QuorumNotMet"
        if self.sender not in {self.committee.member(seat) for seat in range(len(self.committee.keys))}:
            return "NotMember"
        if request.nonce in self.used:
            return "NonceUsed"
        if request.nonce > 127:  # of a consumer that nothing was settled for before
            return "NonceTooFar"
        return "InsufficientBalance" if request.reward > self.balance else ""
