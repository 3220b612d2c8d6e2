"""The settlement contract on a real EVM, called through the generated bindings alone.

Digests must equal the protocol's vectors, and every wei must be accounted for from deposit to withdrawal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import pytest

from gpn_desktop.adapters.chain import bindings as gpn
from gpn_desktop.core.eip712 import (
    address_of_secret,
    details_hash,
    digest,
    domain_separator,
    keccak,
    recover,
    sign_digest,
)
from gpn_desktop.core.types import (
    Address,
    BatchVote,
    Details,
    Gwei,
    Hash32,
    Request,
    Vote,
    hex0x,
    parse_hash,
)
from tests.contract.chain.harness import need_anvil
from tests.contract.evmnode import ROOT, Deployment, Evm, Refused, compact, deploy, evm_node
from tests.unit.core.vectors import MAIN, MESSAGES, REQUEST

VECTORS = json.loads((ROOT / "proto" / "vectors" / "eip712.json").read_text())
WEI = 10**9
ETHER = 10**18
IMAGE = keccak(b"image")
CONSUMER = bytes(31) + b"\xc0"
OPERATORS = [bytes(31) + bytes([0x10 + i]) for i in range(4)]
PAYOUTS = [Address(b"\xfa" * 19 + bytes([i])) for i in range(4)]
REWARD = 1_000_003
PARAMS = gpn.Params(
    window=86_400,
    settle_grace=172_800,
    max_lifetime=86_400,
    unbond=432_000,
    settle_delay=600,
    min_stake=ETHER // 2,
    min_reward_gwei=1000,
    tip_gwei=500,
    prover_bps=6000,
    inclusion_bps=2000,
    verifier_bps=2000,
)


@pytest.fixture(scope="module")
def evm() -> Iterator[Evm]:
    need_anvil()
    with evm_node() as node:
        yield node


@pytest.fixture
def contract(evm: Evm) -> Iterator[Deployment]:
    """A fresh deployment with a consumer and four operators in a snapshot; the chain is put back after it."""
    mark = evm.ask("evm_snapshot")
    made = deploy(evm, PARAMS)
    for secret in [CONSUMER, *OPERATORS]:
        evm.ask("anvil_setBalance", hex0x(address_of_secret(secret)), hex(100 * ETHER))
    made.send(CONSUMER, gpn.register_consumer("example/image:1", IMAGE), ETHER)
    consumer = address_of_secret(CONSUMER)
    for secret, payout in zip(OPERATORS, PAYOUTS, strict=True):
        made.send(secret, gpn.register_prover(payout), ETHER)
        made.send(secret, gpn.commit(consumer, IMAGE, 3))
    made.send(OPERATORS[0], gpn.take_snapshot(consumer))
    yield made
    evm.ask("evm_revert", mark)


def votes(hash32: Hash32, seats: tuple[int, ...]) -> bytes:
    return b"".join(bytes([seat]) + b"".join(compact(sign_digest(hash32, OPERATORS[seat]))) for seat in seats)


def request(made: Deployment, nonce: int) -> Request:
    return Request(
        consumer=address_of_secret(CONSUMER),
        nonce=nonce,
        reward=Gwei(REWARD),
        deadline=made.evm.now() + 3600,
        quorum=2,
        snapshot_id=1,
        payload_hash=keccak(b"payload"),
        details=Details(30, IMAGE, 5, f"ref-{nonce}"),
    )


def vote_of(made: Deployment, r: Request, prover: int) -> Vote:
    proof = keccak(b"proof", r.nonce.to_bytes(8, "big"))
    return Vote(digest(r, made.domain), address_of_secret(OPERATORS[prover]), proof, 1, True)


def as_data(r: Request) -> gpn.RequestData:
    return gpn.RequestData(
        consumer=r.consumer,
        nonce=r.nonce,
        reward_gwei=r.reward,
        deadline=r.deadline,
        quorum=r.quorum,
        snapshot_id=r.snapshot_id,
        payload_hash=r.payload_hash,
        details_hash=details_hash(r.details),
    )


def entry(made: Deployment, r: Request, seats: tuple[int, ...], prover: int = 0) -> gpn.Entry:
    """Signed by the consumer and voted on by the operators in ``seats``, all by the node's own code."""
    vote = vote_of(made, r, prover)
    consumer_r, consumer_vs = compact(sign_digest(vote.request_id, CONSUMER))
    return gpn.Entry(
        request=as_data(r),
        consumer_r=consumer_r,
        consumer_vs=consumer_vs,
        proof_hash=vote.proof_hash,
        attempt=vote.attempt,
        prover_seat=prover,
        votes=votes(digest(vote, made.domain), seats),
    )


E = TypeVar("E", bound=gpn.Event)


def only(events: list[gpn.Event], kind: type[E]) -> E:
    (found,) = [event for event in events if isinstance(event, kind)]
    return found


def settle(made: Deployment, slot: bytes, *entries: gpn.Entry) -> gpn.Settled:
    return only(made.send(OPERATORS[0], gpn.settle(slot, gpn.EMPTY_BATCH, entries)), gpn.Settled)


