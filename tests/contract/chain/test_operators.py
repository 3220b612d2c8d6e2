"""Stakes, payout addresses and commitments that run out, in memory and on a real EVM."""

from __future__ import annotations

import pytest

from gpn_desktop.core.eip712 import address_of_secret, keccak
from gpn_desktop.core.errors import TransactionFailed
from gpn_desktop.core.types import ZERO_ADDRESS, Role, Wei
from gpn_desktop.ports.calls import (
    AddStake,
    BeginUnbond,
    Commit,
    RegisterConsumer,
    RegisterProver,
    Renew,
    SetPayout,
    Settle,
    TakeSnapshot,
    Uncommit,
    WithdrawRewards,
    WithdrawStake,
)
from gpn_desktop.ports.chain import Chain, Finalized, ProverChanged, SnapshotTaken
from gpn_desktop.ports.secrets import NodeKey
from tests.contract.chain.committee import BOTH, DEPOSIT, IMAGE, STAKE, gather_committee, paying, payout_of
from tests.contract.chain.harness import WINDOW, Harness, Watcher

DAY = 86_400
GWEI = 10**9


async def test_more_stake_is_more_weight(harness: Harness) -> None:
    committee = await gather_committee(harness, 2)
    member, key = committee.members[0], committee.keys[1]
    watcher = Watcher(member)
    with pytest.raises(TransactionFailed, match="NotWholeGwei"):
        await member.submit("odd", AddStake(Wei(1)))

    record = await member.submit("add", AddStake(Wei(STAKE * 2)))

    changed = await watcher.until(ProverChanged, lambda event: event.block.number == record.block)
    assert changed.prover == key.address
    info = await member.prover(key.address)
    assert info is not None
    assert info.stake == STAKE * 3
    await member.submit("new snapshot", TakeSnapshot(committee.consumer))
    snapshot = await member.snapshot(committee.consumer, 2)
    assert snapshot is not None
    assert [seat.weight for seat in snapshot.seats] == [6, 2]
    with pytest.raises(TransactionFailed, match="NotRegistered"):
        await committee.chains[0].submit("add", AddStake(STAKE))
    await member.submit("uncommit", Uncommit(committee.consumer))
    await member.submit("unbond", BeginUnbond())
    with pytest.raises(TransactionFailed, match="Unbonding"):
        await member.submit("add more", AddStake(STAKE))
    with pytest.raises(TransactionFailed, match="Unbonding"):
        await member.submit("commit again", Commit(committee.consumer, IMAGE, BOTH))
    await watcher.aclose()


async def test_only_the_payout_address_says_where_money_goes(harness: Harness) -> None:
    committee = await gather_committee(harness, 3)
    prover, owner = committee.members[0], harness.chain(harness.keys[4])
    mine, its = committee.keys[1].address, harness.keys[4].address
    watcher = Watcher(prover)
    await owner.start(0)
    settled = await committee.settle(watcher, await committee.entry(0))
    with pytest.raises(TransactionFailed, match="NotPayout"):
        await prover.submit("payout", SetPayout(mine, its))
    one = harness.chain(harness.keys[5])
    await one.start(0)
    await one.submit("register", RegisterProver(its, STAKE))
    with pytest.raises(TransactionFailed, match="ZeroAddress"):
        await owner.submit("nowhere", SetPayout(harness.keys[5].address, ZERO_ADDRESS))
    with pytest.raises(TransactionFailed, match="ZeroAddress"):
        await owner.submit("nobody", RegisterProver(ZERO_ADDRESS, STAKE))

    record = await owner.submit("payout", SetPayout(harness.keys[5].address, payout_of(9)))

    changed = await watcher.until(ProverChanged, lambda event: event.block.number == record.block)
    assert changed.prover == harness.keys[5].address
    terms = await prover.params()
    await one.submit("unbond", BeginUnbond())
    await harness.advance(terms.unbond)
    await one.submit("leave", WithdrawStake())
    assert await prover.balance(payout_of(9)) == STAKE
    with pytest.raises(TransactionFailed, match="NotUnbonding"):
        await one.submit("leave twice", WithdrawStake())
    with pytest.raises(TransactionFailed, match="NotPayout"):
        await one.submit("come back", RegisterProver(its, STAKE))
    await one.submit("come back", RegisterProver(payout_of(9), STAKE))
    await owner.submit("finalize", paying(settled))
    await owner.submit("reward", WithdrawRewards(1))
    assert await prover.balance(payout_of(1)) == 800_003 * GWEI
    with pytest.raises(TransactionFailed, match="NothingToWithdraw"):
        await owner.submit("reward twice", WithdrawRewards(1))
    await watcher.aclose()


