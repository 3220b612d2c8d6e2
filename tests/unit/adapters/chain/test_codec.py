"""Records, votes and addresses in the contract's forms."""

from __future__ import annotations

from dataclasses import replace

import pytest
from coincurve import PrivateKey
from eth_abi.abi import encode
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.adapters.chain import bindings, codec, records
from gpn_desktop.adapters.chain.rpc import Log
from gpn_desktop.adapters.chain.signing import Outgoing, contract_address, sign
from gpn_desktop.core.eip712 import address_of_secret, keccak, sign_digest
from gpn_desktop.core.types import Address, Gwei, Hash32, Role, Wei, parse_address
from gpn_desktop.ports.chain import (
    Block,
    Candidate,
    ChainEvent,
    Challenged,
    ConsumerChanged,
    ConsumerInfo,
    ConsumerSlashed,
    EntrySkipped,
    FeeForfeited,
    Pardoned,
    ProverChanged,
    SettlementRecord,
    Slashed,
    Suspended,
)
from gpn_desktop.ports.secrets import NodeKey

BLOCK = Block(7, keccak(b"block"), 1_700_000_000)
hashes = st.binary(min_size=32, max_size=32).map(Hash32)
seats = st.integers(0, 31)


@given(
    st.lists(
        st.builds(
            SettlementRecord,
            request_id=hashes,
            vote_digest=hashes,
            consumer=st.binary(min_size=20, max_size=20).map(Address),
            snapshot_id=st.integers(0, 2**64 - 1),
            prover_seat=seats,
            reward=st.integers(0, 2**64 - 1).map(Gwei),
            counted=st.integers(0, 2**32 - 1),
            raw=st.just(b""),
            tipped_seat=st.none() | seats,
        ),
        max_size=4,
    )
)
def test_records_come_back_as_they_were_packed(given_records: list[SettlementRecord]) -> None:
    raw = b"".join(records.pack(record, 3) for record in given_records)
    found = records.Records(raw)
    assert len(raw) == 128 * len(given_records)
    for before, after in zip(given_records, found, strict=True):
        assert after.raw == records.pack(before, 3)
        assert records.pack(after, 3) == after.raw
        assert (after.request_id, after.reward, after.counted) == (
            before.request_id,
            before.reward,
            before.counted,
        )
        assert (after.snapshot_id, after.prover_seat, after.tipped_seat) == (
            before.snapshot_id,
            before.prover_seat,
            before.tipped_seat,
        )


def test_packed_records_are_like_a_tuple_of_them() -> None:
    record = SettlementRecord(Hash32(b"a" * 32), Hash32(b"b" * 32), Address(b"c" * 20), 1, 2, Gwei(3), 5, b"")
    raw = records.pack(record, 3) + records.pack(replace(record, counted=6), 3)
    found = records.Records(raw)
    assert [one.counted for one in found] == [5, 6]
    assert (found[-1].counted, [one.counted for one in found[1:]]) == (6, [6])
    assert found == tuple(found) == records.Records(raw)
    assert found != records.Records(raw[:128])
    assert hash(found) == hash(records.Records(raw))
    with pytest.raises(IndexError):
        found[2]


def test_records_of_a_broken_length_are_refused() -> None:
    with pytest.raises(ValueError, match="127"):
        records.Records(bytes(127))


def test_a_compact_signature_keeps_the_parity() -> None:
    seen = set()
    for number in range(8):
        signature = sign_digest(keccak(b"%d" % number), keccak(b"key"))
        compact = records.compact(signature)
        assert len(compact) == 64
        assert compact[:32] == signature[:32]
        assert compact[32] >> 7 == signature[64] - 27
        assert bytes([compact[32] & 0x7F]) + compact[33:] == signature[32:64]
        seen.add(signature[64])
    assert seen == {27, 28}


def test_packed_votes_begin_with_their_seat() -> None:
    signature = sign_digest(keccak(b"x"), keccak(b"key"))
    packed = records.pack_votes(((3, signature), (9, signature)))
    assert (len(packed), packed[0], packed[65]) == (130, 3, 9)


