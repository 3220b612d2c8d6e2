"""Random calls, sent to the ledger in memory and to a real chain alike, step by step at the same time.

Both have one contract address and one clock, so that every signature, key and time is the same on both, and
whatever differs is a rule that one of them has and the other has not.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest

from gpn_desktop.adapters.chain.ledger_state import Batch, Revert, State
from gpn_desktop.adapters.chain.memory import MemoryChain, MemoryLedger
from gpn_desktop.core.eip712 import digest, keccak, sign_digest
from gpn_desktop.core.errors import TransactionFailed
from gpn_desktop.core.messages import Signed
from gpn_desktop.core.types import (
    ZERO_HASH,
    Address,
    Announcement,
    BatchVote,
    Details,
    Gwei,
    Hash32,
    Request,
    Role,
    Signature,
    Snapshot,
    Vote,
    Wei,
)
from gpn_desktop.ports import calls
from gpn_desktop.ports.calls import Call, Opinion, SeatVote, SettlementEntry
from gpn_desktop.ports.chain import Block, Chain, ChainEvent, ChainUp, ContractParams, NewHead
from gpn_desktop.ports.secrets import NodeKey
from tests.contract.chain.committee import payout_of
from tests.contract.chain.harness import RICH, AnvilHarness, Journal, Watcher

DAY = 86_400
GWEI = 10**9
ETHER = 10**18
IMAGES = tuple(keccak(b"image %d" % number) for number in range(3))
CONSUMERS, OPERATORS = 2, 6


@dataclass(slots=True)
class Party:
    """One account with its chain on either side."""

    key: NodeKey
    journal: Journal
    real: Chain
    twin: Chain
    watcher: Watcher

    @property
    def address(self) -> Address:
        return self.key.address


class Walk:
    """``seed`` decides every step, so that a failing one can be walked again."""

    def __init__(self, anvil: AnvilHarness, params: ContractParams, now: int, seed: int) -> None:
        self.anvil = anvil
        self.clock = now
        domain = anvil.domain
        self.ledger = MemoryLedger(params, domain.chain_id, domain.contract, lambda: self.clock)
        self.random = random.Random(seed)
        self.parties: list[Party] = []
        self.entries: list[SettlementEntry] = []
        self.steps: list[str] = []  # what was done and what came of it

    @classmethod
    async def begin(cls, anvil: AnvilHarness, seed: int) -> Walk:
        first = anvil.chain(None)
        await first.start(0)
        head, params = await first.head(), await first.params()
        walk = cls(anvil, params, head.time, seed)
        for key in anvil.keys[: CONSUMERS + OPERATORS]:
            await walk._join(key)
        await walk._set_up()
        return walk

    async def _join(self, key: NodeKey) -> None:
        journal = Journal()
        real = self.anvil.chain(key, journal)
        watcher = Watcher(real)
        await real.start(0)
        twin = MemoryChain(self.ledger, key, Journal())
        await twin.start(0)
        self.ledger.fund(key.address, RICH)
        self.parties.append(Party(key, journal, real, twin, watcher))

    async def _set_up(self) -> None:
        for consumer in self.consumers:
            await self.both(consumer, calls.RegisterConsumer("example/image", IMAGES[0], Wei(ETHER)))
        for number, operator in enumerate(self.operators):
            # The last one is its own payout address, and so can change it.
            payout = operator.address if number == OPERATORS - 1 else payout_of(number)
            await self.both(operator, calls.RegisterProver(payout, Wei(ETHER + number * GWEI)))
            for consumer in self.consumers:
                roles = Role.PROVE | Role.VERIFY if number else Role.PROVE
                await self.both(operator, calls.Commit(consumer.address, IMAGES[0], roles))
        for consumer in self.consumers:
            await self.both(consumer, calls.TakeSnapshot(consumer.address))

    @property
    def consumers(self) -> list[Party]:
        return self.parties[:CONSUMERS]

    @property
    def operators(self) -> list[Party]:
        return self.parties[CONSUMERS:]

    @property
    def state(self) -> State:
        return self.ledger.state

    # steps --------------------------------------------------------------------------------------------------

    async def both(self, sender: Party, call: Call) -> None:
        """Send a call on both sides; both must say the same of it, and have the same afterwards."""
        await self.anvil.ask("evm_mine")
        await self._synchronise(sender)
        name = f"step {len(self.steps)}"
        real = await _outcome(sender.real, name, call)
        self.clock = (await sender.real.head()).time
        twin = await _outcome(sender.twin, name, call)
        self.steps.append(f"{type(call).__name__}: {real or 'done'}")
        assert twin == real, (self.steps, call)
        if real.startswith("The contract refuses"):
            self._check_untouched(sender, call)
        await self.compare()

    def _check_untouched(self, sender: Party, call: Call) -> None:
        """What the rules refuse they have not half done."""
        trial = self.ledger.state.fork()
        with pytest.raises(Revert):
            trial.apply(sender.address, call, self.ledger.next_block())
        assert trial == self.ledger.state, self.steps

    async def advance(self, seconds: int) -> None:
        await self.anvil.advance(seconds)
        self.steps.append(f"{seconds} s later")
        await self._synchronise(self.parties[0])
        self.ledger.mine()

    async def _synchronise(self, party: Party) -> None:
        head = await party.real.head()
        await party.watcher.until(NewHead, lambda event: event.block.number >= head.number)
        self.clock = head.time

    async def compare(self) -> None:
        """Every account's money, to the wei, and everybody's reward."""
        contract = self.anvil.domain.contract
        one = self.parties[0].real
        assert await one.balance(contract) == self.state.held(), self.steps
        for party in self.parties:
            fees = sum(record.fee for record in party.journal.records.values())
            assert await one.balance(party.address) + fees == self.state.balances[party.address], self.steps
        for number in range(OPERATORS):
            payout = payout_of(number)
            assert await one.balance(payout) == self.state.balances.get(payout, 0), self.steps
            assert await one.rewards(number + 1) == self.state.rewards.get(number + 1, 0), self.steps

    async def compare_all(self) -> None:
        """Every view, and every event since the beginning."""
        real, twin = self.parties[0].real, self.parties[0].twin
        await self._synchronise(self.parties[0])
        self.ledger.mine()
        assert await real.consumers() == await twin.consumers(), self.steps
        for party in self.operators:
            assert await real.prover(party.address) == await twin.prover(party.address), self.steps
        for consumer in self.consumers:
            address = consumer.address
            assert await real.consumer(address) == await twin.consumer(address), self.steps
            assert await real.committee(address) == await twin.committee(address), self.steps
            last = len(self.state.consumers[address].snapshots)
            for number in range(1, last + 2):
                assert await real.snapshot(address, number) == await twin.snapshot(address, number)
            for party in self.operators:
                until = await real.suspended_until(address, party.address)
                assert until == await twin.suspended_until(address, party.address), self.steps
        await self._compare_events()

    async def _compare_events(self) -> None:
        listener = MemoryChain(self.ledger, None, Journal())
        watcher = Watcher(listener)
        await listener.start(0)
        last = self.ledger.head.number
        await watcher.until(NewHead, lambda event: event.block.number >= last)
        real = [bare for event in self.parties[0].watcher.seen if (bare := _bare(event)) is not None]
        twin = [bare for event in watcher.seen if (bare := _bare(event)) is not None]
        await watcher.aclose()
        await listener.aclose()
        assert twin == real, self.steps

    async def aclose(self) -> None:
        for party in self.parties:
            await party.watcher.aclose()
            await party.twin.aclose()

    def anyone(self, address: Address) -> Party:
        """The account of the address, for the most part."""
        named = [party for party in self.parties if party.address == address]
        return named[0] if named and self.random.random() < 0.9 else self.random.choice(self.parties)

    # statements ---------------------------------------------------------------------------------------------

    def secret(self, address: Address) -> bytes:
        return next(party.key.secret for party in self.parties if party.address == address)

    def sign(self, hash32: Hash32, address: Address) -> Signature:
        return sign_digest(hash32, self.secret(address))

    def snapshot_of(self, consumer: Address, *, last: float = 0.9) -> Snapshot | None:
        kept = self.state.consumers[consumer].snapshots
        if not kept:
            return None
        return (kept[-1] if self.random.random() < last else self.random.choice(kept)).snapshot

    def request(self, snapshot: Snapshot, nonce: int | None = None) -> Signed[Request]:
        pick = self.random.choice
        info = self.state.consumers[snapshot.consumer]
        electorate = len(snapshot.verifiers(snapshot.seats[0].address))
        request = Request(
            consumer=snapshot.consumer,
            nonce=info.nonce_base + pick((0, 0, 0, 0, 1, 1, 2, 127, 128)) if nonce is None else nonce,
            reward=Gwei(pick((1000, 54_321, 1_000_003, 10**8, 999))),
            deadline=self.clock + pick((33, 620, 1900, 3500, 4100, -150, -3900)),
            quorum=pick((electorate // 2 + 1,) * 6 + (1, electorate + 1)),
            snapshot_id=snapshot.snapshot_id,
            payload_hash=keccak(b"payload"),
            details=Details(60, snapshot.image_digest, 1, f"job-{len(self.entries)}"),
        )
        return Signed[Request].sign(
            request, self.secret(request.consumer), request.consumer, self.anvil.domain
        )

    def entry(self, snapshot: Snapshot) -> SettlementEntry:
        """A request that most verifiers of the committee found well answered."""
        signed = self.request(snapshot)
        prover = self.random.choice(snapshot.seats)
        proof = keccak(b"proof %d" % self.random.randrange(2**32))
        vote = Vote(signed.digest, prover.address, proof, self.random.randrange(3), True)
        made = SettlementEntry(signed, vote, self.votes(snapshot, vote))
        self.entries.append(made)
        return made

    def voters(self, snapshot: Snapshot, prover: Address) -> list[int]:
        able = [n for n, s in enumerate(snapshot.seats) if s.roles & Role.VERIFY and s.address != prover]
        if self.random.random() < 0.1:
            able = list(range(len(snapshot.seats)))
        return [n for n in able if self.random.random() < 0.9]

    def votes(self, snapshot: Snapshot, vote: Vote) -> tuple[SeatVote, ...]:
        hash32 = digest(vote, self.anvil.domain)
        return tuple(
            SeatVote(seat, self.sign(hash32, snapshot.seats[seat].address))
            for seat in self.voters(snapshot, vote.prover)
        )

    def opinion(self, vote: Vote, member: Address) -> Opinion:
        """Alone or in a batch, and now and then not quite."""
        hash32 = digest(vote, self.anvil.domain)
        if self.random.random() < 0.5:
            return Opinion(vote, self.sign(hash32, member))
        batch = (ZERO_HASH, hash32)
        signature = self.sign(digest(BatchVote(batch), self.anvil.domain), member)
        return Opinion(vote, signature, batch, self.random.choice((1, 1, 1, 1, 0, 2)))

    def announcement(self, vote: Vote, proof: Hash32) -> Signed[Announcement]:
        said = Announcement(vote.request_id, vote.prover, vote.attempt, proof, 9, ZERO_HASH)
        return Signed[Announcement].sign(said, self.secret(vote.prover), vote.prover, self.anvil.domain)

    def refuted(self, snapshot: Snapshot, vote: Vote) -> calls.Refuted:
        against = replace(vote, valid=False)
        seat = snapshot.members.get(vote.prover, 0)
        return calls.Refuted(against, seat, self.votes(snapshot, against))

    def due(self) -> list[tuple[Hash32, Batch]]:
        """The open batches, those that can be paid for the most part."""
        batches = list(self.state.batches.items())
        ripe = [(key, batch) for key, batch in batches if batch.finalize_at <= self.clock]
        return ripe if ripe and self.random.random() < 0.8 else batches


async def _outcome(chain: Chain, name: str, call: Call) -> str:
    """What the contract says against it; nothing where it is done."""
    try:
        await chain.submit(name, call)
    except TransactionFailed as error:
        return error.message
    return ""


def _bare(event: ChainEvent) -> ChainEvent | None:
    """An event of the contract without what differs between two chains: block hashes and transactions."""
    block = getattr(event, "block", None)
    if block is None or isinstance(event, NewHead | ChainUp):
        return None
    changed: dict[str, object] = {"block": Block(0, ZERO_HASH, block.time)}
    if hasattr(event, "tx"):
        changed["tx"] = ZERO_HASH
    return replace(event, **changed)  # type: ignore[arg-type]
