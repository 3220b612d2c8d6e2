"""The ledger's consumers, operators and committees: Consumers.sol and Operators.sol, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gpn_desktop.adapters.chain.ledger_state import Commitment, Consumer, Kept, Revert, State
from gpn_desktop.core.selection import weight_of
from gpn_desktop.core.types import (
    WEI_PER_GWEI,
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    Gwei,
    Hash32,
    Role,
    Seat,
    Snapshot,
    Wei,
)
from gpn_desktop.ports.calls import (
    AddStake,
    BeginExit,
    BeginUnbond,
    Commit,
    ConsumerCall,
    Deposit,
    OperatorCall,
    Pardon,
    RegisterConsumer,
    RegisterProver,
    Renew,
    RetireNonces,
    SetImage,
    SetPayout,
    TakeSnapshot,
    Uncommit,
    WithdrawDeposit,
    WithdrawRewards,
    WithdrawStake,
)
from gpn_desktop.ports.chain import (
    Block,
    Candidate,
    ChainEvent,
    ConsumerChanged,
    Pardoned,
    ProverChanged,
    ProverInfo,
    RewardsWithdrawn,
    SnapshotTaken,
)

DAY: Final = 86_400
COMMITMENT_TTL: Final = 30 * DAY
MAX_SEATS: Final = 32
MAX_IMAGE_BYTES: Final = 256
LAST_NONCE_BASE: Final = 2**64 - 1 - 256


class Registry(State):
    """Who takes part, with what, and how they leave."""

    __slots__ = ()

    # consumers ----------------------------------------------------------------------------------------------

    def consumer_call(self, sender: Address, call: ConsumerCall, block: Block) -> list[ChainEvent]:
        match call:
            case RegisterConsumer():
                return self._register_consumer(sender, call, block)
            case Deposit(address, amount):
                consumer = self._registered(address)
                balance = Gwei(consumer.balance + self.take(sender, amount))
                self._keep(replace(consumer, balance=balance))
                return [ConsumerChanged(address, block)]
            case SetImage(name, image):
                self._keep(_with_image(self._registered(sender), name, image))
                return [ConsumerChanged(sender, block), *self._end_snapshot(sender, block)]
            case BeginExit():
                return self._begin_exit(sender, block)
            case WithdrawDeposit():
                return self._withdraw_deposit(sender, block)
            case RetireNonces(new_base):
                self._retire(sender, new_base, block.time)
                return [ConsumerChanged(sender, block)]
            case TakeSnapshot(address):
                return self._take_snapshot(address, block)
            case Pardon(member):
                if self.suspended_until(sender, member) <= block.time:
                    raise Revert("NotSuspended")
                del self.suspensions[sender, member]
                return [Pardoned(sender, member, block)]

    def _keep(self, consumer: Consumer) -> None:
        self.consumers[consumer.address] = consumer

    def _registered(self, address: Address) -> Consumer:
        consumer = self.consumers.get(address)
        if consumer is None or not consumer.is_registered:
            raise Revert("NotRegistered")
        return consumer

    def _register_consumer(self, sender: Address, call: RegisterConsumer, block: Block) -> list[ChainEvent]:
        consumer = self.consumers.get(sender, Consumer(sender))
        if consumer.is_registered:
            raise Revert("AlreadyRegistered")
        consumer = _with_image(consumer, call.image_name, call.image_digest)
        self._keep(replace(consumer, balance=Gwei(consumer.balance + self.take(sender, call.deposit))))
        self.listed = (*self.listed, sender)
        return [ConsumerChanged(sender, block), ConsumerChanged(sender, block)]

    def _begin_exit(self, sender: Address, block: Block) -> list[ChainEvent]:
        consumer = self._registered(sender)
        if consumer.exit_at:
            raise Revert("Exiting")
        self._keep(replace(consumer, exit_at=block.time + self.params.unbond))
        return [ConsumerChanged(sender, block), *self._end_snapshot(sender, block)]

    def _withdraw_deposit(self, sender: Address, block: Block) -> list[ChainEvent]:
        consumer = self._registered(sender)
        if not consumer.exit_at:
            raise Revert("NotExiting")
        if block.time < consumer.exit_at:
            raise Revert("TooEarly")
        self.listed = _without(self.listed, sender)
        self._keep(replace(consumer, image_name="", image_digest=ZERO_HASH, exit_at=0, balance=Gwei(0)))
        self.send(sender, consumer.balance * WEI_PER_GWEI)
        return [ConsumerChanged(sender, block)]

    def _retire(self, sender: Address, new_base: int, now: int) -> None:
        consumer = self._registered(sender)
        if not consumer.nonce_base < new_base <= LAST_NONCE_BASE:
            raise Revert("NonceBaseNotAhead")
        if consumer.pending_base != new_base:
            at = now + self.params.max_lifetime + self.params.settle_grace
            self._keep(replace(consumer, pending_base=new_base, pending_at=at))
            return
        if now <= consumer.pending_at:
            raise Revert("TooEarly")
        window = consumer.nonce_window >> (new_base - consumer.nonce_base)
        base, window = advanced(new_base, window)
        self._keep(replace(consumer, nonce_base=base, nonce_window=window, pending_base=0, pending_at=0))

    # operators ----------------------------------------------------------------------------------------------

    def operator_call(self, sender: Address, call: OperatorCall, block: Block) -> list[ChainEvent]:
        match call:
            case RegisterProver(payout, stake):
                self._register_prover(sender, payout, stake)
            case AddStake(amount):
                prover = self._active(sender)
                self.take(sender, amount)
                self.provers[sender] = replace(prover, stake=Wei(prover.stake + amount))
            case SetPayout(address, payout):
                return self._set_payout(sender, address, payout, block)
            case BeginUnbond():
                prover = self._active(sender)
                if any(member == sender for _, member in self.commitments):
                    raise Revert("StillCommitted")
                self.provers[sender] = replace(prover, unbond_at=block.time + self.params.unbond)
            case WithdrawStake():
                self._withdraw_stake(sender, block.time)
            case Commit() | Renew() | Uncommit():
                return self._commitment_call(sender, call, block)
            case WithdrawRewards(member_id):
                return self._withdraw_rewards(member_id, block)
        return [ProverChanged(sender, block)]

    def _active(self, address: Address) -> ProverInfo:
        prover = self.provers.get(address)
        if prover is None or not prover.stake:
            raise Revert("NotRegistered")
        if prover.unbond_at:
            raise Revert("Unbonding")
        return prover

    def _register_prover(self, sender: Address, payout: Address, stake: Wei) -> None:
        known = self.provers.get(sender)
        if payout == ZERO_ADDRESS:
            raise Revert("ZeroAddress")
        if known is not None and known.stake:
            raise Revert("AlreadyRegistered")
        if stake < self.params.min_stake:
            raise Revert("StakeTooSmall")
        if known is not None and known.slashed:
            raise Revert("MemberSlashed")
        if known is not None and known.payout != payout:
            raise Revert("NotPayout")
        self.take(sender, stake)
        member_id = known.member_id if known else len(self.provers) + 1
        self.provers[sender] = ProverInfo(sender, member_id, payout, stake, 0, False)

    def _set_payout(
        self, sender: Address, address: Address, payout: Address, block: Block
    ) -> list[ChainEvent]:
        prover = self.provers.get(address)
        if prover is None or prover.payout != sender:
            raise Revert("NotPayout")
        if payout == ZERO_ADDRESS:
            raise Revert("ZeroAddress")
        self.provers[address] = replace(prover, payout=payout)
        return [ProverChanged(address, block)]

    def _withdraw_stake(self, sender: Address, now: int) -> None:
        prover = self.provers.get(sender)
        if prover is None or not prover.unbond_at:
            raise Revert("NotUnbonding")
        if now < prover.unbond_at:
            raise Revert("TooEarly")
        self.provers[sender] = replace(prover, stake=Wei(0), unbond_at=0)
        self.send(prover.payout, prover.stake)

    def _withdraw_rewards(self, member_id: int, block: Block) -> list[ChainEvent]:
        payout = next((p.payout for p in self.provers.values() if p.member_id == member_id), None)
        amount = self.rewards.get(member_id, 0)
        if payout is None or not amount:
            raise Revert("NothingToWithdraw")
        del self.rewards[member_id]
        self.send(payout, amount * WEI_PER_GWEI)
        return [RewardsWithdrawn(member_id, payout, Wei(amount * WEI_PER_GWEI), block)]

    # committees ---------------------------------------------------------------------------------------------

    def committee(self, address: Address, now: int) -> list[Candidate]:
        """Everyone committed to a consumer, also those that the next snapshot leaves out."""
        consumer = self.consumers.get(address, Consumer(address))
        found = [(member, self.commitments[address, member]) for member in consumer.candidates]
        return [
            Candidate(member, c.roles, c.expires_at, self._eligible(consumer, member, now))
            for member, c in found
        ]

    def _commitment_call(
        self, sender: Address, call: Commit | Renew | Uncommit, block: Block
    ) -> list[ChainEvent]:
        own = self.commitments.get((call.consumer, sender))
        if isinstance(call, Commit):
            if self._registered(call.consumer).image_digest != call.image_digest:
                raise Revert("DigestMismatch")
            if not 0 < call.roles <= Role.PROVE | Role.VERIFY:
                raise Revert("BadRoles")
            return self._commit(sender, call.consumer, call.roles, block)
        if own is None:
            raise Revert("NotCommitted")
        if isinstance(call, Uncommit):
            return self.drop(call.consumer, sender, block) + self.reseat(call.consumer, sender, block)
        if own.image_version != self._registered(call.consumer).image_version:
            raise Revert("DigestMismatch")
        return self._commit(sender, call.consumer, own.roles, block)

    def _commit(self, sender: Address, address: Address, roles: Role, block: Block) -> list[ChainEvent]:
        consumer = self.consumers[address]
        if consumer.exit_at:
            raise Revert("Exiting")
        prover = self._active(sender)
        if self.suspended_until(address, sender) > block.time:
            raise Revert("MemberSuspended")
        told: list[ChainEvent] = []
        displaced: Address | None = None
        if sender not in consumer.candidates:
            if len(consumer.candidates) == MAX_SEATS:
                displaced = self._weakest(consumer, prover.stake, block.time)
                told += self.drop(address, displaced, block)
                consumer = self.consumers[address]
            self._keep(replace(consumer, candidates=(*consumer.candidates, sender)))
        expires_at = block.time + COMMITMENT_TTL
        self.commitments[address, sender] = Commitment(expires_at, consumer.image_version, roles)
        told.append(ProverChanged(sender, block))
        return told + (self.reseat(address, displaced, block) if displaced else [])

    def _weakest(self, consumer: Consumer, stake: int, now: int) -> Address:
        """Who gives way to a newcomer with ``stake``: an ineligible candidate, else the least."""
        for member in consumer.candidates:
            if not self._eligible(consumer, member, now):
                return member
        below = [p for p in map(self.provers.__getitem__, consumer.candidates) if p.stake < stake]
        if not below:
            raise Revert("CommitteeFull")
        return min(below, key=lambda prover: (prover.stake, -prover.member_id)).address

    def _eligible(self, consumer: Consumer, member: Address, now: int) -> bool:
        commitment = self.commitments[consumer.address, member]
        current = commitment.image_version == consumer.image_version
        return commitment.expires_at > now and current and self.provers[member].stake > 0

    def drop(self, address: Address, member: Address, block: Block) -> list[ChainEvent]:
        """Take a commitment away; the last candidate moves to the place that becomes free."""
        consumer = self.consumers[address]
        self._keep(replace(consumer, candidates=_without(consumer.candidates, member)))
        del self.commitments[address, member]
        return [ProverChanged(member, block)]

    def reseat(self, address: Address, gone: Address, block: Block) -> list[ChainEvent]:
        """Nobody keeps a seat in force without a commitment."""
        in_force = self.consumers[address].in_force
        if in_force is None or gone not in in_force.members:
            return []
        seats = self._seats(self.consumers[address], block.time)
        if len(seats) < 2:
            return self._end_snapshot(address, block)
        return self._put_in_force(address, seats, block)

    def _take_snapshot(self, address: Address, block: Block) -> list[ChainEvent]:
        consumer = self._registered(address)
        if consumer.exit_at:
            raise Revert("Exiting")
        seats = self._seats(consumer, block.time)
        if len(seats) < 2:
            raise Revert("CommitteeTooSmall")
        last = consumer.in_force
        if last is not None and (last.image_digest, last.seats) == (consumer.image_digest, seats):
            raise Revert("SnapshotUnchanged")
        return self._put_in_force(address, seats, block)

    def _seats(self, consumer: Consumer, now: int) -> tuple[Seat, ...]:
        seats = []
        for member in consumer.candidates:
            if self._eligible(consumer, member, now):
                prover = self.provers[member]
                weight = weight_of(prover.stake, self.params.min_stake)
                roles = self.commitments[consumer.address, member].roles
                seats.append(Seat(member, prover.member_id, roles, weight))
        return tuple(seats)

    def _end_snapshot(self, address: Address, block: Block) -> list[ChainEvent]:
        consumer = self.consumers[address]
        if consumer.in_force is None:
            return []
        ended = replace(consumer.snapshots[-1], ended_at=block.time)
        self._keep(replace(consumer, snapshots=(*consumer.snapshots[:-1], ended)))
        return [ConsumerChanged(address, block)]

    def _put_in_force(self, address: Address, seats: tuple[Seat, ...], block: Block) -> list[ChainEvent]:
        told = self._end_snapshot(address, block)
        consumer = self.consumers[address]
        number = len(consumer.snapshots) + 1
        kept = Kept(Snapshot(address, number, consumer.image_digest, seats))
        self._keep(replace(consumer, snapshots=(*consumer.snapshots, kept)))
        return [*told, SnapshotTaken(address, number, block)]


def _with_image(consumer: Consumer, name: str, image: Hash32) -> Consumer:
    if not any(image) or not 0 < len(name.encode()) <= MAX_IMAGE_BYTES:
        raise Revert("BadImage")
    version = consumer.image_version + 1
    return replace(consumer, image_name=name, image_digest=image, image_version=version)


def _without(addresses: tuple[Address, ...], gone: Address) -> tuple[Address, ...]:
    """As the contract takes one off a list: the last one moves to its place."""
    at = addresses.index(gone)
    moved = list(addresses)
    moved[at] = moved[-1]
    return tuple(moved[:-1])


def advanced(base: int, window: int) -> tuple[int, int]:
    """The window moved past the nonces used without a gap."""
    while window & 1:
        base, window = base + 1, window >> 1
    return base, window
