"""What the statements about one request prove against their signers (contract.md, Faults). Pure.

Two kinds: a contradiction, which costs stake, and a proof that more than two thirds of V voted down, which
costs the seat of its prover and of whoever signed that it was valid. Everything here is signed; what is found
can be shown to the contract as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gpn_desktop.core.messages import AnnouncementMessage, PeerMessage, Signed, VotesMessage
from gpn_desktop.core.types import Address, Announcement, Hash32, Snapshot, Vote


@dataclass(frozen=True, slots=True)
class Equivocation:
    """Opposite opinions of a verifier on one proof, maybe in different attempts."""

    member: Address
    valid: Signed[Vote]
    invalid: Signed[Vote]


@dataclass(frozen=True, slots=True)
class TwoProofs:
    """A prover announced two proofs of one request."""

    member: Address
    first: Signed[Announcement]
    second: Signed[Announcement]


@dataclass(frozen=True, slots=True)
class Refuted:
    """A prover's announced proof, and the votes against it: of more than two thirds of V, in seat order."""

    member: Address
    announcement: Signed[Announcement]
    against: tuple[Signed[Vote], ...]


@dataclass(frozen=True, slots=True)
class Blind:
    """A verifier that signed ``valid`` for a refuted proof."""

    member: Address
    refuted: Refuted
    valid: Signed[Vote]


Fault = Equivocation | TwoProofs | Refuted | Blind


def find(request_id: Hash32, snapshot: Snapshot, statements: Iterable[PeerMessage]) -> tuple[Fault, ...]:
    """Every fault that the statements prove, each member's once for each proof; in the order of the seats."""
    votes: dict[tuple[Address, Hash32, Address], dict[bool, Signed[Vote]]] = {}
    announced: dict[Address, list[Signed[Announcement]]] = {}
    for message in statements:
        match message:
            case VotesMessage(_, casts):
                for signed in (cast.signed for cast in casts):
                    said = signed.message
                    if said.request_id == request_id and signed.signer in snapshot.verifiers(said.prover):
                        key = (said.prover, said.proof_hash, signed.signer)
                        votes.setdefault(key, {}).setdefault(said.valid, signed)
            case AnnouncementMessage(_, claim, _):
                known = announced.setdefault(claim.signer, [])
                fits = claim.message.request_id == request_id and claim.signer == claim.message.prover
                if fits and all(s.message.proof_hash != claim.message.proof_hash for s in known):
                    known.append(claim)
            case _:
                pass
    found: list[Fault] = [
        Equivocation(voter, both[True], both[False])
        for (_, _, voter), both in votes.items()
        if len(both) == 2
    ]
    found += [TwoProofs(prover, two[0], two[1]) for prover, two in announced.items() if len(two) > 1]
    for claims in announced.values():
        for claim in claims:
            found += _against(claim, snapshot, votes)
    return tuple(sorted(found, key=lambda fault: snapshot.members.get(fault.member, len(snapshot.seats))))


def _against(
    claim: Signed[Announcement],
    snapshot: Snapshot,
    votes: dict[tuple[Address, Hash32, Address], dict[bool, Signed[Vote]]],
) -> list[Fault]:
    """The refutation of an announced proof, and those who signed for it; nothing short of two thirds of V."""
    said = claim.message
    verifiers = snapshot.verifiers(said.prover)
    opinions = {
        voter: both
        for (prover, proof_hash, voter), both in votes.items()
        if (prover, proof_hash) == (said.prover, said.proof_hash)
    }
    against = [
        both[False]
        for both in opinions.values()
        if False in both and both[False].message.attempt == said.attempt
    ]
    if 3 * len(against) <= 2 * len(verifiers):
        return []
    against.sort(key=lambda signed: snapshot.members[signed.signer])
    refuted = Refuted(said.prover, claim, tuple(against))
    blind = [Blind(voter, refuted, both[True]) for voter, both in opinions.items() if True in both]
    return [refuted, *blind]
