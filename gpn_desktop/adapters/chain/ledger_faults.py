"""The ledger's punishments: Faults.sol, rule by rule and to the wei.

As in the contract, what a statement is about comes from the call once, and a signature under anything else is
no evidence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gpn_desktop.adapters.chain.ledger_registry import DAY, Registry
from gpn_desktop.adapters.chain.ledger_state import (
    Revert,
    Suspension,
    can_prove,
    check_votes,
    signer,
    verifiers,
)
from gpn_desktop.core.eip712 import digest
from gpn_desktop.core.messages import Signed
from gpn_desktop.core.types import (
    WEI_PER_GWEI,
    Address,
    Announcement,
    BatchVote,
    Gwei,
    Hash32,
    Request,
    Snapshot,
    Vote,
    Wei,
)
from gpn_desktop.ports.calls import (
    Evict,
    FaultCall,
    ForfeitFee,
    Opinion,
    Refuted,
    SlashDoubleAnnouncement,
    SlashDoubleRequest,
    SlashEquivocation,
    Suspend,
    SuspendSigner,
)
from gpn_desktop.ports.chain import (
    Block,
    ChainEvent,
    ConsumerSlashed,
    FeeForfeited,
    Slashed,
    Suspended,
)

REPORTER_BPS: Final = 500
DOUBLE_REQUEST_FACTOR: Final = 2
SUSPENSION: Final = 30 * DAY


class Faults(Registry):
    """What it costs to say two things, or something that the others refute."""

    __slots__ = ()

    def fault_call(self, sender: Address, call: FaultCall, block: Block) -> list[ChainEvent]:
        match call:
            case SlashEquivocation(member, valid, invalid):
                vote = valid.vote
                no = replace(vote, attempt=invalid.vote.attempt, valid=False)
                self._check_opinion(member, replace(vote, valid=True), valid)
                self._check_opinion(member, no, invalid)
                return self._slash(sender, member, block)
            case SlashDoubleAnnouncement(first, second):
                return self._slash_double_announcement(sender, first, second, block)
            case SlashDoubleRequest(one, two):
                return self._slash_double_request(sender, one, two, block)
            case Suspend(request, refuted, announcement):
                return self._suspend_prover(request, refuted, announcement, block)
            case SuspendSigner(request, refuted, seat, valid):
                request_id, snapshot = self._evidence_for(request, block.time)
                self._check_refuted(request_id, snapshot, refuted)
                member = self._check_signer(request_id, snapshot, refuted, seat, valid)
                return self._suspend(request.consumer, member, block)
            case ForfeitFee():
                return self._forfeit(call, block)
            case Evict(consumer, member):
                if (consumer, member) not in self.commitments:
                    raise Revert("NotCommitted")
                if self.provers[member].stake:
                    raise Revert("NotSlashed")
                return self.drop(consumer, member, block) + self.reseat(consumer, member, block)

    # slashing -----------------------------------------------------------------------------------------------

    def _slash(self, reporter: Address, member: Address, block: Block) -> list[ChainEvent]:
        prover = self.provers.get(member)
        if prover is None or not prover.stake:
            raise Revert("NotRegistered")
        share = Wei(prover.stake * REPORTER_BPS // 10_000 // WEI_PER_GWEI * WEI_PER_GWEI)
        burned = Wei(prover.stake - share)
        self.provers[member] = replace(prover, stake=Wei(0), unbond_at=0, slashed=True)
        self.burned += burned // WEI_PER_GWEI
        self.send(reporter, share)
        return [Slashed(member, prover.member_id, reporter, burned, share, block)]

    def _slash_double_announcement(
        self, sender: Address, first: Signed[Announcement], second: Signed[Announcement], block: Block
    ) -> list[ChainEvent]:
        said = first.message
        if said.proof_hash == second.message.proof_hash:
            raise Revert("BadEvidence")
        self._check_announcement(said.prover, said.request_id, first)
        self._check_announcement(said.prover, said.request_id, second)
        return self._slash(sender, said.prover, block)

    def _slash_double_request(
        self, sender: Address, first: Signed[Request], second: Signed[Request], block: Block
    ) -> list[ChainEvent]:
        one, two = first.message, second.message
        ids = digest(one, self.domain), digest(two, self.domain)
        signers = signer(ids[0], first.signature), signer(ids[1], second.signature)
        same = (one.consumer, one.nonce) == (two.consumer, two.nonce)
        if not same or ids[0] == ids[1] or signers != (one.consumer, one.consumer):
            raise Revert("BadEvidence")
        if (one.consumer, one.nonce) in self.punished:
            raise Revert("AlreadyPunished")
        consumer = self.consumers.get(one.consumer)
        balance = consumer.balance if consumer else 0
        penalty = min(DOUBLE_REQUEST_FACTOR * (one.reward + two.reward), balance)
        if consumer is None or not penalty:
            raise Revert("InsufficientBalance")
        share = Gwei(penalty * REPORTER_BPS // 10_000)
        self.punished |= {(one.consumer, one.nonce)}
        self.consumers[one.consumer] = replace(consumer, balance=Gwei(balance - penalty))
        self.burned += penalty - share
        self.send(sender, share * WEI_PER_GWEI)
        return [ConsumerSlashed(one.consumer, one.nonce, Gwei(penalty), sender, share, block)]

    # suspending ---------------------------------------------------------------------------------------------

    def _suspend_prover(
        self, request: Request, refuted: Refuted, announcement: Signed[Announcement], block: Block
    ) -> list[ChainEvent]:
        request_id, snapshot = self._evidence_for(request, block.time)
        self._check_refuted(request_id, snapshot, refuted)
        if announcement.message.proof_hash != refuted.vote.proof_hash:
            raise Revert("BadEvidence")
        prover = snapshot.seats[refuted.prover_seat].address
        self._check_announcement(prover, request_id, announcement)
        return self._suspend(request.consumer, prover, block)

    def _suspend(self, consumer: Address, member: Address, block: Block) -> list[ChainEvent]:
        if self.suspended_until(consumer, member) > block.time:
            raise Revert("MemberSuspended")
        until = block.time + SUSPENSION
        version = self.consumers[consumer].image_version
        self.suspensions[consumer, member] = Suspension(until, version)
        told: list[ChainEvent] = [Suspended(consumer, member, until, block)]
        if (consumer, member) in self.commitments:
            told += self.drop(consumer, member, block) + self.reseat(consumer, member, block)
        return told

    def _forfeit(self, call: ForfeitFee, block: Block) -> list[ChainEvent]:
        batch = self.match(call)
        entry = batch.entry(call.index)
        snapshot, request_id = self.committee_of(entry.record), entry.record.request_id
        self._check_refuted(request_id, snapshot, call.refuted)
        self._check_signer(request_id, snapshot, call.refuted, call.seat, call.valid)
        if entry.forfeited >> call.seat & 1:
            raise Revert("AlreadyPunished")
        forfeited = entry.forfeited | 1 << call.seat
        self.batches[call.key] = batch.having(call.index, replace(entry, forfeited=forfeited))
        return [FeeForfeited(call.key, call.index, call.seat, block)]

    # evidence -----------------------------------------------------------------------------------------------

    def _evidence_for(self, request: Request, now: int) -> tuple[Hash32, Snapshot]:
        """The request's id and committee. Old evidence, and evidence about another image, takes no seat."""
        if now > request.deadline + self.params.settle_grace:
            raise Revert("RequestExpired")
        if request.deadline > now + self.params.max_lifetime:
            raise Revert("DeadlineTooFar")
        snapshot = self.snapshot(request.consumer, request.snapshot_id)
        if snapshot is None:
            raise Revert("UnknownSnapshot")
        if snapshot.image_digest != self.consumers[request.consumer].image_digest:
            raise Revert("DigestMismatch")
        return digest(request, self.domain), snapshot

    def _check_refuted(self, request_id: Hash32, snapshot: Snapshot, refuted: Refuted) -> None:
        seat, said = refuted.prover_seat, refuted.vote
        if not can_prove(snapshot, seat):
            raise Revert("BadProver")
        vote = Vote(request_id, snapshot.seats[seat].address, said.proof_hash, said.attempt, False)
        may = verifiers(snapshot, seat)
        against = check_votes(snapshot, digest(vote, self.domain), refuted.votes, may)
        if against.bit_count() * 3 <= may.bit_count() * 2:
            raise Revert("NotRefuted")

    def _check_signer(
        self, request_id: Hash32, snapshot: Snapshot, refuted: Refuted, seat: int, valid: Opinion
    ) -> Address:
        """The verifier on a seat who signed ``valid`` for a refuted proof."""
        if seat >= len(snapshot.seats):
            raise Revert("BadEvidence")
        member, prover = snapshot.seats[seat].address, snapshot.seats[refuted.prover_seat].address
        vote = Vote(request_id, prover, refuted.vote.proof_hash, valid.vote.attempt, True)
        self._check_opinion(member, vote, valid)
        return member

    def _check_opinion(self, member: Address, vote: Vote, opinion: Opinion) -> None:
        hash32 = digest(vote, self.domain)
        if opinion.batch:
            if opinion.index >= len(opinion.batch) or opinion.batch[opinion.index] != hash32:
                raise Revert("BadEvidence")
            hash32 = digest(BatchVote(opinion.batch), self.domain)
        if signer(hash32, opinion.signature) != member:
            raise Revert("BadEvidence")

    def _check_announcement(self, prover: Address, request_id: Hash32, signed: Signed[Announcement]) -> None:
        about = replace(signed.message, request_id=request_id, prover=prover)
        if signer(digest(about, self.domain), signed.signature) != prover:
            raise Revert("BadEvidence")
