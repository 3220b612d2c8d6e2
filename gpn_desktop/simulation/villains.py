"""How members behave: the honest way, and each dishonest one as what it does differently.

A villain runs the same core as everybody; it lies in what it makes of it. Nobody can sign for another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.messages import (
    AnnouncementMessage,
    CastVote,
    DeclineMessage,
    Signed,
    VotesMessage,
    possession,
)
from gpn_desktop.core.types import ZERO_HASH, Announcement, Signature, Vote
from gpn_desktop.simulation import proofs
from gpn_desktop.simulation.case import Case
from gpn_desktop.simulation.faults import Habit

if TYPE_CHECKING:
    from gpn_desktop.simulation.node import Node

GRINDS: Final = 16


class Conduct:
    """An honest member's.

    ``settles``: whether it brings settlements to the chain. ``tells``: whether it gives what it signed and
    made to those who ask.
    """

    settles = True
    tells = True

    def proving_ms(self, node: Node, case: Case, left: int) -> float:
        """How long this proof takes, of ``left`` milliseconds."""
        return node.member.prove_ms * case.chance.uniform(0.8, 1.3)

    def proof(self, node: Node, case: Case) -> bytes:
        return proofs.make(case.id, node.address, case.chance.getrandbits(31), True)

    def opinion(self, node: Node, case: Case, said: Announcement, proof: bytes) -> bool:
        return proofs.is_true(proof)

    def publish_announcement(self, node: Node, case: Case, message: AnnouncementMessage) -> None:
        node.publish(message)

    def publish_vote(self, node: Node, case: Case, message: VotesMessage) -> None:
        node.publish(message)

    def publish_decline(self, node: Node, case: Case, message: DeclineMessage) -> None:
        node.publish(message)

    def heard_announcement(self, node: Node, case: Case, signed: Signed[Announcement]) -> None:
        """After the core has it."""

    def heard_vote(self, node: Node, case: Case, cast: CastVote) -> None:
        """After the core has it."""


class Slow(Conduct):
    def proving_ms(self, node: Node, case: Case, left: int) -> float:
        return left * case.chance.uniform(0.5, 1.6)


class Cheat(Conduct):
    def proof(self, node: Node, case: Case) -> bytes:
        return proofs.make(case.id, node.address, 0, False)


class Liar(Conduct):
    def opinion(self, node: Node, case: Case, said: Announcement, proof: bytes) -> bool:
        return not proofs.is_true(proof)


class Silent(Conduct):
    settles, tells = False, False

    def publish_announcement(self, node: Node, case: Case, message: AnnouncementMessage) -> None:
        """Nothing leaves."""

    def publish_vote(self, node: Node, case: Case, message: VotesMessage) -> None:
        """Nothing leaves."""

    def publish_decline(self, node: Node, case: Case, message: DeclineMessage) -> None:
        """Nothing leaves."""


class Withholder(Conduct):
    """Keeps its proof, in the hope of a better turn."""

    settles, tells = False, False

    def publish_announcement(self, node: Node, case: Case, message: AnnouncementMessage) -> None:
        """Nothing leaves."""


class Grinder(Conduct):
    """Makes its proof again and again, for the hash that suits it."""

    def proof(self, node: Node, case: Case) -> bytes:
        made = (proofs.make(case.id, node.address, variant, True) for variant in range(GRINDS))
        return min(made, key=keccak)


class Copier(Conduct):
    """Saves the work: repeats whatever others sign, with what they show of the proof."""

    def opinion(self, node: Node, case: Case, said: Announcement, proof: bytes) -> bool:
        return True

    def publish_vote(self, node: Node, case: Case, message: VotesMessage) -> None:
        """It has no opinion of its own."""

    def heard_vote(self, node: Node, case: Case, cast: CastVote) -> None:
        vote = cast.signed.message
        if vote.proof_hash in case.copied:
            return
        case.copied.add(vote.proof_hash)
        signed = Signed(vote, cast.signed.signature, node.address, ZERO_HASH)
        copy = CastVote(signed, cast.possession, cast.seed)
        node.publish(VotesMessage(case.job.request.consumer, (copy,)))


class Equivocator(Conduct):
    """Tells every other member the opposite, in votes and in announcements."""

    def publish_announcement(self, node: Node, case: Case, message: AnnouncementMessage) -> None:
        said = message.signed.message
        other = proofs.make(case.id, node.address, 1, True)
        node.journal.proofs[keccak(other)] = other
        claim = Announcement(said.request_id, said.prover, said.attempt, keccak(other), len(other), said.seed)
        signed = Signed(claim, message.signed.signature, node.address, ZERO_HASH)
        second = AnnouncementMessage(message.consumer, signed, None if message.proof is None else other)
        node.world.network.publish(node, message, parity=0)
        node.world.network.publish(node, second, parity=1)

    def publish_vote(self, node: Node, case: Case, message: VotesMessage) -> None:
        (cast,) = message.votes
        vote = cast.signed.message
        opposite = Vote(vote.request_id, vote.prover, vote.proof_hash, vote.attempt, not vote.valid)
        signed = Signed(opposite, cast.signed.signature, node.address, ZERO_HASH)
        turned = VotesMessage(message.consumer, (CastVote(signed, cast.possession, cast.seed),))
        node.world.network.publish(node, message, parity=0)
        node.world.network.publish(node, turned, parity=1)


class Sybil(Conduct):
    """One of several seats of one operator: false proofs, and all of them sign for all of them."""

    def proof(self, node: Node, case: Case) -> bytes:
        return proofs.make(case.id, node.address, 0, False)

    def opinion(self, node: Node, case: Case, said: Announcement, proof: bytes) -> bool:
        return node.world.habit_of(said.prover) is Habit.SYBIL

    def heard_announcement(self, node: Node, case: Case, signed: Signed[Announcement]) -> None:
        """Signs at once, whatever it signed before; they share their proofs."""
        said = signed.message
        if said.prover == node.address or node.world.habit_of(said.prover) is not Habit.SYBIL:
            return
        shown = possession(node.address, proofs.make(case.id, said.prover, 0, False))
        vote = Vote(case.id, said.prover, said.proof_hash, said.attempt, True)
        cast = CastVote(Signed(vote, Signature(bytes(65)), node.address, ZERO_HASH), shown, said.seed)
        node.publish(VotesMessage(case.job.request.consumer, (cast,)))


CONDUCT: Final[dict[Habit, Conduct]] = {
    Habit.HONEST: Conduct(),
    Habit.SLOW: Slow(),
    Habit.CHEAT: Cheat(),
    Habit.LIAR: Liar(),
    Habit.COPIER: Copier(),
    Habit.SILENT: Silent(),
    Habit.EQUIVOCATOR: Equivocator(),
    Habit.SYBIL: Sybil(),
    Habit.GRINDER: Grinder(),
    Habit.WITHHOLDER: Withholder(),
}
