"""The ledger's settlements: GpnSettlement.sol and Payouts.sol, rule by rule and to the gwei."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gpn_desktop.adapters.chain import records
from gpn_desktop.adapters.chain.ledger_registry import advanced
from gpn_desktop.adapters.chain.ledger_state import (
    Batch,
    Challenger,
    Consumer,
    Kept,
    Open,
    Revert,
    State,
    all_verifiers,
    can_prove,
    check_votes,
    signer,
    verifiers,
)
from gpn_desktop.adapters.chain.slots import slot_key
from gpn_desktop.core.eip712 import digest
from gpn_desktop.core.types import ZERO_HASH, Address, BatchVote, Gwei, Hash32, Seat, Vote
from gpn_desktop.ports.calls import (
    Extend,
    Finalize,
    Settle,
    SettleAttested,
    SettlementCall,
    SettlementEntry,
    Supersede,
)
from gpn_desktop.ports.chain import (
    Block,
    ChainEvent,
    Challenged,
    EntrySkipped,
    Extended,
    Finalized,
    LatestProof,
    Settled,
    SettlementRecord,
)

NONCE_WINDOW: Final = 128
BPS: Final = 10_000
NO_REASON: Final = "0x00000000"  # of a settlement without entries


@dataclass(slots=True)
class _Work:
    """A settlement under way: nothing of it is kept before all of it is known to stand."""

    sender: Address
    block: Block
    told: list[ChainEvent] = field(default_factory=list)
    accepted: list[SettlementRecord] = field(default_factory=list)
    accounts: dict[Address, Consumer] = field(default_factory=dict)
    account_of: Address | None = None
    first_reason: str = ""


@dataclass(frozen=True, slots=True)
class _Item:
    """An entry with its committee, its prover's seat and its vote's digest; or why it is no good."""

    entry: SettlementEntry
    request_id: Hash32
    kept: Kept | None
    seat: int = -1
    vote_digest: Hash32 = ZERO_HASH
    reason: str = ""


class Settling(State):
    """Votes on proofs in, rewards out."""

    __slots__ = ()

    def settlement_call(self, sender: Address, call: SettlementCall, block: Block) -> list[ChainEvent]:
        match call:
            case Settle() | SettleAttested():
                return self._settle(sender, call, block)
            case Extend():
                return self._extend(call, block)
            case Supersede():
                return self._supersede(call, block)
            case Finalize():
                batch = self._due(call, block)
                del self.batches[call.key]
                return self._pay(call.key, batch, block)

    # settling -----------------------------------------------------------------------------------------------

    def _settle(self, sender: Address, call: Settle | SettleAttested, block: Block) -> list[ChainEvent]:
        work = _Work(sender, block)
        items = [self._open(entry, block.time) for entry in call.entries]
        signers = self._attested(items, call) if isinstance(call, SettleAttested) else None
        for index, item in enumerate(items):
            try:
                record = self._accept(work, item, signers)
            except Revert as skipped:
                work.first_reason = work.first_reason or str(skipped)
                work.told.append(EntrySkipped(index, str(skipped), ZERO_HASH, block))
            else:
                work.accepted.append(record)
                work.told.append(LatestProof(record.consumer, item.entry.vote.proof_hash, block))
        if not work.accepted:
            raise Revert(f"NothingSettled({work.first_reason or NO_REASON})")
        return self._store(work, call.pays)

    def _store(self, work: _Work, pays: Finalize | None) -> list[ChainEvent]:
        # As the adapter does: what somebody else has paid meanwhile is not paid, and a free slot is taken.
        held = self.batches.get(pays.key) if pays else None
        if pays is None or held is None or (held.finalize_at, held.raw) != (pays.finalize_at, pays.records):
            key = self._free_key(work.sender)
        else:
            key = pays.key
            work.told += self._pay(key, self._due(pays, work.block), work.block)
        _flush(work)
        self.consumers |= work.accounts
        self.settled += 1
        raw = b"".join(record.raw for record in work.accepted)
        finalize_at = work.block.time + self.params.window
        self.batches[key] = Batch(finalize_at, raw, tuple(Open(r, r.counted) for r in work.accepted))
        settled = Settled(key, work.sender, finalize_at, tuple(work.accepted), raw, work.block)
        return [*work.told, settled]

    def _free_key(self, sender: Address) -> Hash32:
        number = 0
        while slot_key(sender, number) in self.batches:
            number += 1
        return slot_key(sender, number)

    def _open(self, entry: SettlementEntry, now: int) -> _Item:
        """What the contract sees of an entry before it looks at votes."""
        request = entry.request.message
        request_id = digest(request, self.domain)
        kept = self.kept(request.consumer, request.snapshot_id)
        if kept is None:
            return _Item(entry, request_id, None, reason="UnknownSnapshot")
        seat = kept.snapshot.members.get(entry.vote.prover, -1)
        if not can_prove(kept.snapshot, seat):
            return _Item(entry, request_id, kept, reason="BadProver")
        vote = replace(entry.vote, request_id=request_id, valid=True)
        item = _Item(entry, request_id, kept, seat, digest(vote, self.domain))
        try:
            self._judge(item, kept, now)
        except Revert as refusal:
            return replace(item, reason=str(refusal))
        return item

    def _judge(self, item: _Item, kept: Kept, now: int) -> None:
        request, params = item.entry.request.message, self.params
        if kept.ended_at and request.deadline > kept.ended_at + params.max_lifetime:
            raise Revert("SnapshotNotInForce")
        if now > request.deadline + params.settle_grace:
            raise Revert("RequestExpired")
        if request.deadline > now + params.max_lifetime:
            raise Revert("DeadlineTooFar")
        if request.reward < params.min_reward:
            raise Revert("RewardTooSmall")
        electorate = verifiers(kept.snapshot, item.seat).bit_count()
        if not electorate // 2 < request.quorum <= electorate:
            raise Revert("QuorumOutOfRange")
        if signer(item.request_id, item.entry.request.signature) != request.consumer:
            raise Revert("BadConsumerSignature")

    def _attested(self, items: Sequence[_Item], call: SettleAttested) -> int:
        """The seats that signed the list of all entries' votes."""
        committees = {(r.consumer, r.snapshot_id) for r in (item.entry.request.message for item in items)}
        if len(committees) > 1:
            raise Revert("NotInBatch")
        kept = items[0].kept if items else None
        statement = BatchVote(tuple(item.vote_digest for item in items))
        snapshot = kept.snapshot if kept else None
        may = all_verifiers(snapshot) if snapshot else 0
        return check_votes(snapshot, digest(statement, self.domain), call.votes, may)

    def _accept(self, work: _Work, item: _Item, signers: int | None) -> SettlementRecord:
        if item.reason or item.kept is None:
            raise Revert(item.reason)
        request, snapshot = item.entry.request.message, item.kept.snapshot
        if signers is None:
            may = verifiers(snapshot, item.seat)
            counted = check_votes(snapshot, item.vote_digest, item.entry.votes, may)
        else:
            counted = signers & ~(1 << item.seat)
        if counted.bit_count() < request.quorum:
            raise Revert("QuorumNotMet")
        own = snapshot.members.get(work.sender)
        if own is None:
            raise Revert("NotMember")
        late = own != item.seat and work.block.time >= request.deadline + self.params.settle_delay
        self._debit(work, request.consumer, request.nonce, request.reward)
        record = SettlementRecord(
            item.request_id,
            item.vote_digest,
            request.consumer,
            request.snapshot_id,
            item.seat,
            request.reward,
            counted,
            b"",
            own if late else None,
        )
        return replace(record, raw=records.pack(record, request.quorum))

    def _debit(self, work: _Work, address: Address, nonce: int, reward: Gwei) -> None:
        """Takes nonce and reward out of the account; its window moves on with the last of its entries."""
        if work.account_of != address:
            _flush(work)
            work.account_of = address
            work.accounts.setdefault(address, self.consumers[address])
        account = work.accounts[address]
        offset = nonce - account.nonce_base
        if offset < 0:
            raise Revert("NonceUsed")
        if offset >= NONCE_WINDOW:
            raise Revert("NonceTooFar")
        if account.nonce_window >> offset & 1:
            raise Revert("NonceUsed")
        if reward > account.balance:
            raise Revert("InsufficientBalance")
        balance, window = Gwei(account.balance - reward), account.nonce_window | 1 << offset
        work.accounts[address] = replace(account, balance=balance, nonce_window=window)

    # the window ---------------------------------------------------------------------------------------------

    def _in_window(self, call: Extend | Supersede, block: Block) -> tuple[Batch, Open]:
        batch = self.match(call)
        if block.time >= batch.finalize_at:
            raise Revert("WindowClosed")
        return batch, batch.entry(call.index)

    def _extend(self, call: Extend, block: Block) -> list[ChainEvent]:
        batch, entry = self._in_window(call, block)
        record = entry.record
        snapshot = self.committee_of(record)
        may = verifiers(snapshot, record.prover_seat)
        counted = entry.counted | check_votes(snapshot, record.vote_digest, call.votes, may)
        if counted == entry.counted:
            return []
        self.batches[call.key] = batch.having(call.index, replace(entry, counted=counted))
        return [Extended(call.key, call.index, counted, block)]

    def _supersede(self, call: Supersede, block: Block) -> list[ChainEvent]:
        batch, entry = self._in_window(call, block)
        snapshot, seat = self.committee_of(entry.record), call.prover_seat
        if seat == entry.record.prover_seat or not can_prove(snapshot, seat):
            raise Revert("BadProver")
        prover, said = snapshot.seats[seat].address, call.vote
        vote = Vote(entry.record.request_id, prover, said.proof_hash, said.attempt, True)
        vote_digest = digest(vote, self.domain)
        counted = check_votes(snapshot, vote_digest, call.votes, verifiers(snapshot, seat))
        stands = entry.challenger
        if stands is not None and stands.vote_digest == vote_digest:
            counted |= stands.counted
        else:
            if block.time >= batch.finalize_at - self.params.window // 8:
                raise Revert("WindowClosed")
            self._check_challenger(entry, counted.bit_count(), verifiers(snapshot, seat).bit_count())
        challenger = Challenger(vote_digest, counted, seat)
        self.batches[call.key] = batch.having(call.index, replace(entry, challenger=challenger))
        told = (call.key, prover, call.index, seat, said.proof_hash, vote_digest, counted)
        return [Challenged(*told, block)]

    @staticmethod
    def _check_challenger(entry: Open, votes: int, electorate: int) -> None:
        if votes < entry.quorum or votes <= electorate // 2:
            raise Revert("QuorumNotMet")
        if entry.challenger is not None and votes <= entry.challenger.counted.bit_count():
            raise Revert("WeakerChallenger")

    # paying -------------------------------------------------------------------------------------------------

    def _due(self, call: Finalize, block: Block) -> Batch:
        batch = self.match(call)
        if block.time < batch.finalize_at:
            raise Revert("TooEarly")
        return batch

    def _pay(self, key: Hash32, batch: Batch, block: Block) -> list[ChainEvent]:
        for entry in batch.entries:
            self._pay_entry(entry)
        return [Finalized(key, block)]

    def _pay_entry(self, entry: Open) -> None:
        record, snapshot = entry.record, self.committee_of(entry.record)
        counted, prover_seat = entry.counted, record.prover_seat
        other = entry.challenger
        if other is not None and other.counted.bit_count() > counted.bit_count():
            counted, prover_seat = other.counted, other.seat
        electorate = verifiers(snapshot, prover_seat).bit_count()
        left = electorate - counted.bit_count()
        fee = record.reward * self.params.verifier_bps // BPS // electorate
        bonus = record.reward * self.params.inclusion_bps * left // (BPS * electorate)
        share = record.reward - fee * electorate - bonus
        self.burned += fee * (left + (counted & entry.forfeited).bit_count()) + bonus
        if record.tipped_seat is not None and record.tipped_seat != prover_seat:
            self._credit(snapshot.seats[record.tipped_seat], self.params.tip)
            share -= self.params.tip
        self._credit(snapshot.seats[prover_seat], share)
        for number in _seats(counted & ~entry.forfeited):
            self._credit(snapshot.seats[number], fee)

    def _credit(self, seat: Seat, amount: int) -> None:
        """A slashed member earns nothing."""
        if self.provers[seat.address].slashed:
            self.burned += amount
        else:
            self.rewards[seat.member_id] = self.rewards.get(seat.member_id, 0) + amount


def _flush(work: _Work) -> None:
    """The entries of one account in a row are over: its window moves past the nonces used."""
    if work.account_of is not None:
        account = work.accounts[work.account_of]
        base, window = advanced(account.nonce_base, account.nonce_window)
        work.accounts[work.account_of] = replace(account, nonce_base=base, nonce_window=window)


def _seats(bitmap: int) -> list[int]:
    return [number for number in range(bitmap.bit_length()) if bitmap >> number & 1]
