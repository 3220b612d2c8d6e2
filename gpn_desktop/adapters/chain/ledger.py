"""The settlement contract's rules in memory: one shared ledger for several nodes, without gas and signatures
of transactions, with a clock that can be moved.

It exists so that services can be tested in milliseconds. It follows contracts/src in what it accepts and in
every gwei it pays; the contract tests of the port hold both to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gpn_desktop.adapters.chain import records
from gpn_desktop.core.eip712 import BadSignature, digest, keccak, recover
from gpn_desktop.core.selection import weight_of
from gpn_desktop.core.types import (
    WEI_PER_GWEI,
    Address,
    BatchVote,
    Domain,
    Gwei,
    Hash32,
    Role,
    Seat,
    Snapshot,
    Wei,
)
from gpn_desktop.ports.calls import (
    BeginUnbond,
    Call,
    Commit,
    Deposit,
    Extend,
    Finalize,
    RegisterConsumer,
    RegisterProver,
    SeatVote,
    Settle,
    SettleAttested,
    SettlementEntry,
    TakeSnapshot,
    Uncommit,
    WithdrawRewards,
    WithdrawStake,
)
from gpn_desktop.ports.chain import (
    Block,
    Candidate,
    ChainEvent,
    ConsumerChanged,
    ConsumerInfo,
    ContractParams,
    Extended,
    Finalized,
    LatestProof,
    ProverInfo,
    RewardsWithdrawn,
    Settled,
    SettlementRecord,
    SnapshotTaken,
)

NONCE_WINDOW: Final = 128
BPS: Final = 10_000


class Revert(Exception):
    """The contract's error by its name."""


@dataclass(slots=True)
class _Consumer:
    info: ConsumerInfo
    committed: dict[Address, Role] = field(default_factory=dict)
    snapshots: list[Snapshot] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    finalize_at: int
    raw: bytes
    records: list[SettlementRecord]


