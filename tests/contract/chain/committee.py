"""A consumer and its committee on a chain of the suite, and the statements they sign."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gpn_desktop.core.eip712 import digest, keccak, sign_digest
from gpn_desktop.core.messages import Signed
from gpn_desktop.core.types import (
    Address,
    Announcement,
    BatchVote,
    Details,
    Gwei,
    Hash32,
    Request,
    Role,
    Snapshot,
    Vote,
    Wei,
)
from gpn_desktop.ports.calls import (
    Commit,
    Finalize,
    Opinion,
    Refuted,
    RegisterConsumer,
    RegisterProver,
    SeatVote,
    Settle,
    SettlementEntry,
    TakeSnapshot,
)
from gpn_desktop.ports.chain import Chain, Settled, TxRecord
from gpn_desktop.ports.secrets import NodeKey
from tests.contract.chain.harness import Harness, Journal, Watcher

IMAGE = keccak(b"an image")
DEPOSIT = Wei(10**18)
STAKE = Wei(10**18)
REWARD = Gwei(1_000_003)
BOTH = Role.PROVE | Role.VERIFY


def payout_of(number: int) -> Address:
    return Address(bytes(18) + b"\xaa" + bytes([number]))


@dataclass(slots=True)
class Committee:
    """``chains[0]`` is the consumer's, the others are those of the members, in the order of their seats."""

    harness: Harness
    chains: list[Chain]
    keys: list[NodeKey]
    journals: list[Journal]
    snapshot: Snapshot

    @property
    def consumer(self) -> Address:
        return self.keys[0].address

    @property
    def members(self) -> list[Chain]:
        return self.chains[1:]

    async def entry(
        self,
        nonce: int,
        prover: int = 0,
        voters: tuple[int, ...] = (1, 2),
        *,
        reward: Gwei = REWARD,
        lifetime: int = 600,
    ) -> SettlementEntry:
        """A request that seat ``prover`` proved and the seats ``voters`` found valid."""
        head = await self.chains[0].head()
        seat = self.snapshot.seats[prover]
        request = Request(
            consumer=self.consumer,
            nonce=nonce,
            reward=reward,
            deadline=head.time + lifetime,
            quorum=len(self.snapshot.verifiers(seat.address)) // 2 + 1,
            snapshot_id=self.snapshot.snapshot_id,
            payload_hash=keccak(b"payload"),
            details=Details(60, IMAGE, head.number, f"job-{nonce}"),
        )
        signed = Signed[Request].sign(request, self.keys[0].secret, self.consumer, self.harness.domain)
        vote = Vote(signed.digest, seat.address, keccak(b"proof %d" % nonce), 0, True)
        return SettlementEntry(signed, vote, self.votes(digest(vote, self.harness.domain), voters))

    def votes(self, hash32: Hash32, voters: tuple[int, ...]) -> tuple[SeatVote, ...]:
        return tuple(SeatVote(seat, sign_digest(hash32, self.keys[1 + seat].secret)) for seat in voters)

    def batch_votes(
        self, entries: tuple[SettlementEntry, ...], voters: tuple[int, ...]
    ) -> tuple[SeatVote, ...]:
        domain = self.harness.domain
        statement = BatchVote(tuple(digest(entry.vote, domain) for entry in entries))
        return self.votes(digest(statement, domain), voters)

    # evidence -----------------------------------------------------------------------------------------------

    def opinion(self, seat: int, vote: Vote, batch: tuple[Hash32, ...] = (), index: int = 0) -> Opinion:
        """What the seat signed: the vote, or the list of votes that it stands in."""
        domain = self.harness.domain
        statement = digest(BatchVote(batch) if batch else vote, domain)
        return Opinion(vote, sign_digest(statement, self.keys[1 + seat].secret), batch, index)

    def refuted(self, vote: Vote, voters: tuple[int, ...]) -> Refuted:
        """The vote's proof, voted down."""
        against = replace(vote, valid=False)
        votes = self.votes(digest(against, self.harness.domain), voters)
        return Refuted(against, self.snapshot.members[vote.prover], votes)

    def announcement(self, vote: Vote, proof_hash: Hash32 | None = None) -> Signed[Announcement]:
        """The proof of a vote, or another one for the same request, announced by its prover."""
        seat = self.snapshot.members[vote.prover]
        said = Announcement(
            vote.request_id, vote.prover, vote.attempt, proof_hash or vote.proof_hash, 100, keccak(b"seed")
        )
        return Signed[Announcement].sign(said, self.keys[1 + seat].secret, vote.prover, self.harness.domain)

    # settlements --------------------------------------------------------------------------------------------

    async def settle(
        self, watcher: Watcher, *entries: SettlementEntry, by: int = 0, name: str = "settle"
    ) -> Settled:
        """What the chain told of the settlement that seat ``by`` sent."""
        record = await self.members[by].submit(name, Settle(entries))
        return await watcher.until(Settled, lambda event: event.block.number == record.block)

    async def rewards(self) -> list[int]:
        """What each member can withdraw, in gwei, by seat."""
        return [await self.chains[0].rewards(seat.member_id) for seat in self.snapshot.seats]

    async def gain(self, number: int, before: Wei, *records: TxRecord) -> int:
        """What the account of ``chains[number]`` got, in wei, since it had ``before``, gas for itself."""
        now = await self.chains[number].balance(self.keys[number].address)
        return now - before + sum(record.fee for record in records)


def paying(settled: Settled) -> Finalize:
    return Finalize(settled.key, settled.finalize_at, settled.raw_records)


async def gather_committee(harness: Harness, size: int = 4) -> Committee:
    """Register a consumer and ``size`` operators, commit them and put the snapshot in force."""
    keys = list(harness.keys[: size + 1])
    journals = [Journal() for _ in keys]
    chains = [harness.chain(key, journal) for key, journal in zip(keys, journals, strict=True)]
    for chain in chains:
        await chain.start(0)
    consumer = keys[0].address
    await chains[0].submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    for number, chain in enumerate(chains[1:], 1):
        await chain.submit("register", RegisterProver(payout_of(number), STAKE))
        await chain.submit("commit", Commit(consumer, IMAGE, BOTH))
    await chains[1].submit("snapshot", TakeSnapshot(consumer))
    snapshot = await chains[0].snapshot(consumer, 1)
    assert snapshot is not None
    return Committee(harness, chains, keys, journals, snapshot)