@pytest.mark.parametrize(
    ("nonce", "expected"),
    [
        # The addresses of the well-known first deployments of 0xf39f…2266.
        (0, "5fbdb2315678afecb367f032d93f642f64180aa3"),
        (1, "e7f1725e7734ce288f8367e1bb143e90bb3f0512"),
    ],
)
def test_where_a_deployment_goes(nonce: int, expected: str) -> None:
    sender = parse_address("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
    assert contract_address(sender, nonce) == parse_address(expected)


@pytest.mark.parametrize("nonce", [127, 128, 255, 256, 70_000])
def test_where_a_later_deployment_goes(nonce: int) -> None:
    import rlp  # type: ignore[import-untyped]

    sender = parse_address("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
    assert contract_address(sender, nonce) == keccak(rlp.encode([sender, nonce]))[12:]


def test_a_signed_transaction_is_the_senders_and_always_the_same() -> None:
    secret = keccak(b"key")
    key = NodeKey(address_of_secret(secret), secret)
    tx = Outgoing(31337, 5, Address(b"\x11" * 20), 7, b"\x01\x02", 100_000, 10**9, 10**8)
    raw, tx_hash = sign(tx, key)
    assert sign(tx, key) == (raw, tx_hash)
    assert tx_hash == keccak(raw)
    assert parse_address(Account.recover_transaction(raw)) == key.address
    assert PrivateKey(secret).secret == secret


def test_a_log_of_no_concern_tells_nothing() -> None:
    unknown = Log((keccak(b"Transfer()"),), b"", 7, BLOCK.hash, 0)
    assert codec.event(unknown, BLOCK) is None
    anonymous = Log((), b"", 7, BLOCK.hash, 0)
    assert codec.event(anonymous, BLOCK) is None


def test_a_change_of_a_consumer_is_told() -> None:
    consumer = Address(b"\x11" * 20)
    topics = (bindings.SnapshotEnded.TOPIC, bytes(12) + consumer, bytes(31) + b"\x02")
    assert codec.event(Log(topics, b"", 7, BLOCK.hash, 0), BLOCK) == ConsumerChanged(consumer, BLOCK)


ONE, TWO, KEY = Address(b"\x11" * 20), Address(b"\x22" * 20), keccak(b"key")
TX = keccak(b"tx")


def word(value: int | Address) -> bytes:
    return value.to_bytes(32, "big") if isinstance(value, int) else bytes(12) + value


def log_of(event: type[bindings.Event], topics: list[bytes], types: list[str], values: list[object]) -> Log:
    return Log((event.TOPIC, *topics), encode(types, values), 7, BLOCK.hash, 0, TX)


TOLD: list[tuple[Log, ChainEvent]] = [
    (
        log_of(
            bindings.Challenged,
            [KEY, word(ONE)],
            ["uint256", "uint8", "bytes32", "bytes32", "uint32"],
            [2, 3, TX, KEY, 6],
        ),
        Challenged(KEY, ONE, 2, 3, TX, KEY, 6, BLOCK),
    ),
    (
        log_of(bindings.EntrySkipped, [], ["uint256", "bytes4"], [4, bytes.fromhex("1f6d5aef")]),
        EntrySkipped(4, "NonceUsed", TX, BLOCK),
    ),
    (
        log_of(bindings.EntrySkipped, [], ["uint256", "bytes4"], [4, bytes.fromhex("00112233")]),
        EntrySkipped(4, "0x00112233", TX, BLOCK),
    ),
    (
        log_of(bindings.FeeForfeited, [KEY], ["uint256", "uint8"], [2, 9]),
        FeeForfeited(KEY, 2, 9, BLOCK),
    ),
    (
        log_of(
            bindings.ProverSlashed, [word(ONE), word(5), word(TWO)], ["uint96", "uint96"], [10**18, 10**16]
        ),
        Slashed(ONE, 5, TWO, Wei(10**18), Wei(10**16), BLOCK),
    ),
    (
        log_of(bindings.ConsumerSlashed, [word(ONE), word(TWO)], ["uint64", "uint64", "uint64"], [7, 95, 5]),
        ConsumerSlashed(ONE, 7, Gwei(100), TWO, Gwei(5), BLOCK),
    ),
    (
        log_of(bindings.SuspensionBegun, [word(ONE), word(TWO)], ["uint64", "bytes32"], [99, KEY]),
        Suspended(ONE, TWO, 99, BLOCK),
    ),
    (log_of(bindings.Pardoned, [word(ONE), word(TWO)], [], []), Pardoned(ONE, TWO, BLOCK)),
    (
        log_of(bindings.ProverRegistered, [word(ONE), word(5), word(TWO)], ["uint96"], [10**18]),
        ProverChanged(ONE, BLOCK),
    ),
    (log_of(bindings.StakeAdded, [word(ONE)], ["uint96"], [10**18]), ProverChanged(ONE, BLOCK)),
    (log_of(bindings.PayoutChanged, [word(ONE), word(TWO)], [], []), ProverChanged(ONE, BLOCK)),
    (log_of(bindings.UnbondBegun, [word(ONE)], ["uint64"], [99]), ProverChanged(ONE, BLOCK)),
    (
        log_of(bindings.ProverWithdrawn, [word(ONE), word(TWO)], ["uint96"], [10**18]),
        ProverChanged(ONE, BLOCK),
    ),
    (
        log_of(bindings.Committed, [word(TWO), word(ONE)], ["bytes32", "uint8", "uint64"], [KEY, 3, 99]),
        ProverChanged(ONE, BLOCK),
    ),
    (log_of(bindings.Uncommitted, [word(TWO), word(ONE)], [], []), ProverChanged(ONE, BLOCK)),
    (
        log_of(bindings.NoncesRetiring, [word(ONE)], ["uint64", "uint64"], [8, 99]),
        ConsumerChanged(ONE, BLOCK),
    ),
]


@pytest.mark.parametrize(("log", "told"), TOLD, ids=[type(told).__name__ for _, told in TOLD])
def test_a_log_tells_its_event(log: Log, told: ChainEvent) -> None:
    assert codec.event(log, BLOCK) == told


def test_every_event_of_the_contract_is_told_or_left_out_on_purpose() -> None:
    """A forfeited reward is in nobody's balance: a node reads what it can withdraw."""
    told = {log.topics[0] for log, _ in TOLD}
    elsewhere: set[type[bindings.Event]] = {
        bindings.Settled,
        bindings.Extended,
        bindings.Finalized,
        bindings.RewardsWithdrawn,
        bindings.SnapshotTaken,
        bindings.LatestProof,
        bindings.ConsumerRegistered,
        bindings.ConsumerWithdrawn,
        bindings.Deposited,
        bindings.ExitBegun,
        bindings.ImageChanged,
        bindings.NoncesRetired,
        bindings.SnapshotEnded,
    }
    assert set(bindings.EVENTS) - told - {event.TOPIC for event in elsewhere} == {
        bindings.RewardForfeited.TOPIC
    }


def test_answers_become_the_ports_values() -> None:
    view = bindings.ConsumerView(ONE, "image", KEY, 5, 6, 7, 8, 9, 10, 11, 0)
    info = codec.consumer(view)
    assert info == ConsumerInfo(ONE, "image", KEY, Gwei(5), 6, 7, 10, 11, 8, 9)
    ended = codec.consumer(bindings.ConsumerView(ONE, "image", KEY, 5, 6, 7, 8, 9, 10, 11, 12))
    assert ended is not None
    assert ended.snapshot_id == 0
    assert codec.consumer(bindings.ConsumerView(ONE, "", Hash32(bytes(32)), 0, 6, 7, 8, 9, 0, 11, 12)) is None
    assert codec.candidate(bindings.CommitmentView(TWO, 2, 99, False)) == Candidate(
        TWO, Role.VERIFY, 99, False
    )


def test_a_malformed_log_is_an_error() -> None:
    short = Log((bindings.Finalized.TOPIC,), b"", 7, BLOCK.hash, 0)
    with pytest.raises(ValueError, match="another event"):
        codec.event(short, BLOCK)
