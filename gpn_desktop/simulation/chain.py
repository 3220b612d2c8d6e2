"""The chain of a run: blocks with a beacon in each hash, reorganisations, and the contract's rules of paying.

As far as a request's fate depends on it: nonces, settlements with their window, extensions, exact payouts.
The contract itself is tested elsewhere, on an EVM; here its rules meet nodes that crash, lie and lose touch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.job import ProofKey
from gpn_desktop.core.messages import CastVote
from gpn_desktop.core.settlement import Shares, split
from gpn_desktop.core.types import Address, Gwei, Hash32, Request, Snapshot
from gpn_desktop.simulation.plan import START
from gpn_desktop.simulation.timeline import Timeline, dice

BLOCK_MS: Final = 12_000
CONFIRMATIONS: Final = 2
BEACON_DELAY: Final = CONFIRMATIONS + 1
WINDOW_MS: Final = 240_000  # of a settlement; longer than any partition or outage of a run, as 24 h are
GRACE_MS: Final = 3_600_000  # after the deadline, in which a proof can still be settled
SETTLE_DELAY_MS: Final = 120_000  # after the deadline, from when on others than the prover are tipped
SHARES: Final = Shares(6000, 2000, 2000, Gwei(600))
DEPOSIT: Final = 10**12  # gwei that each consumer brings


@dataclass(frozen=True, slots=True)
class Block:
    """``time`` in milliseconds, a whole second."""

    number: int
    time: int
    hash: Hash32


@dataclass(frozen=True, slots=True)
class Settle:
    """A settlement on its way: the votes that credit one prover with one proof."""

    request_id: Hash32
    proof: ProofKey
    votes: tuple[CastVote, ...]
    sender: Address


@dataclass(frozen=True, slots=True)
class Record:
    """A settlement on chain. ``at``: its block's time; ``paid``: the window is over and the reward split."""

    request: Request
    snapshot: Snapshot
    proof: ProofKey
    voters: tuple[Address, ...]
    sender: Address
    block: int
    at: int
    paid: bool = False


@dataclass
class Account:
    """A consumer's money, in gwei, and the nonces that its settled requests used, with their blocks."""

    balance: int = DEPOSIT
    paid: int = 0
    burned: int = 0
    nonces: dict[int, int] = field(default_factory=dict)

    def used(self, at_block: int) -> int:
        """The used nonces as bits, as they stood at a block."""
        return sum(1 << nonce for nonce, block in self.nonces.items() if block <= at_block)


