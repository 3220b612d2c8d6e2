"""The EVM chain and the settlement contract, as the services need them.

Reads are pinned to a block where a rule of the protocol depends on them, so that all nodes agree. Every
transaction is an *intent* with a name of its own: submitting an intent that was submitted before, also by an
earlier run of the node, never sends a second transaction for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gpn_desktop.core.types import ZERO_HASH, Address, Domain, Gwei, Hash32, Role, Snapshot, Wei
from gpn_desktop.ports.calls import Call


@dataclass(frozen=True, slots=True)
class Block:
    """``time`` in Unix seconds."""

    number: int
    hash: Hash32
    time: int


@dataclass(frozen=True, slots=True)
class ContractParams:
    """The contract's immutables. Durations in seconds, shares in basis points."""

    window: int
    settle_grace: int
    max_lifetime: int
    unbond: int
    min_stake: Wei
    min_reward: Gwei
    prover_bps: int
    inclusion_bps: int
    verifier_bps: int
    settle_delay: int
    tip: Gwei


@dataclass(frozen=True, slots=True)
class ConsumerInfo:
    """A registered consumer. ``exit_at`` is 0 unless it is leaving; ``snapshot_id`` is the one in force.

    It is 0 while no snapshot is in force: none was taken yet, or the last one ended with a change of image.
    """

    address: Address
    image_name: str
    image_digest: Hash32
    balance: Gwei
    nonce_base: int
    nonce_window: int  # bit i set: nonce_base + i is used
    exit_at: int
    snapshot_id: int
    pending_nonce_base: int = 0  # what RetireNonces announced; 0 while nothing is
    pending_nonce_at: int = 0  # after this time, in Unix seconds, the same call makes it so


@dataclass(frozen=True, slots=True)
class ProverInfo:
    """A registered operator; ``member_id`` is never re-used. ``unbond_at`` is 0 unless it is leaving."""

    address: Address
    member_id: int
    payout: Address
    stake: Wei
    unbond_at: int
    slashed: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """An operator's commitment to a consumer. Only an eligible one sits in the next snapshot.

    ``expires_at`` in Unix seconds; a commitment to an earlier image and a slashed operator's is not eligible.
    """

    prover: Address
    roles: Role
    expires_at: int
    eligible: bool


@dataclass(frozen=True, slots=True)
class SettlementRecord:
    """One request of a settlement on chain, as its event carries it; ``counted`` is a bitmap of seats."""

    request_id: Hash32
    vote_digest: Hash32
    consumer: Address
    snapshot_id: int
    prover_seat: int
    reward: Gwei
    counted: int
    raw: bytes  # the packed record, needed verbatim by extend, supersede and finalize
    tipped_seat: int | None = None  # who settled late in the prover's place and gets the tip


class TxState(Enum):
    """How far a transaction is.

    QUEUED was asked for and not signed yet; asking for it again sends it. REPLACED has a successor on its
    nonce that offers more, and either of the two may be mined. MINED stands in a block, CONFIRMED so deep
    that it counts as lasting. REVERTED was refused by the contract, or by the chain node, or lost its nonce.
    """

    QUEUED = "queued"
    SIGNED = "signed"
    SENT = "sent"
    REPLACED = "replaced"
    MINED = "mined"
    CONFIRMED = "confirmed"
    REVERTED = "reverted"


@dataclass(frozen=True, slots=True)
class TxRecord:
    """A transaction in the journal. ``raw`` is the signed transaction, kept so that it can be sent again.

    While it is queued it has no ``raw``, no hash and the nonce -1. ``error`` says what keeps it back, why it
    failed, or, of a replaced one, that it can no longer be mined.
    """

    intent: str
    nonce: int
    hash: Hash32
    raw: bytes
    state: TxState
    block: int = 0
    gas_used: int = 0
    fee: int = 0  # wei
    error: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the chain has done what it says; ``CONFIRMED`` tells whether for good."""
        return self.state in (TxState.MINED, TxState.CONFIRMED)

    @property
    def is_pending(self) -> bool:
        """Signed or sent, not yet mined."""
        return self.state in (TxState.SIGNED, TxState.SENT)

    @property
    def is_unsettled(self) -> bool:
        """Whether a later block or a reorganisation may still change what became of it, once it was sent."""
        return self.state is TxState.MINED or (self.state is TxState.REPLACED and not self.error)


class TxJournal(Protocol):
    """The journal of transactions, kept by the store: written before a transaction leaves."""

    async def tx_by_intent(self, intent: str) -> TxRecord | None: ...

    async def put_tx(self, record: TxRecord) -> None: ...

    async def forget_unsigned(self, intent: str) -> None:
        """Take out an intent that was never signed and is not asked for any more; others stay."""
        ...

    async def pending_txs(self) -> list[TxRecord]:
        """Signed or sent, not yet mined, by nonce."""
        ...

    async def unsettled_txs(self) -> list[TxRecord]:
        """Mined and not confirmed, or replaced while the successor is not confirmed either, by nonce."""
        ...

    async def recent_txs(self, limit: int) -> list[TxRecord]:
        """The last intents in whatever state, and what was replaced, newest first; for people."""
        ...


# What the chain tells -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewHead:
    block: Block


@dataclass(frozen=True, slots=True)
class Reorged:
    """Everything told about blocks from ``first_number`` on is void; what holds is told again."""

    first_number: int


@dataclass(frozen=True, slots=True)
class Settled:
    key: Hash32
    submitter: Address
    finalize_at: int
    records: Sequence[SettlementRecord]
    raw_records: bytes
    block: Block


@dataclass(frozen=True, slots=True)
class Extended:
    key: Hash32
    index: int
    counted: int
    block: Block


@dataclass(frozen=True, slots=True)
class Finalized:
    key: Hash32
    block: Block


@dataclass(frozen=True, slots=True)
class Challenged:
    """A challenger stands beside record ``index``: more votes win, a tie goes to the record."""

    key: Hash32
    prover: Address
    index: int
    prover_seat: int
    proof_hash: Hash32
    vote_digest: Hash32
    counted: int
    block: Block


@dataclass(frozen=True, slots=True)
class EntrySkipped:
    """Entry ``index`` of the settlement sent as ``tx`` was left out; ``reason`` is the contract's error."""

    index: int
    reason: str
    tx: Hash32
    block: Block


