"""What a node can ask the settlement contract to do, as values.

Amounts are wei where money is sent along, else gwei; votes stand in strictly increasing seat order.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpn_desktop.core.messages import Signed
from gpn_desktop.core.types import Address, Announcement, Hash32, Request, Role, Signature, Vote, Wei


@dataclass(frozen=True, slots=True)
class SeatVote:
    seat: int
    signature: Signature


@dataclass(frozen=True, slots=True)
class SettlementEntry:
    """One verified request as ``settle`` takes it: votes in strictly increasing seat order, all valid."""

    request: Signed[Request]
    vote: Vote
    votes: tuple[SeatVote, ...]


# What a node can ask the contract to do -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RegisterProver:
    payout: Address
    stake: Wei


@dataclass(frozen=True, slots=True)
class RegisterConsumer:
    image_name: str
    image_digest: Hash32
    deposit: Wei


@dataclass(frozen=True, slots=True)
class Deposit:
    consumer: Address
    amount: Wei


@dataclass(frozen=True, slots=True)
class Commit:
    consumer: Address
    image_digest: Hash32
    roles: Role


@dataclass(frozen=True, slots=True)
class Uncommit:
    consumer: Address


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    consumer: Address


@dataclass(frozen=True, slots=True)
class Finalize:
    """Pay a batch whose window is over."""

    key: Hash32
    finalize_at: int
    records: bytes


@dataclass(frozen=True, slots=True)
class Settle:
    """Each entry with its own votes. The contract skips bad entries, so the event may carry fewer records.

    ``pays`` is a batch of the sender's own whose window is over: it is paid in the same transaction, and its
    slot used again, which costs far less than both by themselves.
    """

    entries: tuple[SettlementEntry, ...]
    pays: Finalize | None = None


@dataclass(frozen=True, slots=True)
class SettleAttested:
    """Entries of one consumer and snapshot, whose own votes are not looked at.

    ``votes`` are signatures under the BatchVote of all entries' vote digests, in order.
    """

    entries: tuple[SettlementEntry, ...]
    votes: tuple[SeatVote, ...]
    pays: Finalize | None = None


@dataclass(frozen=True, slots=True)
class Extend:
    """Add votes to record ``index`` of the batch kept under ``key``."""

    key: Hash32
    finalize_at: int
    records: bytes
    index: int
    votes: tuple[SeatVote, ...]


@dataclass(frozen=True, slots=True)
class WithdrawRewards:
    member_id: int


@dataclass(frozen=True, slots=True)
class BeginUnbond:
    """Begin to leave; every commitment must have been taken back."""


@dataclass(frozen=True, slots=True)
class WithdrawStake:
    """Send the stake to the payout address, once ``unbond_at`` has come."""


@dataclass(frozen=True, slots=True)
class AddStake:
    amount: Wei


@dataclass(frozen=True, slots=True)
class SetPayout:
    """Only the present payout address may send this."""

    prover: Address
    payout: Address


@dataclass(frozen=True, slots=True)
class Renew:
    """Let the own commitment to a consumer's present image run for another term."""

    consumer: Address


@dataclass(frozen=True, slots=True)
class SetImage:
    """A consumer changes its image: members must commit anew."""

    image_name: str
    image_digest: Hash32


@dataclass(frozen=True, slots=True)
class BeginExit:
    """A consumer begins to leave: nothing new is accepted, the balance can be taken when nothing is owed."""


@dataclass(frozen=True, slots=True)
class WithdrawDeposit:
    """A consumer takes its balance and is gone, once ``exit_at`` has come."""


@dataclass(frozen=True, slots=True)
class RetireNonces:
    """A consumer gives up all nonces below ``new_base``: announced by a first call, done by a second."""

    new_base: int


@dataclass(frozen=True, slots=True)
class Supersede:
    """Put another prover's proof up beside record ``index`` of a settlement in its window.

    ``vote`` is what the votes say; ``prover_seat`` is its prover's seat in the request's snapshot.
    """

    key: Hash32
    finalize_at: int
    records: bytes
    index: int
    prover_seat: int
    vote: Vote
    votes: tuple[SeatVote, ...]


# Faults ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opinion:
    """A signed vote: by itself, or as entry ``index`` of the vote digests that ``signature`` is under."""

    vote: Vote
    signature: Signature
    batch: tuple[Hash32, ...] = ()
    index: int = 0


@dataclass(frozen=True, slots=True)
class Refuted:
    """A proof that more than two thirds of V voted down. ``vote`` is their vote, its ``valid`` False."""

    vote: Vote
    prover_seat: int
    votes: tuple[SeatVote, ...]


@dataclass(frozen=True, slots=True)
class SlashEquivocation:
    """Opposite opinions of a member on one proof: its stake is lost."""

    member: Address
    valid: Opinion
    invalid: Opinion


@dataclass(frozen=True, slots=True)
class SlashDoubleAnnouncement:
    """Two hashes announced by one prover for one request: its stake is lost."""

    first: Signed[Announcement]
    second: Signed[Announcement]


@dataclass(frozen=True, slots=True)
class SlashDoubleRequest:
    """Two requests signed on one nonce: the consumer pays a penalty out of its deposit."""

    first: Signed[Request]
    second: Signed[Request]


@dataclass(frozen=True, slots=True)
class Suspend:
    """A prover whose proof was refuted loses its seat with the consumer for a time; no stake."""

    request: Request
    refuted: Refuted
    announcement: Signed[Announcement]


@dataclass(frozen=True, slots=True)
class SuspendSigner:
    """A verifier that signed ``valid`` for a refuted proof loses its seat for a time; no stake."""

    request: Request
    refuted: Refuted
    seat: int
    valid: Opinion


@dataclass(frozen=True, slots=True)
class ForfeitFee:
    """A verifier that signed ``valid`` for a refuted proof gets no fee for that request's settlement."""

    key: Hash32
    finalize_at: int
    records: bytes
    index: int
    refuted: Refuted
    seat: int
    valid: Opinion


@dataclass(frozen=True, slots=True)
class Evict:
    """Take a slashed member's commitment, and with it its seat, away."""

    consumer: Address
    member: Address


@dataclass(frozen=True, slots=True)
class Pardon:
    """A consumer lifts its suspension of a member: the false proof was one that it had asked for."""

    member: Address


@dataclass(frozen=True, slots=True)
class Transfer:
    """ETH to somebody, past the contract."""

    to: Address
    amount: Wei


ConsumerCall = (
    RegisterConsumer | Deposit | SetImage | BeginExit | WithdrawDeposit | RetireNonces | TakeSnapshot | Pardon
)

OperatorCall = (
    RegisterProver
    | AddStake
    | SetPayout
    | BeginUnbond
    | WithdrawStake
    | Commit
    | Renew
    | Uncommit
    | WithdrawRewards
)

SettlementCall = Settle | SettleAttested | Extend | Supersede | Finalize

FaultCall = (
    SlashEquivocation
    | SlashDoubleAnnouncement
    | SlashDoubleRequest
    | Suspend
    | SuspendSigner
    | ForfeitFee
    | Evict
)

Call = ConsumerCall | OperatorCall | SettlementCall | FaultCall | Transfer
