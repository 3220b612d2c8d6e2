"""The contract counts what the rules count, and names the same reason for whatever it leaves out."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from gpn_desktop.adapters.chain import bindings as gpn
from gpn_desktop.core.eip712 import details_hash, digest, keccak, sign_digest
from gpn_desktop.core.types import BatchVote, Domain, Hash32
from tests.contract.evm.machine import ETHER, GWEI
from tests.contract.evm.pool import DAY, SLOT, STRANGER, Committee, Pool, ballots, packed, terms, vote_on
from tests.contract.evm.rules import Court, Offer, Verdict
from tests.contract.evmnode import compact

ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SIZES: Final = (*range(2, 33), 2, 3, 3, 4, 4, 5, 5, 6, 7, 8)
SMALL: Final = st.integers(0, 40)
FEW: Final = settings(
    max_examples=700, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Pool(terms(), SIZES, seed=1)


def twin_of(vote: bytes) -> bytes:
    """The same vote with the other s, which recovers to the same signer where that is allowed."""
    s = int.from_bytes(vote[33:], "big")
    high = (ORDER - (s & (2**255 - 1))) | ((s >> 255) ^ 1) << 255
    return vote[:33] + (high % 2**256).to_bytes(32, "big")


def spoiled(data: st.DataObject, votes: bytes, hash32: Hash32, committee: Committee, prover: int) -> bytes:
    """The votes with one thing wrong with them, if there is anything to spoil."""
    kinds = ("none",) * 24 + ("cut", "longer", "order", "high s", "again", "bit", "prover's", "foreign")
    kind = data.draw(st.sampled_from(kinds))
    singles = [votes[at : at + 65] for at in range(0, len(votes), 65)]
    nth = data.draw(SMALL) % max(len(singles), 1)
    event(f"votes: {kind}")
    if kind == "prover's" and prover < len(committee.keys):
        own = packed(hash32, [(prover, committee.keys[prover])])
        return b"".join(sorted([*(s for s in singles if s[0] != prover), own]))
    if not singles or kind == "none":
        return votes
    match kind:
        case "cut":
            return votes[: -1 - data.draw(SMALL)]
        case "longer":
            return votes + bytes(1 + data.draw(SMALL))
        case "order":
            return b"".join(singles[nth:] + singles[:nth])
        case "high s":
            singles[nth] = twin_of(singles[nth])
        case "again":
            singles.insert(nth, singles[nth])
        case "bit":
            place, bit = data.draw(st.integers(0, 64)), data.draw(st.integers(0, 7))
            changed = bytearray(singles[nth])
            changed[place] ^= 1 << bit
            singles[nth] = bytes(changed)
        case "foreign":
            singles[nth] = packed(hash32, [(singles[nth][0], STRANGER)])
    return b"".join(singles)


def voters(data: st.DataObject, committee: Committee, prover: int) -> list[int]:
    """Mostly verifiers, mostly enough of them."""
    able = committee.verifiers(prover)
    match data.draw(st.sampled_from(("all", "all", "most", "some", "anybody"))):
        case "all":
            return able
        case "most":
            return able[data.draw(SMALL) % (len(able) // 2 + 1) :]
        case "some":
            return [seat for seat in able if data.draw(st.booleans())]
    return [seat for seat in range(len(committee.keys)) if data.draw(st.booleans())]


def offer(data: st.DataObject, pool: Pool, committee: Committee, nth: int, *, attested: bool) -> Offer:
    """Mostly a good one."""
    now, domain = pool.machine.now, pool.machine.domain
    often = data.draw(st.sampled_from((True,) * 4 + (False,)))
    prover = committee.provers[data.draw(SMALL) % len(committee.provers)]
    if not often and data.draw(st.booleans()):
        prover = data.draw(st.integers(0, 255))
    majority = len(committee.verifiers(prover)) // 2 + 1
    late = st.sampled_from((0, 599, 600, DAY, 2 * DAY, 2 * DAY + 1, -DAY, -DAY - 1))
    request = committee.request(
        nonce=nth if often else data.draw(st.sampled_from((0, 1, 127, 128, 2**64 - 1))),
        reward=10**6 if often else data.draw(st.sampled_from((999, 1000, 10**9, 10**9 + 1, 2**63))),
        deadline=now + 3600 if often else now - data.draw(late),
        quorum=majority if often else max(0, majority + data.draw(st.integers(-2, 20))),
    )
    vote = vote_on(request, committee, prover, domain)
    key = committee.key if often or data.draw(st.booleans()) else STRANGER
    signature = b"".join(compact(sign_digest(vote.request_id, key)))
    if attested:
        return Offer(request, signature, prover, vote, b"")
    elsewhere = Domain(domain.chain_id + 1, domain.contract)
    signed = digest(vote, domain if data.draw(st.integers(0, 19)) else elsewhere)
    votes = ballots(signed, committee, voters(data, committee, prover))
    return Offer(request, signature, prover, vote, spoiled(data, votes, signed, committee, prover))


def entry(made: Offer) -> gpn.Entry:
    request = made.request
    return gpn.Entry(
        gpn.RequestData(
            consumer=request.consumer,
            nonce=request.nonce,
            reward_gwei=request.reward,
            deadline=request.deadline,
            quorum=request.quorum,
            snapshot_id=request.snapshot_id,
            payload_hash=request.payload_hash,
            details_hash=details_hash(request.details),
        ),
        made.signature[:32],
        made.signature[32:],
        made.vote.proof_hash,
        made.vote.attempt,
        made.prover,
        made.votes,
    )


def court(data: st.DataObject, pool: Pool, committee: Committee) -> Court:
    """With a sender that is mostly a member."""
    number = data.draw(SMALL) % (len(committee.keys) + 2)
    sender = committee.member(number) if number < len(committee.keys) else committee.consumer
    machine = pool.machine
    return Court(machine.domain, machine.params, committee, machine.now, sender, ETHER // GWEI)


def said(pool: Pool, rules: Court, call: bytes) -> Verdict:
    """The contract's own words."""
    with pool.machine.undone():
        result = pool.machine.call(rules.sender, call)
    verdict = Verdict(result.refusal)
    for told in result.events:
        if isinstance(told, gpn.EntrySkipped):
            verdict.skipped[told.index] = gpn.decode_error(told.reason)
        if isinstance(told, gpn.Settled):
            records = [told.records[at : at + 128] for at in range(0, len(told.records), 128)]
            verdict.counted = [int.from_bytes(record[92:96], "big") for record in records]
            verdict.tipped = [record[125] != 0 for record in records]
    event(verdict.refusal or ("in part" if verdict.skipped else "settled"))
    return verdict