async def test_commitments_run_out_unless_renewed(harness: Harness) -> None:
    committee = await gather_committee(harness, 3)
    members, consumer = committee.members, committee.consumer
    at_first = await members[0].committee(consumer)
    assert [(c.prover, c.roles, c.eligible) for c in at_first] == [
        (key.address, BOTH, True) for key in committee.keys[1:]
    ]
    await harness.advance(29 * DAY)
    renewed = await members[0].submit("renew", Renew(consumer))
    block = await members[0].block(renewed.block)
    assert block is not None
    assert (await members[0].committee(consumer))[0].expires_at == block.time + 30 * DAY
    await harness.advance(2 * DAY)
    assert [c.eligible for c in await members[0].committee(consumer)] == [True, False, False]
    with pytest.raises(TransactionFailed, match="CommitteeTooSmall"):
        await members[0].submit("new snapshot", TakeSnapshot(consumer))
    await members[1].submit("renew", Renew(consumer))
    await members[0].submit("new snapshot", TakeSnapshot(consumer))
    snapshot = await members[0].snapshot(consumer, 2)
    assert snapshot is not None
    assert [seat.address for seat in snapshot.seats] == [key.address for key in committee.keys[1:3]]
    with pytest.raises(TransactionFailed, match="SnapshotUnchanged"):
        await members[0].submit("snapshot again", TakeSnapshot(consumer))
    with pytest.raises(TransactionFailed, match="NotCommitted"):
        await committee.chains[0].submit("renew", Renew(consumer))


async def test_of_more_than_32_candidates_the_seats_go_by_stake(harness: Harness) -> None:
    boss = harness.chain(harness.keys[0])
    await boss.start(0)
    watcher = Watcher(boss)
    consumer = harness.keys[0].address
    await boss.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    least = (await boss.params()).min_stake
    chains: list[tuple[NodeKey, Chain]] = []
    for number in range(34):
        secret = keccak(b"operator %d" % number)
        key = NodeKey(address_of_secret(secret), secret)
        await harness.fund(key.address)
        chain = harness.chain(key)
        await chain.start((await boss.head()).number)
        more = Wei(GWEI) if number in (5, 33) else Wei(0)
        await chain.submit("register", RegisterProver(payout_of(1), Wei(least + more)))
        chains.append((key, chain))
    for _, chain in chains[:32]:
        await chain.submit("commit", Commit(consumer, IMAGE, BOTH))
    await boss.submit("snapshot", TakeSnapshot(consumer))
    with pytest.raises(TransactionFailed, match="CommitteeFull"):
        await chains[32][1].submit("commit", Commit(consumer, IMAGE, BOTH))

    # All but one have the least stake: the youngest of them gives way.
    record = await chains[33][1].submit("commit", Commit(consumer, IMAGE, BOTH))

    await watcher.until(SnapshotTaken, lambda event: event.block.number == record.block)
    snapshot = await boss.snapshot(consumer, 2)
    assert snapshot is not None
    seated = [*chains[:31], chains[33]]
    assert [seat.address for seat in snapshot.seats] == [key.address for key, _ in seated]
    assert len(await boss.committee(consumer)) == 32
    with pytest.raises(TransactionFailed, match="NotCommitted"):
        await chains[31][1].submit("uncommit", Uncommit(consumer))
    await watcher.aclose()


async def test_a_member_without_the_role_does_not_count(harness: Harness) -> None:
    committee = await gather_committee(harness, 4)
    member, watcher = committee.members[3], Watcher(committee.members[0])
    await member.submit("prove only", Commit(committee.consumer, IMAGE, Role.PROVE))
    await member.submit("new snapshot", TakeSnapshot(committee.consumer))
    snapshot = await member.snapshot(committee.consumer, 2)
    assert snapshot is not None
    committee.snapshot = snapshot
    voted = await committee.entry(0, voters=(1, 2, 3))
    with pytest.raises(TransactionFailed, match="BadVotes"):
        await committee.members[0].submit("settle", Settle((voted,)))
    settled = await committee.settle(watcher, await committee.entry(0))
    await harness.advance(WINDOW)
    await member.submit("finalize", paying(settled))
    await watcher.until(Finalized)
    # V = 2: both counted, nothing is burned.
    assert await committee.rewards() == [800_003, 100_000, 100_000, 0]
    await watcher.aclose()
