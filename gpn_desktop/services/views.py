"""What clients of the node see (window, gRPC, JSON): immutable snapshots, ready to show."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from gpn_desktop.core.refusals import Ban, Drops
from gpn_desktop.core.types import Address, Gwei, Hash32, Wei
from gpn_desktop.ports.cluster import WorkerView


class Phase(Enum):
    """Where a request stands. The values are stored and sent; the order is that of a request's life."""

    WAITING = "waiting"  # t₀ has not come
    PROVING = "proving"
    VERIFYING = "verifying"
    VERIFIED = "verified"
    SETTLED = "settled"  # in its window
    PAID = "paid"  # finalised
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REFUSED = "refused"

    @property
    def ended(self) -> bool:
        return self in (Phase.PAID, Phase.EXPIRED, Phase.CANCELLED, Phase.REFUSED)


@dataclass(frozen=True, slots=True)
class VoteView:
    voter: Address
    prover: Address
    proof_hash: Hash32
    attempt: int
    valid: bool
    mine: bool


@dataclass(frozen=True, slots=True)
class TurnView:
    """One rank of a request's order. ``state``: waiting, proving, announced, voted down, declined, timed out,
    verified, skipped."""

    rank: int
    prover: Address
    mine: bool
    state: str
    proof_hash: Hash32 | None = None


@dataclass(frozen=True, slots=True)
class StepView:
    """A line of a request's timeline; ``time_ms`` in Unix milliseconds."""

    label: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class JobView:
    request_id: Hash32
    ref: str
    consumer: Address
    phase: Phase
    role: str  # "Prover, 1st", "Verifier", "Gateway", "None"
    attempt: int
    prover: Address | None
    reward: Gwei
    earned: Gwei
    deadline: int  # Unix seconds
    quorum: int
    valid_votes: int
    invalid_votes: int
    committee: int
    received_ms: int
    verdict_ms: int
    proof_hash: Hash32 | None
    seed: Hash32 | None
    turns: tuple[TurnView, ...]
    votes: tuple[VoteView, ...]
    timeline: tuple[StepView, ...]
    error: str = ""
    # The gateway's own measure of this request, in milliseconds; None on other nodes.
    prove_ms: float | None = None
    verify_ms: float | None = None
    unvoted: str = ""  # why this node could not vote where it should have


@dataclass(frozen=True, slots=True)
class ProofView:
    """A verified proof with the signatures under it, 65 bytes each."""

    request_id: Hash32
    proof_hash: Hash32
    proof: bytes
    verdict_ms: int
    votes: tuple[tuple[Address, bytes], ...]


@dataclass(frozen=True, slots=True)
class EarningsView:
    """All in gwei but the withdrawn sum and fees, in wei."""

    in_window: Gwei = Gwei(0)
    claimable: Gwei = Gwei(0)
    withdrawn: Wei = Wei(0)
    fees: Wei = Wei(0)
    next_finalize_at: int = 0  # Unix seconds, 0 if nothing waits


@dataclass(frozen=True, slots=True)
class ConsumerView:
    """A consumer on the contract, and what this node has to do with it.

    Attributes:
        committed: this node sits in the committee in force.
        served: it works for the consumer, in a seat or waiting for one.
        leaving: the commitment was taken back, the seat is served to its end.
        expires_at: when this node's commitment ends, in Unix seconds; 0 without one.
        exiting: the consumer itself is leaving the contract.
        reward, turn_seconds: of its latest request that this node saw; None before.
    """

    address: Address
    image_name: str
    image_digest: Hash32
    balance: Gwei
    snapshot_id: int
    committee: int
    image_state: str
    committed: bool
    served: bool = False
    leaving: bool = False
    expires_at: int = 0
    exiting: bool = False
    reward: Gwei | None = None
    turn_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class NodeView:
    """The whole node at one instant."""

    address: Address
    payout: Address | None
    network: str  # "demo", "testing", or the chain's id
    version: str
    head: int
    chain_up: bool
    peers: int
    running: int
    paused: bool
    drops: Drops
    runtime: str
    listen: tuple[str, ...] = ()
    jobs: tuple[JobView, ...] = ()  # open ones and the latest ended, newest first
    earnings: EarningsView = field(default_factory=EarningsView)
    consumers: tuple[ConsumerView, ...] = ()
    alerts: tuple[str, ...] = ()
    workers: tuple[WorkerView, ...] = ()
    bans: tuple[Ban, ...] = ()