@FEW
@given(st.data())
def test_settlements_of_single_votes(pool: Pool, data: st.DataObject) -> None:
    committee = data.draw(st.sampled_from(pool.committees))
    offers = [
        offer(data, pool, committee, nth, attested=False)
        for nth in range(data.draw(st.sampled_from((1, 1, 3))))
    ]
    rules = court(data, pool, committee)
    call = gpn.settle(SLOT, gpn.EMPTY_BATCH, [entry(made) for made in offers])
    assert said(pool, rules, call) == rules.settle(offers)


@FEW
@given(st.data())
def test_attested_settlements(pool: Pool, data: st.DataObject) -> None:
    committee = data.draw(st.sampled_from(pool.committees))
    offers = [
        offer(data, pool, committee, nth, attested=True)
        for nth in range(data.draw(st.sampled_from((1, 2, 4))))
    ]
    nobody = Hash32(bytes(32))
    listed = [
        digest(made.vote, pool.machine.domain) if made.prover in committee.provers else nobody
        for made in offers
    ]
    statement = digest(BatchVote(tuple(listed)), pool.machine.domain)
    prover = offers[0].prover
    signers = [s for s, roles in enumerate(committee.roles) if roles & 2 and data.draw(st.integers(0, 9))]
    signatures = spoiled(data, ballots(statement, committee, signers), statement, committee, prover)
    if data.draw(st.integers(0, 9)) == 0:
        offers[-1] = replace(offers[-1], vote=replace(offers[-1].vote, proof_hash=keccak(b"never approved")))
    rules = court(data, pool, committee)
    call = gpn.settle_attested(SLOT, gpn.EMPTY_BATCH, [entry(made) for made in offers], signatures)
    assert said(pool, rules, call) == rules.attested(offers, signatures)
