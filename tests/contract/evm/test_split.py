"""What the contract pays is the protocol's split, to the gwei, whatever the reward, shares and faults."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Final

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from gpn_desktop.adapters.chain import bindings as gpn
from gpn_desktop.core.eip712 import details_hash, digest, keccak, sign_digest
from gpn_desktop.core.settlement import Shares, split
from gpn_desktop.core.types import Gwei, Request, Vote
from tests.contract.evm.machine import GWEI, Machine
from tests.contract.evm.pool import REPORTER, SLOT, Committee, Pool, ballots, terms
from tests.contract.evmnode import compact

# Prover, inclusion and verifiers in basis points; the tip.
SHARES: Final = (
    ((6000, 2000, 2000), 500),
    ((3333, 3333, 3334), 333),
    ((10_000, 0, 0), 1000),
    ((1, 0, 9999), 0),
    ((1, 9999, 0), 0),
    ((500, 2501, 6999), 50),
)
SIZES: Final = (2, 3, 4, 5, 7, 8, 12, 17, 24, 31, 32)
MOST: Final = 2**63 - 10**12  # what all stakes and deposits leave of the most that a contract can hold
REWARDS: Final = st.one_of(
    st.integers(1000, 2000), st.integers(1000, 10**9), st.integers(10**9, MOST), st.just(MOST)
)
FEW: Final = settings(
    max_examples=500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@lru_cache(maxsize=len(SHARES))
def pool(place: int) -> Pool:
    shares, tip = SHARES[place]
    return Pool(terms(shares, tip), SIZES, seed=place)


class Payday:
    """One record, from its settlement to what everybody has of it."""

    def __init__(self, data: st.DataObject, place: int) -> None:
        self.pool = pool(place)
        self.machine = self.pool.machine
        self.committee: Committee = data.draw(st.sampled_from(self.pool.committees))
        prover = st.sampled_from(self.committee.provers)
        self.prover: int = data.draw(prover)
        self.able = self.committee.verifiers(self.prover)
        self.quorum = len(self.able) // 2 + 1
        order = data.draw(st.permutations(self.able))
        self.counted = sorted(order[: data.draw(st.integers(self.quorum, len(self.able)))])
        self.forfeited: set[int] = data.draw(st.sets(st.sampled_from(self.able)))
        self.slashed: set[int] = data.draw(st.sets(st.integers(0, len(self.committee.keys) - 1)))
        self.reward: int = data.draw(REWARDS)
        self.sender: int = data.draw(st.integers(0, len(self.committee.keys) - 1))
        self.late: bool = data.draw(st.booleans())
        self.request = self.committee.request(
            nonce=0, reward=self.reward, deadline=self.machine.now + 3600, quorum=self.quorum
        )
        self.request_id = digest(self.request, self.machine.domain)

    def vote(self, prover: int, proof: bytes = b"proof", *, valid: bool = True) -> Vote:
        return Vote(self.request_id, self.committee.member(prover), keccak(proof), 1, valid)

    def ballots(self, vote: Vote, seats: list[int]) -> bytes:
        return ballots(digest(vote, self.machine.domain), self.committee, seats)

    def opinion(self, vote: Vote, seat: int) -> gpn.Opinion:
        r, vs = compact(sign_digest(digest(vote, self.machine.domain), self.committee.keys[seat]))
        return gpn.Opinion(vote.attempt, r, vs, (), 0)

    def settle(self) -> tuple[bytes, gpn.Batch]:
        committee, vote = self.committee, self.vote(self.prover)
        self.machine.done(REPORTER, gpn.deposit_eth(committee.consumer), self.reward * GWEI)
        r, vs = compact(sign_digest(self.request_id, committee.key))
        votes = self.ballots(vote, self.counted)
        entry = gpn.Entry(_data(self.request), r, vs, vote.proof_hash, 1, self.prover, votes)
        if self.late:
            self.machine.at(self.request.deadline + 600)
        events = self.machine.done(committee.keys[self.sender], gpn.settle(SLOT, gpn.EMPTY_BATCH, [entry]))
        (settled,) = (event for event in events if isinstance(event, gpn.Settled))
        return settled.key, gpn.Batch(settled.finalize_at, settled.records)

    def forfeit(self, key: bytes, batch: gpn.Batch) -> None:
        """Everybody voted another proof of the request down; some had found it valid."""
        other = self.vote(self.prover, b"false")
        against = self.ballots(replace(other, valid=False), self.able)
        refuted = gpn.Refuted(self.prover, 1, other.proof_hash, against)
        for seat in self.forfeited:
            yes = self.opinion(other, seat)
            call = gpn.forfeit_fee(key, batch, 0, refuted, seat, yes)
            self.machine.done(REPORTER, call)

    def slash(self) -> None:
        vote = self.vote(self.prover, b"disputed")
        for seat in self.slashed:
            yes, no = self.opinion(vote, seat), self.opinion(replace(vote, valid=False), seat)
            member, proof = self.committee.member(seat), vote.proof_hash
            call = gpn.slash_equivocation(member, vote.request_id, vote.prover, proof, yes, no)
            self.machine.done(REPORTER, call)

    def expected(self, place: int) -> tuple[dict[int, int], int]:
        """What each seat earns, and what is burned, by the protocol's arithmetic."""
        (prover, inclusion, verifier), tip = SHARES[place]
        tipped = self.late and self.sender != self.prover
        shares = Shares(prover, inclusion, verifier, Gwei(tip))
        parts = split(Gwei(self.reward), shares, len(self.able), len(self.counted), not tipped)
        earned = dict.fromkeys(range(len(self.committee.keys)), 0)
        burned = int(parts.burned)
        earned[self.prover] += parts.prover
        earned[self.sender] += parts.tip
        for seat in self.counted:
            if seat in self.forfeited:
                burned += parts.fee
            else:
                earned[seat] += parts.fee
        for seat in self.slashed:
            burned += earned[seat]
            earned[seat] = 0
        return earned, burned

    def rewards(self) -> dict[int, int]:
        """What the contract owes each seat."""
        ids = enumerate(self.committee.ids)
        return {seat: gpn.decode_rewards(self.machine.view(gpn.rewards(number))) for seat, number in ids}


def _data(request: Request) -> gpn.RequestData:
    return gpn.RequestData(
        consumer=request.consumer,
        nonce=request.nonce,
        reward_gwei=request.reward,
        deadline=request.deadline,
        quorum=request.quorum,
        snapshot_id=request.snapshot_id,
        payload_hash=request.payload_hash,
        details_hash=details_hash(request.details),
    )


def burned(machine: Machine) -> int:
    return gpn.decode_burned(machine.view(gpn.burned()))


@FEW
@given(data=st.data(), place=st.integers(0, len(SHARES) - 1))
def test_what_is_paid_is_the_split(data: st.DataObject, place: int) -> None:
    day = Payday(data, place)
    machine = day.machine
    with machine.undone():
        key, batch = day.settle()
        day.forfeit(key, batch)
        day.slash()
        before = burned(machine)
        machine.at(batch.finalize_at)
        machine.done(REPORTER, gpn.finalize([key], [batch]))
        rewards, lost = day.rewards(), burned(machine) - before
        event(f"{len(day.able)} verifiers" if len(day.able) < 3 else "more verifiers")
        assert (rewards, lost) == day.expected(place)
        assert sum(rewards.values()) + lost == day.reward
