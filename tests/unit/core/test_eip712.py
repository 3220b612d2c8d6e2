"""Digests agree with eth-account and with the published vectors; bad signatures are refused."""

import json

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from gpn_desktop.core import eip712
from gpn_desktop.core.eip712 import BadSignature, digest, recover, sign_digest
from gpn_desktop.core.types import Vote

from .vectors import ALICE, FILES, FOLDER, MAIN, MESSAGES, REQUEST, SECRETS

ORDER = 2 * eip712.HALF_ORDER + 1


@pytest.mark.parametrize("name", FILES)
def test_published_vectors_are_what_the_code_computes(name: str) -> None:
    assert json.loads((FOLDER / name).read_text()) == FILES[name]()


def test_vote_digest_agrees_with_eth_account() -> None:
    vote = MESSAGES["Vote"]
    assert isinstance(vote, Vote)
    typed = encode_typed_data(
        domain_data={
            "name": "GPN",
            "version": "1",
            "chainId": MAIN.chain_id,
            "verifyingContract": MAIN.contract,
        },
        message_types={
            "Vote": [
                {"name": "requestId", "type": "bytes32"},
                {"name": "prover", "type": "address"},
                {"name": "proofHash", "type": "bytes32"},
                {"name": "attempt", "type": "uint8"},
                {"name": "valid", "type": "bool"},
            ]
        },
        message_data={
            "requestId": vote.request_id,
            "prover": vote.prover,
            "proofHash": vote.proof_hash,
            "attempt": vote.attempt,
            "valid": vote.valid,
        },
    )
    theirs = Account.sign_message(typed, SECRETS["alice"])
    assert sign_digest(digest(vote, MAIN), SECRETS["alice"]) == bytes(theirs.signature)


def test_batch_vote_digest_agrees_with_eth_account() -> None:
    batch = MESSAGES["BatchVote"]
    assert isinstance(batch, eip712.BatchVote)
    typed = encode_typed_data(
        domain_data={
            "name": "GPN",
            "version": "1",
            "chainId": MAIN.chain_id,
            "verifyingContract": MAIN.contract,
        },
        message_types={"BatchVote": [{"name": "votes", "type": "bytes32[]"}]},
        message_data={"votes": list(batch.vote_digests)},
    )
    theirs = Account.sign_message(typed, SECRETS["alice"])
    assert sign_digest(digest(batch, MAIN), SECRETS["alice"]) == bytes(theirs.signature)


def test_signer_is_recovered() -> None:
    hash32 = digest(REQUEST, MAIN)
    assert recover(hash32, sign_digest(hash32, SECRETS["alice"])) == ALICE


def test_the_malleated_twin_is_refused() -> None:
    hash32 = digest(REQUEST, MAIN)
    good = sign_digest(hash32, SECRETS["alice"])
    twin_s = (ORDER - int.from_bytes(good[32:64], "big")).to_bytes(32, "big")
    twin = good[:32] + twin_s + bytes([27 + 28 - good[64]])
    with pytest.raises(BadSignature):
        recover(hash32, twin)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        bytes(65),
        bytes(64) + b"\x1b",
        b"\xff" * 32 + bytes(31) + b"\x01\x1b",
        b"\x01" * 64 + b"\x1d",
        b"\x01" * 66,
    ],
)
def test_garbage_signatures_are_refused(bad: bytes) -> None:
    with pytest.raises(BadSignature):
        recover(digest(REQUEST, MAIN), bad)


def test_a_signature_holds_in_one_domain_only() -> None:
    signature = sign_digest(digest(REQUEST, eip712.Domain(1, MAIN.contract)), SECRETS["alice"])
    assert recover(digest(REQUEST, MAIN), signature) != ALICE