class Chain:
    """``on_block`` and ``on_reorg`` are told to whoever follows the chain."""

    def __init__(self, timeline: Timeline, seed: int) -> None:
        self.blocks: list[Block] = []
        self.records: dict[Hash32, Record] = {}
        self.accounts: dict[Address, Account] = {}
        self.earned: dict[Address, int] = {}
        self.known: dict[Hash32, tuple[Request, Snapshot]] = {}
        self.replaced: set[int] = set()  # numbers of blocks that were not the same all the time
        self.reverted = 0
        self.reorgs = 0
        self.running: Callable[[], bool] = lambda: True
        self.on_block: Callable[[Block], None] = lambda _: None
        self.on_reorg: Callable[[int], None] = lambda _: None
        self.on_settled: Callable[[Record], None] = lambda _: None
        self.on_paid: Callable[[Record], None] = lambda _: None
        self._timeline, self._seed = timeline, seed
        self._chance = dice(seed, "chain")
        self._pool: list[Settle] = []
        self._latest: dict[Address, list[tuple[int, Hash32]]] = {}
        self._branch = 0
        for number in range(CONFIRMATIONS + 2):
            self._append(START - BLOCK_MS * (CONFIRMATIONS + 2 - number))

    def start(self) -> None:
        self._timeline.after(BLOCK_MS, self._mine)

    @property
    def head(self) -> Block:
        return self.blocks[-1]

    def block(self, number: int) -> Block | None:
        return self.blocks[number] if 0 <= number < len(self.blocks) else None

    def account(self, consumer: Address) -> Account:
        return self.accounts.setdefault(consumer, Account())

    def register(self, request_id: Hash32, request: Request, snapshot: Snapshot) -> None:
        """What a settlement's calldata would carry."""
        self.known[request_id] = (request, snapshot)

    def latest_proof(self, consumer: Address, at_block: int) -> Hash32 | None:
        """The consumer's last settled proof at or before a block."""
        found = [h for number, h in self._latest.get(consumer, ()) if number <= at_block]
        return found[-1] if found else None

    def submit(self, settle: Settle) -> None:
        """Into the pool; the next block takes it, or reverts it."""
        self._pool.append(settle)

    # blocks -----------------------------------------------------------------------------------------------

    def _append(self, time: int) -> Block:
        number = len(self.blocks)
        digest = keccak(b"block", *(part.to_bytes(8, "big") for part in (self._seed, number, self._branch)))
        block = Block(number, time, digest)
        self.blocks.append(block)
        return block

    def _mine(self) -> None:
        block = self._append(self._timeline.now)
        pool, self._pool = self._pool, []
        for settle in pool:
            self._take(settle, block)
        self._pay(block)
        self.on_block(block)
        if self.running():
            self._timeline.after(BLOCK_MS, self._mine)

    def reorganise(self, depth: int) -> None:
        """Replace the last blocks: what they settled is undone, and maybe settled again by the next block."""
        self._branch += 1
        self.reorgs += 1
        first = len(self.blocks) - depth
        dropped, self.blocks = self.blocks[first:], self.blocks[:first]
        for request_id, record in list(self.records.items()):
            if record.block >= first and not record.paid:
                self._undo(request_id, record)
        for block in dropped:
            self.replaced.add(block.number)
            self._append(block.time)
        self.on_reorg(first)

    def _undo(self, request_id: Hash32, record: Record) -> None:
        del self.records[request_id]
        account = self.account(record.request.consumer)
        account.nonces.pop(record.request.nonce, None)
        account.balance += record.request.reward
        kept = self._latest[record.request.consumer]
        self._latest[record.request.consumer] = [
            one for one in kept if one != (record.block, record.proof[1])
        ]

    # the contract -----------------------------------------------------------------------------------------

    def _take(self, settle: Settle, block: Block) -> None:
        record = self.records.get(settle.request_id)
        done = self._settle(settle, block) if record is None else self._extend(record, settle, block)
        self.reverted += not done

    def _settle(self, settle: Settle, block: Block) -> bool:
        request, snapshot = self.known[settle.request_id]
        account = self.account(request.consumer)
        voters = _counted(settle, snapshot, ())
        in_time = block.time <= request.deadline * 1000 + GRACE_MS
        if len(voters) < request.quorum or not in_time or request.nonce in account.nonces:
            return False
        if account.balance < request.reward:
            return False
        account.balance -= request.reward
        account.nonces[request.nonce] = block.number
        record = Record(request, snapshot, settle.proof, voters, settle.sender, block.number, block.time)
        self.records[settle.request_id] = record
        self._latest.setdefault(request.consumer, []).append((block.number, settle.proof[1]))
        self.on_settled(record)
        return True

    def _extend(self, record: Record, settle: Settle, block: Block) -> bool:
        more = _counted(settle, record.snapshot, record.voters)
        if settle.proof != record.proof or not more or record.paid or block.time > record.at + WINDOW_MS:
            return False
        self.records[settle.request_id] = replace(record, voters=record.voters + more)
        return True

    def _pay(self, block: Block) -> None:
        for request_id, record in self.records.items():
            if record.paid or block.time <= record.at + WINDOW_MS:
                continue
            self.records[request_id] = replace(record, paid=True)
            self._split(record)
            self.on_paid(record)

    def _split(self, record: Record) -> None:
        prover = record.proof[0]
        late = record.at >= record.request.deadline * 1000 + SETTLE_DELAY_MS
        tipped = record.sender != prover and late
        verifiers = len(record.snapshot.verifiers(prover))
        parts = split(record.request.reward, SHARES, verifiers, len(record.voters), by_prover=not tipped)
        self._credit(prover, parts.prover)
        for voter in record.voters:
            self._credit(voter, parts.fee)
        if tipped:
            self._credit(record.sender, parts.tip)
        account = self.account(record.request.consumer)
        account.paid += record.request.reward - parts.burned
        account.burned += parts.burned

    def _credit(self, member: Address, amount: int) -> None:
        self.earned[member] = self.earned.get(member, 0) + amount


def _counted(settle: Settle, snapshot: Snapshot, known: Iterable[Address]) -> tuple[Address, ...]:
    """The voters that count anew: of V, each once, and only for this proof of this request."""
    prover, proof_hash = settle.proof
    verifiers = snapshot.verifiers(prover)
    voters = dict.fromkeys(known)
    found: list[Address] = []
    for cast in settle.votes:
        vote, voter = cast.signed.message, cast.signed.signer
        fits = (vote.request_id, vote.prover, vote.proof_hash) == (settle.request_id, prover, proof_hash)
        if fits and vote.valid and voter in verifiers and voter not in voters:
            voters[voter] = None
            found.append(voter)
    return tuple(found)