@dataclass(slots=True)
class Rules:
    """The contract's state. ``apply`` either does all of a call or raises Revert and does nothing."""

    domain: Domain
    params: ContractParams
    balances: dict[Address, int] = field(default_factory=dict)
    consumers: dict[Address, _Consumer] = field(default_factory=dict)
    provers: dict[Address, ProverInfo] = field(default_factory=dict)
    batches: dict[Hash32, _Batch] = field(default_factory=dict)
    rewards: dict[int, int] = field(default_factory=dict)  # gwei by member id
    burned: int = 0  # gwei
    settled: int = 0

    def held(self) -> Wei:
        """What the contract owes and has burned; always equal to what was paid in."""
        deposits = sum(c.info.balance for c in self.consumers.values())
        waiting = sum(record.reward for batch in self.batches.values() for record in batch.records)
        stakes = sum(prover.stake for prover in self.provers.values())
        return Wei((deposits + waiting + sum(self.rewards.values()) + self.burned) * WEI_PER_GWEI + stakes)

    def fork(self) -> Rules:
        """A copy that can go on by itself."""
        return replace(
            self,
            balances=dict(self.balances),
            consumers={
                address: _Consumer(c.info, dict(c.committed), list(c.snapshots))
                for address, c in self.consumers.items()
            },
            provers=dict(self.provers),
            batches={k: _Batch(b.finalize_at, b.raw, list(b.records)) for k, b in self.batches.items()},
            rewards=dict(self.rewards),
        )

    def committee(self, address: Address) -> list[Candidate]:
        consumer = self.consumers.get(address)
        committed = consumer.committed.items() if consumer else ()
        return [Candidate(member, roles, 2**40 - 1, True) for member, roles in committed]

    def suspended_until(self, consumer: Address, member: Address) -> int:
        return 0

    def apply(self, sender: Address, call: Call, block: Block) -> list[ChainEvent]:
        """Carry out a call in a block. Raises Revert."""
        match call:
            case RegisterProver() | BeginUnbond() | WithdrawStake():
                return self._prover_call(sender, call, block)
            case RegisterConsumer(image_name, image_digest, deposit):
                return self._register_consumer(sender, image_name, image_digest, deposit, block)
            case Deposit(consumer, amount):
                return self._deposit(sender, consumer, amount, block)
            case Commit(consumer, image_digest, roles):
                return self._commit(sender, consumer, image_digest, roles)
            case Uncommit(consumer):
                return self._uncommit(sender, consumer, block)
            case TakeSnapshot(consumer):
                return self._take_snapshot(consumer, block)
            case Settle(entries):
                return self._settle(sender, entries, None, block)
            case SettleAttested(entries, votes):
                return self._settle(sender, entries, votes, block)
            case Extend():
                return self._extend(call, block)
            case Finalize():
                return self._finalize(call, block)
            case WithdrawRewards(member_id):
                return self._withdraw(member_id, block)
            case _:
                raise Revert(f"{type(call).__name__} is not known to this ledger")

    # registry ---------------------------------------------------------------------------------------------

    def _take(self, sender: Address, amount: Wei) -> None:
        if amount % WEI_PER_GWEI:
            raise Revert("NotWholeGwei")
        self.balances[sender] = self.balances.get(sender, 0) - amount

    def _prover_call(
        self, sender: Address, call: RegisterProver | BeginUnbond | WithdrawStake, block: Block
    ) -> list[ChainEvent]:
        known = self.provers.get(sender)
        if isinstance(call, RegisterProver):
            if known is not None and known.stake:
                raise Revert("AlreadyRegistered")
            if call.stake < self.params.min_stake:
                raise Revert("StakeTooSmall")
            if known is not None and known.payout != call.payout:
                raise Revert("NotPayout")
            self._take(sender, call.stake)
            member_id = known.member_id if known else len(self.provers) + 1
            self.provers[sender] = ProverInfo(sender, member_id, call.payout, call.stake, 0, False)
            return []
        if known is None or not known.stake:
            raise Revert("NotRegistered")
        if isinstance(call, BeginUnbond):
            if known.unbond_at:
                raise Revert("Unbonding")
            if any(sender in consumer.committed for consumer in self.consumers.values()):
                raise Revert("StillCommitted")
            self.provers[sender] = replace(known, unbond_at=block.time + self.params.unbond)
            return []
        if not known.unbond_at:
            raise Revert("NotUnbonding")
        if block.time < known.unbond_at:
            raise Revert("TooEarly")
        self.provers[sender] = replace(known, stake=Wei(0), unbond_at=0)
        self.balances[known.payout] = self.balances.get(known.payout, 0) + known.stake
        return []

    def _register_consumer(
        self, sender: Address, name: str, image: Hash32, deposit: Wei, block: Block
    ) -> list[ChainEvent]:
        if sender in self.consumers:
            raise Revert("AlreadyRegistered")
        if not name or not any(image):
            raise Revert("BadImage")
        self._take(sender, deposit)
        balance = Gwei(deposit // WEI_PER_GWEI)
        self.consumers[sender] = _Consumer(ConsumerInfo(sender, name, image, balance, 0, 0, 0, 0))
        return [ConsumerChanged(sender, block)]

    def _registered(self, address: Address) -> _Consumer:
        consumer = self.consumers.get(address)
        if consumer is None:
            raise Revert("NotRegistered")
        return consumer

    def _deposit(self, sender: Address, address: Address, amount: Wei, block: Block) -> list[ChainEvent]:
        consumer = self._registered(address)
        self._take(sender, amount)
        balance = Gwei(consumer.info.balance + amount // WEI_PER_GWEI)
        consumer.info = replace(consumer.info, balance=balance)
        return [ConsumerChanged(address, block)]

    def _commit(self, sender: Address, address: Address, image: Hash32, roles: Role) -> list[ChainEvent]:
        consumer = self._registered(address)
        if image != consumer.info.image_digest:
            raise Revert("DigestMismatch")
        if not 0 < roles <= Role.PROVE | Role.VERIFY:
            raise Revert("BadRoles")
        prover = self.provers.get(sender)
        if prover is None or not prover.stake:
            raise Revert("NotRegistered")
        if prover.unbond_at:
            raise Revert("Unbonding")
        consumer.committed[sender] = roles
        return []

    def _uncommit(self, sender: Address, address: Address, block: Block) -> list[ChainEvent]:
        consumer = self._registered(address)
        if sender not in consumer.committed:
            raise Revert("NotCommitted")
        # As in the contract: the last candidate moves to the place that becomes free.
        order = list(consumer.committed.items())
        at = next(i for i, (member, _) in enumerate(order) if member == sender)
        order[at] = order[-1]
        consumer.committed = dict(order[:-1])
        if not consumer.info.snapshot_id or sender not in consumer.snapshots[-1].members:
            return []
        if len(consumer.committed) >= 2:
            return self._put_in_force(consumer, block)
        consumer.info = replace(consumer.info, snapshot_id=0)
        return [ConsumerChanged(address, block)]

    def _take_snapshot(self, address: Address, block: Block) -> list[ChainEvent]:
        consumer = self._registered(address)
        if len(consumer.committed) < 2:
            raise Revert("CommitteeTooSmall")
        if consumer.info.snapshot_id and consumer.snapshots[-1].seats == self._seats(consumer):
            raise Revert("SnapshotUnchanged")
        return self._put_in_force(consumer, block)

    def _seats(self, consumer: _Consumer) -> tuple[Seat, ...]:
        members = [(self.provers[address], roles) for address, roles in consumer.committed.items()]
        minimum = self.params.min_stake
        return tuple(Seat(p.address, p.member_id, roles, weight_of(p.stake, minimum)) for p, roles in members)

    def _put_in_force(self, consumer: _Consumer, block: Block) -> list[ChainEvent]:
        info = consumer.info
        number = len(consumer.snapshots) + 1
        snapshot = Snapshot(info.address, number, info.image_digest, self._seats(consumer))
        consumer.snapshots.append(snapshot)
        consumer.info = replace(info, snapshot_id=number)
        return [SnapshotTaken(info.address, number, block)]

    # settlements ------------------------------------------------------------------------------------------

    def snapshot(self, address: Address, snapshot_id: int) -> Snapshot | None:
        consumer = self.consumers.get(address)
        if consumer is None or not 0 < snapshot_id <= len(consumer.snapshots):
            return None
        return consumer.snapshots[snapshot_id - 1]

    def _settle(
        self,
        sender: Address,
        entries: Sequence[SettlementEntry],
        batch_votes: Sequence[SeatVote] | None,
        block: Block,
    ) -> list[ChainEvent]:
        attested: int | None = None
        if batch_votes is not None:
            attested = self._attested(entries, batch_votes)
        events: list[ChainEvent] = []
        accepted: list[SettlementRecord] = []
        first_reason = ""
        for entry in entries:
            try:
                record = self._accept(sender, entry, attested, block)
            except Revert as skipped:
                first_reason = first_reason or str(skipped)
                continue
            accepted.append(record)
            events.append(LatestProof(record.consumer, entry.vote.proof_hash, block))
        if not accepted:
            raise Revert(f"NothingSettled({first_reason})")
        self.settled += 1
        key = keccak(sender, self.settled.to_bytes(32, "big"))
        raw = b"".join(record.raw for record in accepted)
        finalize_at = block.time + self.params.window
        self.batches[key] = _Batch(finalize_at, raw, list(accepted))
        return [*events, Settled(key, sender, finalize_at, tuple(accepted), raw, block)]

    def _attested(self, entries: Sequence[SettlementEntry], votes: Sequence[SeatVote]) -> int:
        first = entries[0].request.message
        if any(
            (e.request.message.consumer, e.request.message.snapshot_id) != (first.consumer, first.snapshot_id)
            for e in entries
        ):
            raise Revert("NotInBatch")
        snapshot = self.snapshot(first.consumer, first.snapshot_id)
        if snapshot is None:
            raise Revert("UnknownSnapshot")
        statement = BatchVote(tuple(digest(entry.vote, self.domain) for entry in entries))
        return _count(snapshot, digest(statement, self.domain), votes, None)

    def _accept(
        self, sender: Address, entry: SettlementEntry, attested: int | None, block: Block
    ) -> SettlementRecord:
        request = entry.request.message
        snapshot = self.snapshot(request.consumer, request.snapshot_id)
        if snapshot is None:
            raise Revert("UnknownSnapshot")
        seat = snapshot.members.get(entry.vote.prover)
        if seat is None or not snapshot.seats[seat].roles & Role.PROVE:
            raise Revert("BadProver")
        self._check_request(entry, len(snapshot.verifiers(entry.vote.prover)), block)
        vote_digest = digest(replace(entry.vote, request_id=entry.request.digest, valid=True), self.domain)
        if attested is None:
            counted = _count(snapshot, vote_digest, entry.votes, seat)
        else:
            counted = attested & ~(1 << seat)
        if counted.bit_count() < request.quorum:
            raise Revert("QuorumNotMet")
        own = snapshot.members.get(sender)
        if own is None:
            raise Revert("NotMember")
        late = own != seat and block.time >= request.deadline + self.params.settle_delay
        self._debit(request.consumer, request.nonce, request.reward)
        record = SettlementRecord(
            entry.request.digest,
            vote_digest,
            request.consumer,
            request.snapshot_id,
            seat,
            request.reward,
            counted,
            b"",
            own if late else None,
        )
        return replace(record, raw=records.pack(record, request.quorum))

    def _check_request(self, entry: SettlementEntry, verifiers: int, block: Block) -> None:
        request, params = entry.request.message, self.params
        if block.time > request.deadline + params.settle_grace:
            raise Revert("RequestExpired")
        if request.deadline > block.time + params.max_lifetime:
            raise Revert("DeadlineTooFar")
        if request.reward < params.min_reward:
            raise Revert("RewardTooSmall")
        if not verifiers // 2 < request.quorum <= verifiers:
            raise Revert("QuorumOutOfRange")
        if _signer(digest(request, self.domain), entry.request.signature) != request.consumer:
            raise Revert("BadConsumerSignature")

    def _debit(self, address: Address, nonce: int, reward: Gwei) -> None:
        consumer = self.consumers[address]
        info = consumer.info
        offset = nonce - info.nonce_base
        if offset < 0 or info.nonce_window >> max(offset, 0) & 1:
            raise Revert("NonceUsed")
        if offset >= NONCE_WINDOW:
            raise Revert("NonceTooFar")
        if reward > info.balance:
            raise Revert("InsufficientBalance")
        base, window = info.nonce_base, info.nonce_window | 1 << offset
        while window & 1:
            base, window = base + 1, window >> 1
        balance = Gwei(info.balance - reward)
        consumer.info = replace(info, balance=balance, nonce_base=base, nonce_window=window)

    def _batch(self, key: Hash32, finalize_at: int, raw: bytes) -> _Batch:
        batch = self.batches.get(key)
        if batch is None or (batch.finalize_at, batch.raw) != (finalize_at, raw):
            raise Revert("BatchMismatch")
        return batch

    def _extend(self, call: Extend, block: Block) -> list[ChainEvent]:
        batch = self._batch(call.key, call.finalize_at, call.records)
        if block.time >= batch.finalize_at:
            raise Revert("WindowClosed")
        if not 0 <= call.index < len(batch.records):
            raise Revert("BadIndex")
        record = batch.records[call.index]
        snapshot = self.snapshot(record.consumer, record.snapshot_id)
        if snapshot is None:
            raise Revert("UnknownSnapshot")
        counted = record.counted | _count(snapshot, record.vote_digest, call.votes, record.prover_seat)
        if counted == record.counted:
            return []
        batch.records[call.index] = replace(record, counted=counted)
        return [Extended(call.key, call.index, counted, block)]

    def _finalize(self, call: Finalize, block: Block) -> list[ChainEvent]:
        batch = self._batch(call.key, call.finalize_at, call.records)
        if block.time < batch.finalize_at:
            raise Revert("TooEarly")
        for record in batch.records:
            self._pay(record)
        del self.batches[call.key]
        return [Finalized(call.key, block)]

    def _pay(self, record: SettlementRecord) -> None:
        snapshot = self.snapshot(record.consumer, record.snapshot_id)
        if snapshot is None:
            raise Revert("UnknownSnapshot")
        seats = snapshot.seats
        verifiers = len(snapshot.verifiers(seats[record.prover_seat].address))
        counted = record.counted.bit_count()
        left = verifiers - counted
        fee = record.reward * self.params.verifier_bps // BPS // verifiers
        lost = fee * left + record.reward * self.params.inclusion_bps * left // (BPS * verifiers)
        share = record.reward - lost - fee * counted
        if record.tipped_seat is not None and record.tipped_seat != record.prover_seat:
            self._credit(seats[record.tipped_seat], self.params.tip)
            share -= self.params.tip
        self._credit(seats[record.prover_seat], share)
        for number, seat in enumerate(seats):
            if record.counted >> number & 1:
                self._credit(seat, fee)
        self.burned += lost

    def _credit(self, seat: Seat, amount: int) -> None:
        self.rewards[seat.member_id] = self.rewards.get(seat.member_id, 0) + amount

    def _withdraw(self, member_id: int, block: Block) -> list[ChainEvent]:
        amount = self.rewards.pop(member_id, 0)
        payout = next((p.payout for p in self.provers.values() if p.member_id == member_id), None)
        if payout is None or not amount:
            raise Revert("NothingToWithdraw")
        wei = Wei(amount * WEI_PER_GWEI)
        self.balances[payout] = self.balances.get(payout, 0) + wei
        return [RewardsWithdrawn(member_id, payout, wei, block)]


def _count(snapshot: Snapshot, hash32: Hash32, votes: Sequence[SeatVote], prover_seat: int | None) -> int:
    """The bitmap of the seats that signed; BadVotes unless all do, in order, and all may vote."""
    counted, lowest = 0, 0
    for vote in votes:
        if not lowest <= vote.seat < len(snapshot.seats) or vote.seat == prover_seat:
            raise Revert("BadVotes")
        seat = snapshot.seats[vote.seat]
        if not seat.roles & Role.VERIFY or _signer(hash32, vote.signature) != seat.address:
            raise Revert("BadVotes")
        counted |= 1 << vote.seat
        lowest = vote.seat + 1
    return counted


def _signer(hash32: Hash32, signature: bytes) -> Address | None:
    try:
        return recover(hash32, signature)
    except BadSignature:
        return None
