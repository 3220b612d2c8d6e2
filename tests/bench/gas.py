"""What settling costs on a real EVM, through the node's own bindings, beside the targets and the peers.

Steady state, as after the first days of a deployment: the slot was used before, every member has earned, and
what the slot held is paid in the same transaction. Each figure is a receipt's ``gasUsed`` by the number of
proofs, so the transaction itself, its call data and the payout are all in it. Targets: contract.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from gpn_desktop.adapters.chain import bindings as gpn
from gpn_desktop.core.eip712 import address_of_secret, details_hash, digest, keccak, sign_digest
from gpn_desktop.core.types import Address, BatchVote, Details, Gwei, Hash32, Request, Vote, hex0x
from tests.bench.rows import Row
from tests.contract.chain.harness import need_anvil
from tests.contract.evmnode import CHAIN_ID, Deployment, Evm, compact, decoded, deploy, evm_node

NAMES = ("gas",)
ETHER: Final = 10**18
IMAGE: Final = keccak(b"image")
WINDOW: Final = 86_400
PARAMS: Final = gpn.Params(
    window=WINDOW,
    settle_grace=2 * WINDOW,
    max_lifetime=WINDOW,
    unbond=5 * WINDOW,
    settle_delay=600,
    min_stake=ETHER // 2,
    min_reward_gwei=1000,
    tip_gwei=500,
    prover_bps=6000,
    inclusion_bps=2000,
    verifier_bps=2000,
)
VERIFIERS: Final = (3, 7, 15, 31)
BATCH: Final = 10
KINDS: Final = {
    "single": (1, False, (88_000, 112_000, 160_000, 255_000)),
    "x10 single votes": (BATCH, False, (38_000, 56_000, 93_000, 167_000)),
    "x10 attested": (BATCH, True, (27_000, 29_000, 34_000, 44_000)),
}
PROTOTYPE: Final = dict(zip(VERIFIERS, (184_045, 214_758, 276_123, 398_890), strict=True))
PEERS: Final = {
    "single": "Boundless 266k",
    "x10 single votes": "Boundless 57-74k at 8",
    "x10 attested": "Boundless 57-74k at 8, Aligned 36k at 32",
}
SLOT: Final = bytes(31) + b"\x01"
FIRST_ID: Final = 4  # of the committee's members: their rewards fill whole storage slots


def secret(number: int) -> bytes:
    return (0x1000 + number).to_bytes(32, "big")


@dataclass
class Committee:
    """A deployment with a committee of which member 0 proves and the others verify."""

    made: Deployment
    verifiers: int
    consumer: bytes = field(default_factory=lambda: secret(9999))
    nonce: int = 0

    @classmethod
    def form(cls, evm: Evm, verifiers: int) -> Committee:
        it = cls(deploy(evm, PARAMS), verifiers)
        it._fund(it.consumer)
        it.send(it.consumer, gpn.register_consumer("example/image:1", IMAGE), 50 * ETHER)
        for number in range(1, FIRST_ID):
            it._register(secret(500 + number))
        for number in range(verifiers + 1):
            it._register(secret(number))
            it.send(secret(number), gpn.commit(address_of_secret(it.consumer), IMAGE, 3))
        it.send(secret(0), gpn.take_snapshot(address_of_secret(it.consumer)))
        return it

    def _fund(self, key: bytes) -> None:
        self.made.evm.ask("anvil_setBalance", hex0x(address_of_secret(key)), hex(100 * ETHER))

    def _register(self, key: bytes) -> None:
        self._fund(key)
        self.send(key, gpn.register_prover(Address(b"\xfa" * 18 + address_of_secret(key)[:2])), ETHER)

    def send(self, key: bytes, data: bytes, value: int = 0) -> tuple[int, list[gpn.Event]]:
        """Gas used, and the events."""
        receipt = self.made.evm.send(address_of_secret(key), self.made.address, data, value)
        assert receipt["status"] == "0x1"
        events = [event for log in receipt["logs"] if (event := decoded(log)) is not None]
        return int(receipt["gasUsed"], 16), events

    def entry(self, quorum: int) -> tuple[gpn.Entry, Vote]:
        """A request that the consumer signed, and the vote that its proof gets."""
        request = Request(
            consumer=address_of_secret(self.consumer),
            nonce=self.nonce,
            reward=Gwei(1_000_003),
            deadline=self.made.evm.now() + 3600,
            quorum=quorum,
            snapshot_id=1,
            payload_hash=keccak(b"payload"),
            details=Details(30, IMAGE, 5, f"ref-{self.nonce}"),
        )
        self.nonce += 1
        request_id = digest(request, self.made.domain)
        proof = keccak(b"proof", request_id)
        r, vs = compact(sign_digest(request_id, self.consumer))
        data = gpn.RequestData(
            consumer=request.consumer,
            nonce=request.nonce,
            reward_gwei=request.reward,
            deadline=request.deadline,
            quorum=request.quorum,
            snapshot_id=1,
            payload_hash=request.payload_hash,
            details_hash=details_hash(request.details),
        )
        vote = Vote(request_id, address_of_secret(secret(0)), proof, 1, True)
        return gpn.Entry(data, r, vs, proof, 1, 0, b""), vote

    def votes(self, hash32: Hash32, seats: range) -> bytes:
        signed = (compact(sign_digest(hash32, secret(seat))) for seat in seats)
        return b"".join(bytes([seat]) + r + vs for seat, (r, vs) in zip(seats, signed, strict=True))

    def settle(self, size: int, attested: bool, old: gpn.Batch) -> tuple[int, gpn.Batch]:
        """Gas of a settlement of ``size`` proofs that pays ``old``, and the batch that it leaves."""
        everybody = range(1, self.verifiers + 1)
        pairs = [self.entry(self.verifiers // 2 + 1) for _ in range(size)]
        domain = self.made.domain
        if attested:
            digests = tuple(digest(vote, domain) for _, vote in pairs)
            signatures = self.votes(digest(BatchVote(digests), domain), everybody)
            data = gpn.settle_attested(SLOT, old, [entry for entry, _ in pairs], signatures)
        else:
            entries = [
                replace(entry, votes=self.votes(digest(vote, domain), everybody)) for entry, vote in pairs
            ]
            data = gpn.settle(SLOT, old, entries)
        used, events = self.send(secret(0), data)
        (settled,) = (event for event in events if isinstance(event, gpn.Settled))
        assert len(settled.records) == size * 128
        return used, gpn.Batch(settled.finalize_at, settled.records)

    def steady(self, size: int, attested: bool) -> int:
        """Gas per proof once the slot and all rewards have been used."""
        used, old = 0, gpn.EMPTY_BATCH
        for _ in range(3):
            used, old = self.settle(size, attested, old)
            self.made.evm.advance(WINDOW)
        self.send(secret(0), gpn.finalize([self.key], [old]))
        return used // size

    @property
    def key(self) -> bytes:
        return keccak(bytes(12), address_of_secret(secret(0)), SLOT)


def _table(evm: Evm) -> Iterator[Row]:
    for place, verifiers in enumerate(VERIFIERS):
        for kind, (size, attested, targets) in KINDS.items():
            committee = Committee.form(evm, verifiers)
            used = committee.steady(size, attested)
            peers = f"Go prototype {PROTOTYPE[verifiers]:,} without payout; {PEERS[kind]}"
            name = f"gas per proof, {kind}, {verifiers} verifiers"
            yield Row(name, used, f"<= {targets[place]}", "gas", peers=peers)


def _others(evm: Evm) -> Iterator[Row]:
    """What else a node pays for; contract.md sets no targets."""
    it = Committee.form(evm, 7)
    pairs = [it.entry(4)]
    entries = [replace(e, votes=it.votes(digest(v, it.made.domain), range(1, 6))) for e, v in pairs]
    _, events = it.send(secret(0), gpn.settle(SLOT, gpn.EMPTY_BATCH, entries))
    (settled,) = (event for event in events if isinstance(event, gpn.Settled))
    batch = gpn.Batch(settled.finalize_at, settled.records)
    late = it.votes(digest(pairs[0][1], it.made.domain), range(6, 8))
    yield _info("extend by 2 votes", it.send(secret(6), gpn.extend(it.key, batch, [0], [late])))
    other = replace(pairs[0][1], prover=address_of_secret(secret(7)), proof_hash=keccak(b"other"))
    votes = it.votes(digest(other, it.made.domain), range(1, 7))
    call = gpn.supersede(it.key, batch, 0, 7, other.proof_hash, 1, votes)
    yield _info("supersede with 6 votes", it.send(secret(7), call))
    it.made.evm.advance(WINDOW)
    yield _info("finalize one record", it.send(secret(0), gpn.finalize([it.key], [batch])))
    yield _info("withdraw rewards", it.send(secret(0), gpn.withdraw_rewards([FIRST_ID])))
    yield _info("renew a commitment", it.send(secret(1), gpn.renew(address_of_secret(it.consumer))))
    yield _info("slash an equivocation", it.send(secret(2), _slash(it, pairs[0][1])))


def _slash(it: Committee, vote: Vote) -> bytes:
    """Seat 1 said valid, and here it says the opposite."""
    opinions = []
    for said in (vote, replace(vote, valid=False)):
        r, vs = compact(sign_digest(digest(said, it.made.domain), secret(1)))
        opinions.append(gpn.Opinion(said.attempt, r, vs, (), 0))
    member = address_of_secret(secret(1))
    return gpn.slash_equivocation(member, vote.request_id, vote.prover, vote.proof_hash, *opinions)


def _info(what: str, sent: tuple[int, list[gpn.Event]]) -> Row:
    return Row(f"gas, {what}", sent[0], "-", "gas")


def _measure() -> list[Row]:
    need_anvil()
    with evm_node() as evm:
        assert int(evm.ask("eth_chainId"), 16) == CHAIN_ID
        return [*_table(evm), *_others(evm)]


async def measure() -> list[Row]:
    return await asyncio.to_thread(_measure)
