"""What a consumer can do with its image, its nonces and its money, in memory and on a real EVM."""

from __future__ import annotations

import pytest

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import TransactionFailed
from gpn_desktop.core.types import ZERO_HASH, Wei
from gpn_desktop.ports.calls import (
    BeginExit,
    Commit,
    Deposit,
    RegisterConsumer,
    Renew,
    RetireNonces,
    SetImage,
    Settle,
    TakeSnapshot,
    Uncommit,
    WithdrawDeposit,
)
from gpn_desktop.ports.chain import Chain, ConsumerChanged, ConsumerInfo, Settled, SnapshotTaken
from gpn_desktop.ports.secrets import NodeKey
from tests.contract.chain.committee import BOTH, DEPOSIT, IMAGE, REWARD, gather_committee
from tests.contract.chain.harness import Harness, Watcher

GWEI = 10**9
OTHER_IMAGE = keccak(b"another image")


async def seen(chain: Chain, key: NodeKey) -> ConsumerInfo:
    info = await chain.consumer(key.address)
    assert info is not None
    return info


async def test_a_consumer_leaves_with_every_wei(harness: Harness) -> None:
    committee = await gather_committee(harness)
    consumer, prover, key = committee.chains[0], committee.members[0], committee.keys[0]
    terms = await consumer.params()
    entry = await committee.entry(0)
    with pytest.raises(TransactionFailed, match="NotExiting"):
        await consumer.submit("withdraw", WithdrawDeposit())

    begun = await consumer.submit("exit", BeginExit())

    block = await consumer.block(begun.block)
    assert block is not None
    info = await seen(consumer, key)
    assert (info.exit_at, info.snapshot_id) == (block.time + terms.unbond, 0)
    for name, chain, call in (
        ("again", consumer, BeginExit()),
        ("new snapshot", prover, TakeSnapshot(key.address)),
        ("renew", prover, Renew(key.address)),
    ):
        with pytest.raises(TransactionFailed, match="Exiting"):
            await chain.submit(name, call)
    await prover.submit("settle", Settle((entry,)))  # what was asked for before is still owed
    with pytest.raises(TransactionFailed, match="TooEarly"):
        await consumer.submit("withdraw", WithdrawDeposit())
    await harness.advance(terms.unbond)
    before = await consumer.balance(key.address)
    taken = await consumer.submit("withdraw", WithdrawDeposit())

    assert await committee.gain(0, before, taken) == DEPOSIT - REWARD * GWEI
    assert await consumer.consumer(key.address) is None
    assert await consumer.consumers() == []
    for gone in (Deposit(key.address, Wei(GWEI)), SetImage("a", IMAGE)):
        with pytest.raises(TransactionFailed, match="NotRegistered"):
            await consumer.submit("gone", gone)
    await consumer.submit("return", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    back = await seen(consumer, key)
    assert (back.nonce_base, back.exit_at, back.snapshot_id) == (1, 0, 0), "used nonces stay used"
    with pytest.raises(TransactionFailed, match="DigestMismatch"):
        await prover.submit("renew", Renew(key.address))


async def test_another_image_needs_other_commitments(harness: Harness) -> None:
    committee = await gather_committee(harness, 3)
    consumer, key = committee.chains[0], committee.keys[0]
    watcher = Watcher(consumer)
    for name, digest32 in (("", OTHER_IMAGE), ("x" * 257, OTHER_IMAGE), ("image", ZERO_HASH)):
        with pytest.raises(TransactionFailed, match="BadImage"):
            await consumer.submit("image", SetImage(name, digest32))
    late = await committee.entry(0, lifetime=3500)

    changed = await consumer.submit("image", SetImage("example/other", OTHER_IMAGE))

    await watcher.until(ConsumerChanged, lambda event: event.block.number == changed.block)
    info = await seen(consumer, key)
    assert (info.image_name, info.image_digest, info.snapshot_id) == ("example/other", OTHER_IMAGE, 0)
    members = committee.members
    with pytest.raises(TransactionFailed, match="DigestMismatch"):
        await members[0].submit("renew", Renew(key.address))
    with pytest.raises(TransactionFailed, match="DigestMismatch"):
        await members[0].submit("commit old", Commit(key.address, IMAGE, BOTH))
    assert [c.eligible for c in await consumer.committee(key.address)] == [False] * 3
    with pytest.raises(TransactionFailed, match="CommitteeTooSmall"):
        await consumer.submit("new snapshot", TakeSnapshot(key.address))
    for member in members[:2]:
        await member.submit("commit new", Commit(key.address, OTHER_IMAGE, BOTH))
    await members[2].submit("leave", Uncommit(key.address))
    taken = await consumer.submit("new snapshot", TakeSnapshot(key.address))
    event = await watcher.until(SnapshotTaken, lambda event: event.block.number == taken.block)
    assert event.snapshot_id == 2
    snapshot = await consumer.snapshot(key.address, 2)
    assert snapshot is not None
    assert (snapshot.image_digest, len(snapshot.seats)) == (OTHER_IMAGE, 2)
    record = await members[0].submit("settle", Settle((late,)))  # asked for while its snapshot was in force
    await watcher.until(Settled, lambda event: event.block.number == record.block)
    await harness.advance(200)
    after = await committee.entry(1, lifetime=3500)
    with pytest.raises(TransactionFailed, match="SnapshotNotInForce"):
        await members[0].submit("settle later", Settle((after,)))
    await watcher.aclose()


async def test_nonces_that_nobody_will_use_are_given_up(harness: Harness) -> None:
    committee = await gather_committee(harness)
    consumer, prover, key = committee.chains[0], committee.members[0], committee.keys[0]
    terms = await consumer.params()
    await prover.submit("settle", Settle((await committee.entry(2),)))
    for base in (0, 2**64 - 256):
        with pytest.raises(TransactionFailed, match="NonceBaseNotAhead"):
            await consumer.submit("retire nothing", RetireNonces(base))

    announced = await consumer.submit("retire", RetireNonces(2))

    block = await consumer.block(announced.block)
    assert block is not None
    info = await seen(consumer, key)
    at = block.time + terms.max_lifetime + terms.settle_grace
    assert (info.pending_nonce_base, info.pending_nonce_at) == (2, at)
    assert (info.nonce_base, info.nonce_window) == (0, 0b100)
    with pytest.raises(TransactionFailed, match="TooEarly"):
        await consumer.submit("retire for good", RetireNonces(2))
    await harness.advance(terms.max_lifetime + terms.settle_grace + 2)
    await consumer.submit("retire for good", RetireNonces(2))

    info = await seen(consumer, key)
    assert (info.nonce_base, info.nonce_window, info.pending_nonce_base) == (3, 0, 0)
    with pytest.raises(TransactionFailed, match="NonceUsed"):
        await prover.submit("old nonce", Settle((await committee.entry(1),)))
    with pytest.raises(TransactionFailed, match="NonceTooFar"):
        await prover.submit("far nonce", Settle((await committee.entry(3 + 128),)))
    await prover.submit("next nonce", Settle((await committee.entry(3),)))


async def test_a_registration_with_odd_money_or_no_image_is_refused(harness: Harness) -> None:
    chain = harness.chain(harness.keys[0])
    await chain.start(0)
    with pytest.raises(TransactionFailed, match="NotWholeGwei"):
        await chain.submit("odd", RegisterConsumer("example/image", IMAGE, Wei(DEPOSIT + 1)))
    with pytest.raises(TransactionFailed, match="BadImage"):
        await chain.submit("nameless", RegisterConsumer("", IMAGE, DEPOSIT))
    await chain.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    with pytest.raises(TransactionFailed, match="AlreadyRegistered"):
        await chain.submit("twice", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    with pytest.raises(TransactionFailed, match="NotWholeGwei"):
        await chain.submit("odd gift", Deposit(harness.keys[0].address, Wei(1)))