@dataclass(frozen=True, slots=True)
class FeeForfeited:
    """The verifier on ``seat`` gets no fee for record ``index``."""

    key: Hash32
    index: int
    seat: int
    block: Block


@dataclass(frozen=True, slots=True)
class Slashed:
    """An operator's stake is gone, and it earns nothing any more; the reporter got a small share of it."""

    member: Address
    member_id: int
    reporter: Address
    burned: Wei
    share: Wei
    block: Block


@dataclass(frozen=True, slots=True)
class ConsumerSlashed:
    """A consumer paid the penalty for two requests on one nonce: all of it, with the reporter's share."""

    consumer: Address
    nonce: int
    penalty: Gwei
    reporter: Address
    share: Gwei
    block: Block


@dataclass(frozen=True, slots=True)
class Suspended:
    """A member lost its seat with a consumer, and cannot commit to it before ``until`` (Unix seconds)."""

    consumer: Address
    member: Address
    until: int
    block: Block


@dataclass(frozen=True, slots=True)
class Pardoned:
    """The consumer lifted a member's suspension; the member may commit again."""

    consumer: Address
    member: Address
    block: Block


@dataclass(frozen=True, slots=True)
class ProverChanged:
    """An operator registered, left, or changed its stake, payout address or commitments."""

    prover: Address
    block: Block


@dataclass(frozen=True, slots=True)
class RewardsWithdrawn:
    member_id: int
    payout: Address
    amount: Wei
    block: Block
    tx: Hash32 = ZERO_HASH


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    consumer: Address
    snapshot_id: int
    block: Block


@dataclass(frozen=True, slots=True)
class ConsumerChanged:
    consumer: Address
    block: Block


@dataclass(frozen=True, slots=True)
class LatestProof:
    consumer: Address
    proof_hash: Hash32
    block: Block


@dataclass(frozen=True, slots=True)
class ChainDown:
    reason: str


@dataclass(frozen=True, slots=True)
class ChainUp:
    block: Block


ChainEvent = (
    NewHead
    | Reorged
    | Settled
    | Extended
    | Challenged
    | EntrySkipped
    | FeeForfeited
    | Finalized
    | Slashed
    | ConsumerSlashed
    | Suspended
    | Pardoned
    | ProverChanged
    | RewardsWithdrawn
    | SnapshotTaken
    | ConsumerChanged
    | LatestProof
    | ChainDown
    | ChainUp
)


class Chain(Protocol):
    domain: Domain

    async def start(self, from_block: int) -> None:
        """Connect, check chain id and contract, subscribe; events from ``from_block`` on are delivered.

        Raises:
            ChainUnreachable, WrongChain, ContractMissing
        """
        ...

    async def aclose(self) -> None: ...

    def events(self) -> AsyncIterator[ChainEvent]:
        """Every event once per branch of the chain, in chain order, through reconnects and reorgs."""
        ...

    async def params(self) -> ContractParams: ...

    async def head(self) -> Block: ...

    async def block(self, number: int) -> Block | None:
        """None while the chain has not reached it."""
        ...

    async def balance(self, account: Address) -> Wei: ...

    async def gas_price(self) -> int:
        """What a unit of gas would cost now, in wei: base fee and tip."""
        ...

    async def consumer(self, address: Address, at_block: int | None = None) -> ConsumerInfo | None: ...

    async def consumers(self) -> list[ConsumerInfo]: ...

    async def prover(self, address: Address) -> ProverInfo | None: ...

    async def snapshot(self, consumer: Address, snapshot_id: int) -> Snapshot | None: ...

    async def committee(self, consumer: Address) -> list[Candidate]:
        """Everyone committed to a consumer; who sits, and on which seat, is the snapshot's to say."""
        ...

    async def suspended_until(self, consumer: Address, member: Address) -> int:
        """Until when, in Unix seconds, a member can't commit to the consumer's present image; 0 if it can."""
        ...

    async def latest_proof(self, consumer: Address, at_block: int) -> Hash32 | None:
        """The proof hash of the consumer's last ``LatestProof`` event at or before the block."""
        ...

    def records(self, raw: bytes) -> Sequence[SettlementRecord]:
        """The records of a settlement from the form in which its event carried them; ValueError otherwise."""
        ...

    async def settled(self, consumer: Address, first: int, last: int) -> list[SettlementRecord]:
        """What was settled for a consumer in these blocks, both included, oldest first. ChainUnreachable."""
        ...

    async def rewards(self, member_id: int) -> Gwei:
        """What a member can withdraw now."""
        ...

    async def burned(self) -> Gwei:
        """What the contract has burned so far."""
        ...

    async def submit(self, intent: str, call: Call) -> TxRecord:
        """Sign, journal, send and wait until mined; the record of the earlier transaction if there was one.

        Raises:
            FeesTooHigh: nothing was sent; the journal has it as queued, and asking again tries again.
            TransactionFailed: reverted or refused; the message names the contract's error.
            InsufficientFunds, ChainUnreachable
        """
        ...
