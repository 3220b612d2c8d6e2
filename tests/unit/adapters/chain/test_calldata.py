"""Every call of the port in the contract's form, read back with the contract's own types."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from eth_abi.abi import decode

from gpn_desktop.adapters.chain import bindings
from gpn_desktop.adapters.chain.calldata import NO_SEAT, encode, value_of
from gpn_desktop.core.eip712 import address_of_secret, details_hash, digest, keccak, sign_digest
from gpn_desktop.core.messages import Signed
from gpn_desktop.core.types import (
    ZERO_HASH,
    Address,
    Announcement,
    Details,
    Domain,
    Gwei,
    Hash32,
    Request,
    Role,
    Seat,
    Snapshot,
    Vote,
    Wei,
)
from gpn_desktop.ports import calls
from gpn_desktop.ports.calls import Call, Opinion, Refuted, SeatVote, SettlementEntry

DOMAIN = Domain(31337, Address(b"\x99" * 20))
SECRET = keccak(b"consumer")
CONSUMER = address_of_secret(SECRET)
PROVER = Address(b"\x33" * 20)
SLOT = Hash32(bytes(31) + b"\x05")
IMAGE = keccak(b"image")
REQUEST = Request(CONSUMER, 4, Gwei(5000), 99, 2, 1, keccak(b"p"), Details(60, IMAGE, 7, "ref"))
SIGNED = Signed[Request].sign(REQUEST, SECRET, CONSUMER, DOMAIN)
VOTE = Vote(SIGNED.digest, PROVER, keccak(b"proof"), 2, True)
SIGNATURE = sign_digest(digest(VOTE, DOMAIN), SECRET)
VOTES = (SeatVote(1, SIGNATURE), SeatVote(3, SIGNATURE))
ENTRY = SettlementEntry(SIGNED, VOTE, VOTES)
SEATS = (Snapshot(CONSUMER, 1, IMAGE, (Seat(CONSUMER, 1, Role(3), 1), Seat(PROVER, 2, Role(3), 1))),)
ANNOUNCED = Signed[Announcement].sign(
    Announcement(SIGNED.digest, PROVER, 2, VOTE.proof_hash, 77, keccak(b"seed")), SECRET, CONSUMER, DOMAIN
)
OPINION = Opinion(VOTE, SIGNATURE)
IN_BATCH = Opinion(replace(VOTE, attempt=5, valid=False), SIGNATURE, (ZERO_HASH, keccak(b"v")), 1)
REFUTED = Refuted(replace(VOTE, valid=False), 1, VOTES)
OLD = calls.Finalize(keccak(b"key"), 12, bytes(128))
AT = (OLD.key, OLD.finalize_at, OLD.records)

REQUEST_DATA = "(address,uint64,uint64,uint64,uint8,uint64,bytes32,bytes32)"
OPINION_DATA = "(uint8,bytes32,bytes32,bytes32[],uint256)"
REFUTED_DATA = "(uint8,uint8,bytes32,bytes)"
ANNOUNCED_DATA = "(uint8,bytes32,uint64,bytes32,bytes32,bytes32)"
BATCH = "(uint64,bytes)"
ENTRY_DATA = f"({REQUEST_DATA},bytes32,bytes32,bytes32,uint8,uint8,bytes)"

CALLS: dict[str, tuple[Call, int]] = {
    "registerConsumer(string,bytes32)": (calls.RegisterConsumer("image", IMAGE, Wei(5)), 5),
    "depositEth(address)": (calls.Deposit(CONSUMER, Wei(6)), 6),
    "setImage(string,bytes32)": (calls.SetImage("image", IMAGE), 0),
    "beginExit()": (calls.BeginExit(), 0),
    "withdrawConsumer()": (calls.WithdrawDeposit(), 0),
    "retireNonces(uint64)": (calls.RetireNonces(9), 0),
    "takeSnapshot(address)": (calls.TakeSnapshot(CONSUMER), 0),
    "pardon(address)": (calls.Pardon(PROVER), 0),
    "registerProver(address)": (calls.RegisterProver(PROVER, Wei(7)), 7),
    "addStake()": (calls.AddStake(Wei(8)), 8),
    "setPayout(address,address)": (calls.SetPayout(PROVER, CONSUMER), 0),
    "beginUnbond()": (calls.BeginUnbond(), 0),
    "withdrawProver()": (calls.WithdrawStake(), 0),
    "commit(address,bytes32,uint8)": (calls.Commit(CONSUMER, IMAGE, Role.VERIFY), 0),
    "renew(address)": (calls.Renew(CONSUMER), 0),
    "uncommit(address)": (calls.Uncommit(CONSUMER), 0),
    "withdrawRewards(uint32[])": (calls.WithdrawRewards(3), 0),
    f"settle(bytes32,{BATCH},{ENTRY_DATA}[])": (calls.Settle((ENTRY,), OLD), 0),
    f"settleAttested(bytes32,{BATCH},{ENTRY_DATA}[],bytes)": (calls.SettleAttested((ENTRY,), VOTES), 0),
    f"extend(bytes32,{BATCH},uint256[],bytes[])": (calls.Extend(*AT, 2, VOTES), 0),
    f"supersede(bytes32,{BATCH},uint256,uint8,bytes32,uint8,bytes)": (
        calls.Supersede(*AT, 2, 6, VOTE, VOTES),
        0,
    ),
    f"finalize(bytes32[],{BATCH}[])": (OLD, 0),
    f"slashEquivocation(address,bytes32,address,bytes32,{OPINION_DATA},{OPINION_DATA})": (
        calls.SlashEquivocation(PROVER, OPINION, IN_BATCH),
        0,
    ),
    f"slashDoubleAnnouncement(address,bytes32,{ANNOUNCED_DATA},{ANNOUNCED_DATA})": (
        calls.SlashDoubleAnnouncement(ANNOUNCED, ANNOUNCED),
        0,
    ),
    f"slashDoubleRequest(({REQUEST_DATA},bytes32,bytes32),({REQUEST_DATA},bytes32,bytes32))": (
        calls.SlashDoubleRequest(SIGNED, SIGNED),
        0,
    ),
    f"suspend({REQUEST_DATA},{REFUTED_DATA},{ANNOUNCED_DATA})": (
        calls.Suspend(REQUEST, REFUTED, ANNOUNCED),
        0,
    ),
    f"suspendSigner({REQUEST_DATA},{REFUTED_DATA},uint8,{OPINION_DATA})": (
        calls.SuspendSigner(REQUEST, REFUTED, 3, IN_BATCH),
        0,
    ),
    f"forfeitFee(bytes32,{BATCH},uint256,{REFUTED_DATA},uint8,{OPINION_DATA})": (
        calls.ForfeitFee(*AT, 2, REFUTED, 3, OPINION),
        0,
    ),
    "evict(address,address)": (calls.Evict(CONSUMER, PROVER), 0),
}


def arguments(signature: str) -> tuple[Any, ...]:
    """The arguments of the call with this signature, as the contract reads them."""
    _, data = encode(CALLS[signature][0], SLOT, SEATS)
    inner, parts, depth = signature[signature.index("(") + 1 : -1], [""], 0
    for letter in inner:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return decode([part for part in parts if part], data[4:])


def text(address: Address) -> str:
    return "0x" + address.hex()


@pytest.mark.parametrize("signature", CALLS)
def test_a_call_goes_to_its_function_with_its_money(signature: str) -> None:
    call, value = CALLS[signature]
    sent, data = encode(call, SLOT, SEATS)
    assert (sent, data[:4]) == (value, keccak(signature.encode())[:4])
    assert value_of(call) == value
    arguments(signature)  # and is whole


def test_no_call_is_forgotten() -> None:
    assert {type(call) for call, _ in CALLS.values()} == set(get_args(Call)) - {calls.Transfer}


def test_a_transfer_calls_nothing() -> None:
    call = calls.Transfer(PROVER, Wei(7))
    assert encode(call, SLOT, SEATS) == (7, b"")
    assert value_of(call) == 7


def of(call: type) -> tuple[Any, ...]:
    return arguments(next(name for name, (found, _) in CALLS.items() if isinstance(found, call)))


R, S = SIGNATURE[:32], SIGNATURE[32:64]
VS = bytes([S[0] | (SIGNATURE[64] - 27) << 7]) + S[1:]
PACKED_VOTES = b"\x01" + R + VS + b"\x03" + R + VS


def test_what_a_settlement_says() -> None:
    slot, old, (entry,) = of(calls.Settle)
    assert (slot, old) == (SLOT, (12, bytes(128)))
    request, consumer_r, _, proof, attempt, seat, votes = entry
    assert request == (
        text(CONSUMER),
        4,
        5000,
        99,
        2,
        1,
        REQUEST.payload_hash,
        details_hash(REQUEST.details),
    )
    assert (consumer_r, proof, attempt, seat) == (SIGNED.signature[:32], VOTE.proof_hash, 2, 1)
    assert votes == PACKED_VOTES
    _, old, (attested,), votes = of(calls.SettleAttested)
    assert (old, attested[-1], votes) == ((0, b""), b"", PACKED_VOTES)


def test_a_prover_without_a_seat_is_left_to_the_contract() -> None:
    _, data = encode(calls.Settle((ENTRY,)), SLOT, ())
    assert data == bindings.settle(
        SLOT,
        bindings.EMPTY_BATCH,
        [
            bindings.Entry(
                bindings.RequestData(
                    CONSUMER, 4, 5000, 99, 2, 1, REQUEST.payload_hash, details_hash(REQUEST.details)
                ),
                SIGNED.signature[:32],
                bytes([SIGNED.signature[32] | (SIGNED.signature[64] - 27) << 7]) + SIGNED.signature[33:64],
                VOTE.proof_hash,
                2,
                NO_SEAT,
                PACKED_VOTES,
            )
        ],
    )


def test_what_evidence_says() -> None:
    member, request_id, prover, proof, yes, no = of(calls.SlashEquivocation)
    assert (member, request_id, prover, proof) == (
        text(PROVER),
        SIGNED.digest,
        text(PROVER),
        VOTE.proof_hash,
    )
    assert yes == (2, R, VS, (), 0)
    assert no == (5, R, VS, (ZERO_HASH, keccak(b"v")), 1)
    _, _, first, _ = of(calls.SlashDoubleAnnouncement)
    assert first[:4] == (2, VOTE.proof_hash, 77, keccak(b"seed"))
    _, refuted, announced = of(calls.Suspend)
    assert (refuted, announced) == ((1, 2, VOTE.proof_hash, PACKED_VOTES), first)
    key, batch, index, refuted, seat, yes = of(calls.ForfeitFee)
    assert (key, batch, index, seat) == (OLD.key, (12, bytes(128)), 2, 3)
    assert (refuted[0], yes) == (1, (2, R, VS, (), 0))
    key, _, index, seat, proof, attempt, votes = of(calls.Supersede)
    assert (key, index, seat, proof, attempt, votes) == (OLD.key, 2, 6, VOTE.proof_hash, 2, PACKED_VOTES)