def as_batch(settled: gpn.Settled) -> gpn.Batch:
    return gpn.Batch(settled.finalize_at, settled.records)


def reverts_with(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return gpn.decode_error(caught.value.data)


SLOT = bytes(31) + b"\x01"


# The protocol's digests --------------------------------------------------------------------------------


def published(name: str) -> Hash32:
    return parse_hash(VECTORS["main"][name]["digest"])


def test_domain_is_the_vectors(contract: Deployment) -> None:
    assert contract.domain == MAIN, "the first contract of anvil's first account is what the vectors are for"
    separator = gpn.decode_domain_separator(contract.call(gpn.domain_separator()))
    assert hex0x(separator) == VECTORS["domains"]["main"]["separator"]
    assert separator == domain_separator(contract.domain)


def test_request_digest_is_the_vectors(contract: Deployment) -> None:
    data = as_data(REQUEST)
    assert hex0x(data.details_hash) == VECTORS["request"]["detailsHash"]
    assert gpn.decode_request_digest(contract.call(gpn.request_digest(data))) == published("Request")


@pytest.mark.parametrize("name", ["Vote", "VoteInvalid"])
def test_vote_digest_is_the_vectors(contract: Deployment, name: str) -> None:
    vote = MESSAGES[name]
    assert isinstance(vote, Vote)
    data = gpn.vote_digest(vote.request_id, vote.prover, vote.proof_hash, vote.attempt, vote.valid)
    assert gpn.decode_vote_digest(contract.call(data)) == published(name)


def test_batch_vote_digest_is_the_vectors(contract: Deployment) -> None:
    batch = MESSAGES["BatchVote"]
    assert isinstance(batch, BatchVote)
    data = gpn.batch_vote_digest(batch.vote_digests)
    assert gpn.decode_batch_vote_digest(contract.call(data)) == published("BatchVote")


# Views -------------------------------------------------------------------------------------------------


def test_views_tell_what_was_registered(contract: Deployment) -> None:
    consumer = address_of_secret(CONSUMER)
    assert gpn.decode_params(contract.call(gpn.params())) == PARAMS
    seen = gpn.decode_consumer(contract.call(gpn.consumer(consumer)))
    assert (seen.image, seen.digest, seen.balance_gwei, seen.snapshot_id, seen.snapshot_ended_at) == (
        "example/image:1",
        IMAGE,
        ETHER // WEI,
        1,
        0,
    )
    assert gpn.decode_get_consumers(contract.call(gpn.get_consumers(0, 10))) == (seen,)
    provers = gpn.decode_get_provers(contract.call(gpn.get_provers(1, 2)))
    assert [(p.prover, p.member_id, p.payout, p.stake) for p in provers] == [
        (address_of_secret(OPERATORS[i]), i + 1, PAYOUTS[i], ETHER) for i in (1, 2)
    ]
    snapshot = gpn.decode_snapshot(contract.call(gpn.snapshot(consumer, 1)))
    assert snapshot.digest == IMAGE
    assert snapshot.seats == tuple(
        gpn.Seat(address_of_secret(secret), i + 1, 3, 2) for i, secret in enumerate(OPERATORS)
    )


# Money -------------------------------------------------------------------------------------------------


def withdraw_all(made: Deployment) -> list[int]:
    """What each operator's payout address gets, in wei, by an account that has no part in it."""
    before = [made.evm.balance(payout) for payout in PAYOUTS]
    for member in range(1, len(PAYOUTS) + 1):
        if gpn.decode_rewards(made.call(gpn.rewards(member))):
            made.send(CONSUMER, gpn.withdraw_rewards([member]))
    return [made.evm.balance(payout) - was for payout, was in zip(PAYOUTS, before, strict=True)]


def test_settle_finalize_withdraw_pays_to_the_wei(contract: Deployment) -> None:
    evm = contract.evm
    held = evm.balance(contract.address)
    settled = settle(contract, SLOT, entry(contract, request(contract, 0), (1, 2)))
    assert settled.key == keccak(bytes(12) + address_of_secret(OPERATORS[0]), SLOT)
    assert settled.finalize_at == evm.now() + PARAMS.window
    finalize = gpn.finalize([settled.key], [as_batch(settled)])
    assert reverts_with(lambda: contract.send(CONSUMER, finalize)) == "TooEarly"
    evm.advance(PARAMS.window)
    finalized = only(contract.send(CONSUMER, finalize), gpn.Finalized)
    fee = REWARD * 2000 // 10_000 // 3
    burned = fee + REWARD * 2000 // 30_000  # one of three verifiers was left out
    prover = REWARD - 2 * fee - burned
    assert finalized.burned_gwei == burned == gpn.decode_burned(contract.call(gpn.burned()))
    assert withdraw_all(contract) == [prover * WEI, fee * WEI, fee * WEI, 0]
    assert held - evm.balance(contract.address) == (prover + 2 * fee) * WEI
    left = gpn.decode_consumer(contract.call(gpn.consumer(address_of_secret(CONSUMER)))).balance_gwei
    stakes = len(OPERATORS) * ETHER
    assert evm.balance(contract.address) == left * WEI + stakes + burned * WEI
    assert reverts_with(lambda: contract.send(CONSUMER, finalize)) == "BatchMismatch"


def test_attested_batch_extended_pays_everybody_in_full(contract: Deployment) -> None:
    requests = [request(contract, nonce) for nonce in range(3)]
    entries = [entry(contract, r, ()) for r in requests]
    digests = tuple(digest(vote_of(contract, r, 0), contract.domain) for r in requests)
    signed = votes(digest(BatchVote(digests), contract.domain), (1, 2))
    settled = only(
        contract.send(OPERATORS[0], gpn.settle_attested(SLOT, gpn.EMPTY_BATCH, entries, signed)),
        gpn.Settled,
    )
    batch = as_batch(settled)
    late = [votes(hash32, (3,)) for hash32 in digests]
    extended = contract.send(OPERATORS[3], gpn.extend(settled.key, batch, range(3), late))
    assert [event for event in extended if isinstance(event, gpn.Extended)] == [
        gpn.Extended(settled.key, index, 0b1110) for index in range(3)
    ]
    contract.evm.advance(PARAMS.window)
    contract.send(CONSUMER, gpn.finalize([settled.key], [batch]))
    fee = REWARD * 2000 // 10_000 // 3
    assert withdraw_all(contract) == [3 * (REWARD - 3 * fee) * WEI] + [3 * fee * WEI] * 3
    assert gpn.decode_burned(contract.call(gpn.burned())) == 0


def test_late_settlement_tips_its_sender(contract: Deployment) -> None:
    r = request(contract, 0)
    prepared = entry(contract, r, (1, 2, 3))
    contract.evm.advance(3600 + PARAMS.settle_delay)
    events = contract.send(OPERATORS[2], gpn.settle(SLOT, gpn.EMPTY_BATCH, [prepared]))
    settled = only(events, gpn.Settled)
    contract.evm.advance(PARAMS.window)
    contract.send(CONSUMER, gpn.finalize([settled.key], [as_batch(settled)]))
    fee = REWARD * 2000 // 10_000 // 3
    tip = PARAMS.tip_gwei
    assert withdraw_all(contract) == [
        (REWARD - 3 * fee - tip) * WEI,
        fee * WEI,
        (fee + tip) * WEI,
        fee * WEI,
    ]


# Refusals ----------------------------------------------------------------------------------------------


def test_a_bad_entry_is_skipped_and_named(contract: Deployment) -> None:
    good = entry(contract, request(contract, 0), (1, 2))
    bad = replace(entry(contract, request(contract, 1), (1, 2)), proof_hash=keccak(b"another"))
    events = contract.send(OPERATORS[0], gpn.settle(SLOT, gpn.EMPTY_BATCH, [bad, good]))
    skipped = only(events, gpn.EntrySkipped)
    assert (skipped.index, gpn.decode_error(skipped.reason)) == (0, "BadVotes")
    latest = only(events, gpn.LatestProof)
    assert latest == gpn.LatestProof(
        address_of_secret(CONSUMER),
        digest(replace(request(contract, 0), deadline=good.request.deadline), contract.domain),
        Hash32(good.proof_hash),
    )


def test_a_revert_names_its_reason(contract: Deployment) -> None:
    one_vote = gpn.settle(SLOT, gpn.EMPTY_BATCH, [entry(contract, request(contract, 0), (1,))])
    assert reverts_with(lambda: contract.send(OPERATORS[0], one_vote)) == "NothingSettled(QuorumNotMet)"
    again = gpn.register_consumer("example/image:1", IMAGE)
    assert reverts_with(lambda: contract.send(CONSUMER, again)) == "AlreadyRegistered"
    odd = gpn.deposit_eth(address_of_secret(CONSUMER))
    assert reverts_with(lambda: contract.send(CONSUMER, odd, WEI + 1)) == "NotWholeGwei"
    assert gpn.decode_error(bytes.fromhex("4e487b71") + bytes(31) + b"\x11") == "Panic(17)"
    assert gpn.decode_error(b"\x01\x02\x03\x04") == "0x01020304"


def test_what_the_node_would_refuse_the_contract_refuses(contract: Deployment) -> None:
    prepared = entry(contract, request(contract, 0), (1, 2))
    digest32 = digest(vote_of(contract, request(contract, 0), 0), contract.domain)
    assert recover(digest32, sign_digest(digest32, OPERATORS[1])) == address_of_secret(OPERATORS[1])
    swapped = prepared.votes[65:] + prepared.votes[:65]
    unordered = gpn.settle(SLOT, gpn.EMPTY_BATCH, [replace(prepared, votes=swapped)])
    assert reverts_with(lambda: contract.send(OPERATORS[0], unordered)) == "NothingSettled(BadVotes)"


def test_logs_of_other_contracts_are_left_alone() -> None:
    assert gpn.decode_log([keccak(b"Transfer(address,address,uint256)")], b"") is None
    assert gpn.decode_log([], b"") is None
    with pytest.raises(ValueError, match="another event"):
        gpn.Settled.decode([gpn.Finalized.TOPIC, bytes(32)], bytes(64))
