"""A consumer and its committee on a chain of the suite, and the statements they sign."""

from __future__ import annotations

from dataclasses import dataclass

from gpn_desktop.core.eip712 import digest, keccak, sign_digest
from gpn_desktop.core.messages import Signed
from gpn_desktop.core.types import (
    Address,
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
    RegisterConsumer,
    RegisterProver,
    SeatVote,
    SettlementEntry,
    TakeSnapshot,
)
from gpn_desktop.ports.chain import Chain
from gpn_desktop.ports.secrets import NodeKey
from tests.contract.chain.harness import Harness, Journal

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
        request = Request(
            consumer=self.consumer,
            nonce=nonce,
            reward=reward,
            deadline=head.time + lifetime,
            quorum=2,
            snapshot_id=self.snapshot.snapshot_id,
            payload_hash=keccak(b"payload"),
            details=Details(60, IMAGE, head.number, f"job-{nonce}"),
        )
        signed = Signed[Request].sign(request, self.keys[0].secret, self.consumer, self.harness.domain)
        seat = self.snapshot.seats[prover]
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
