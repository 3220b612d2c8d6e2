"""The chain port, in memory and on a real EVM: the same calls, the same events, the same gwei."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gpn_desktop.core.errors import (
    ChainUnreachable,
    ContractMissing,
    InsufficientFunds,
    KeyMissing,
    TransactionFailed,
    WrongChain,
)
from gpn_desktop.core.types import ZERO_HASH, Address, Role, Seat, Signature, Wei
from gpn_desktop.ports.calls import (
    BeginUnbond,
    Commit,
    Deposit,
    Extend,
    Finalize,
    RegisterConsumer,
    RegisterProver,
    Settle,
    SettleAttested,
    SettlementEntry,
    TakeSnapshot,
    Uncommit,
    WithdrawRewards,
    WithdrawStake,
)
from gpn_desktop.ports.chain import (
    ChainDown,
    ChainUp,
    ConsumerChanged,
    Extended,
    Finalized,
    LatestProof,
    NewHead,
    Reorged,
    RewardsWithdrawn,
    Settled,
    SnapshotTaken,
    TxState,
)
from tests.contract.chain.committee import BOTH, DEPOSIT, IMAGE, REWARD, STAKE, gather_committee, payout_of
from tests.contract.chain.harness import RICH, WINDOW, Harness, Journal, Killed, Watcher

GWEI = 10**9

# 1,000,003 gwei, V = 3, two of three counted: the third one's fee and the prover's bonus for it are burned.
FEE = 66_666
SHARE_OF_TWO = 733_339
SHARE_OF_THREE = 800_005


async def test_an_operator_registers_commits_and_leaves(harness: Harness) -> None:
    boss, one, two = harness.keys[:3]
    chain, other, consumer = harness.chain(one), harness.chain(two), harness.chain(boss)
    for each in (chain, other, consumer):
        await each.start(0)
    assert await chain.prover(one.address) is None

    await chain.submit("register", RegisterProver(payout_of(1), STAKE))
    await other.submit("register", RegisterProver(payout_of(2), Wei(STAKE * 3)))
    await consumer.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    registered = await chain.prover(one.address)
    assert registered is not None
    assert (registered.payout, registered.stake, registered.unbond_at) == (payout_of(1), STAKE, 0)

    await chain.submit("commit", Commit(boss.address, IMAGE, Role.VERIFY))
    with pytest.raises(TransactionFailed, match="CommitteeTooSmall"):
        await chain.submit("too early", TakeSnapshot(boss.address))
    await other.submit("commit", Commit(boss.address, IMAGE, BOTH))
    await chain.submit("snapshot", TakeSnapshot(boss.address))
    snapshot = await chain.snapshot(boss.address, 1)
    assert snapshot is not None
    assert snapshot.image_digest == IMAGE
    assert snapshot.seats == (
        Seat(one.address, 1, Role.VERIFY, 2),
        Seat(two.address, 2, BOTH, 6),
    )
    assert await chain.snapshot(boss.address, 2) is None

    with pytest.raises(TransactionFailed, match="StillCommitted"):
        await chain.submit("leave at once", BeginUnbond())
    await chain.submit("uncommit", Uncommit(boss.address))
    info = await chain.consumer(boss.address)
    assert info is not None
    assert info.snapshot_id == 0, "a committee of one is not in force"
    assert await chain.snapshot(boss.address, 1) == snapshot, "what was in force stays readable"
    await chain.submit("leave", BeginUnbond())
    with pytest.raises(TransactionFailed, match="TooEarly"):
        await chain.submit("stake too early", WithdrawStake())
    await harness.advance((await chain.params()).unbond)
    await chain.submit("stake", WithdrawStake())
    assert await chain.balance(payout_of(1)) == STAKE


async def test_a_consumer_registers_and_deposits(harness: Harness) -> None:
    key = harness.keys[0]
    chain = harness.chain(key)
    watcher = Watcher(chain)
    await chain.start(0)
    assert await chain.consumer(key.address) is None

    await chain.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    before = (await chain.head()).number
    await chain.submit("more", Deposit(key.address, Wei(5 * GWEI)))

    info = await chain.consumer(key.address)
    assert info is not None
    assert (info.image_name, info.image_digest) == ("example/image", IMAGE)
    assert info.balance == DEPOSIT // GWEI + 5
    assert await chain.consumers() == [info]
    earlier = await chain.consumer(key.address, before)
    assert earlier is not None
    assert earlier.balance == DEPOSIT // GWEI, "a read at a block sees that block"
    told = await watcher.until(ConsumerChanged, lambda event: event.block.number == before + 1)
    assert told.consumer == key.address


async def test_terms_and_blocks(harness: Harness) -> None:
    chain = harness.chain(None)
    await chain.start(0)
    terms = await chain.params()
    assert (terms.window, terms.min_stake, terms.min_reward) == (WINDOW, 5 * 10**17, 1000)
    assert terms.prover_bps + terms.inclusion_bps + terms.verifier_bps == 10_000
    assert terms.unbond > terms.max_lifetime + terms.settle_grace + terms.window

    head = await chain.head()
    await harness.advance(100)
    later = await chain.head()
    assert later.number == head.number + 1
    assert later.time >= head.time + 100
    assert await chain.block(head.number) == head
    assert await chain.block(later.number + 1) is None


async def test_settling_tells_and_pays_to_the_gwei(harness: Harness) -> None:
    committee = await gather_committee(harness)
    prover = committee.members[0]
    watcher = Watcher(prover)
    entry = await committee.entry(0)
    before = (await prover.head()).number
    assert await prover.latest_proof(committee.consumer, before) is None

    record = await prover.submit("settle", Settle((entry,)))

    assert record.state is TxState.MINED
    settled = await watcher.until(Settled)
    assert settled.submitter == committee.keys[1].address
    assert settled.finalize_at == settled.block.time + WINDOW
    assert settled.raw_records == settled.records[0].raw
    assert list(prover.records(settled.raw_records)) == list(settled.records)
    (kept,) = settled.records
    assert (kept.request_id, kept.consumer) == (entry.request.digest, committee.consumer)
    assert (kept.snapshot_id, kept.prover_seat, kept.reward) == (1, 0, REWARD)
    assert (kept.counted, kept.tipped_seat) == (0b0110, None)
    latest = await watcher.until(LatestProof)
    assert latest.proof_hash == entry.vote.proof_hash
    assert await prover.latest_proof(committee.consumer, record.block) == entry.vote.proof_hash
    assert await prover.latest_proof(committee.consumer, record.block - 1) is None
    assert await prover.settled(committee.consumer, 0, record.block) == [kept]
    assert await prover.settled(committee.consumer, 0, record.block - 1) == []
    assert await prover.settled(committee.keys[1].address, 0, record.block) == []
    info = await prover.consumer(committee.consumer)
    assert info is not None
    assert (info.balance, info.nonce_base) == (DEPOSIT // GWEI - REWARD, 1)

    finalize = Finalize(settled.key, settled.finalize_at, settled.raw_records)
    with pytest.raises(TransactionFailed, match="TooEarly"):
        await prover.submit("finalize early", finalize)
    await harness.advance(WINDOW)
    await committee.members[3].submit("finalize", finalize)
    assert (await watcher.until(Finalized)).key == settled.key
    assert [await prover.rewards(member) for member in (1, 2, 3, 4)] == [SHARE_OF_TWO, FEE, FEE, 0]

    sent = await prover.submit("withdraw", WithdrawRewards(1))
    paid = await watcher.until(RewardsWithdrawn)
    assert paid.tx == sent.hash  # two withdrawals are never taken for one
    assert (paid.member_id, paid.payout, paid.amount) == (1, payout_of(1), SHARE_OF_TWO * GWEI)
    assert await prover.balance(payout_of(1)) == SHARE_OF_TWO * GWEI
    assert await prover.rewards(1) == 0
    await watcher.aclose()


async def test_votes_that_come_later_are_paid_too(harness: Harness) -> None:
    committee = await gather_committee(harness)
    prover, late = committee.members[0], committee.members[3]
    watcher = Watcher(prover)
    await prover.submit("settle", Settle((await committee.entry(0),)))
    settled = await watcher.until(Settled)
    votes = committee.votes(settled.records[0].vote_digest, (3,))
    extend = Extend(settled.key, settled.finalize_at, settled.raw_records, 0, votes)

    await late.submit("extend", extend)

    extended = await watcher.until(Extended)
    assert (extended.key, extended.index, extended.counted) == (settled.key, 0, 0b1110)
    await harness.advance(WINDOW)
    with pytest.raises(TransactionFailed, match="WindowClosed"):
        await late.submit("extend late", extend)
    await late.submit("finalize", Finalize(settled.key, settled.finalize_at, settled.raw_records))
    assert [await prover.rewards(member) for member in (1, 2, 3, 4)] == [SHARE_OF_THREE, FEE, FEE, FEE]
    await watcher.aclose()


async def test_a_batch_under_one_signature_each(harness: Harness) -> None:
    committee = await gather_committee(harness)
    prover = committee.members[0]
    watcher = Watcher(prover)
    entries = tuple([await committee.entry(nonce) for nonce in range(3)])
    bare = tuple(replace(entry, votes=()) for entry in entries)

    await prover.submit("settle", SettleAttested(bare, committee.batch_votes(entries, (1, 2, 3))))

    settled = await watcher.until(Settled)
    assert [record.request_id for record in settled.records] == [e.request.digest for e in entries]
    assert {record.counted for record in settled.records} == {0b1110}
    await harness.advance(WINDOW)
    await prover.submit("finalize", Finalize(settled.key, settled.finalize_at, settled.raw_records))
    assert [await prover.rewards(member) for member in (1, 2)] == [3 * SHARE_OF_THREE, 3 * FEE]
    await watcher.aclose()


async def test_who_settles_late_in_the_provers_place_gets_the_tip(harness: Harness) -> None:
    committee = await gather_committee(harness)
    helper = committee.members[3]
    watcher = Watcher(helper)
    terms = await helper.params()
    entry = await committee.entry(0, lifetime=60)
    await harness.advance(60 + terms.settle_delay)

    await helper.submit("settle", Settle((entry,)))

    settled = await watcher.until(Settled)
    assert settled.records[0].tipped_seat == 3
    await harness.advance(WINDOW)
    await helper.submit("finalize", Finalize(settled.key, settled.finalize_at, settled.raw_records))
    assert await helper.rewards(1) == SHARE_OF_TWO - terms.tip
    assert await helper.rewards(4) == terms.tip
    await watcher.aclose()


async def test_a_bad_entry_is_left_out_and_the_rest_stands(harness: Harness) -> None:
    committee = await gather_committee(harness)
    prover = committee.members[0]
    watcher = Watcher(prover)
    good, few = await committee.entry(0), await committee.entry(1, voters=(1,))
    forged = replace(
        await committee.entry(2),
        request=replace(good.request, signature=Signature(bytes(64) + b"\x1b"), digest=ZERO_HASH),
    )

    await prover.submit("settle", Settle((few, good, forged)))

    settled = await watcher.until(Settled)
    assert [record.request_id for record in settled.records] == [good.request.digest]
    with pytest.raises(TransactionFailed, match="NothingSettled"):
        await prover.submit("settle again", Settle((good,)))
    own = committee.votes(settled.records[0].vote_digest, (0, 1, 2))
    selfish = replace(await committee.entry(1), votes=own)
    with pytest.raises(TransactionFailed, match="BadVotes"):
        await prover.submit("vote for oneself", Settle((selfish,)))
    await watcher.aclose()


async def test_no_wei_appears_or_vanishes(harness: Harness) -> None:
    committee = await gather_committee(harness)
    prover = committee.members[0]
    watcher = Watcher(prover)
    seen = 0
    for number in range(2):
        entries: tuple[SettlementEntry, ...] = (await committee.entry(number),)
        await prover.submit(f"settle {number}", Settle(entries))
        settled = await watcher.until(Settled, since=seen)
        seen = len(watcher.seen)
        await harness.advance(WINDOW)
        finalize = Finalize(settled.key, settled.finalize_at, settled.raw_records)
        await prover.submit(f"finalize {number}", finalize)
    await prover.submit("withdraw", WithdrawRewards(1))

    accounts = [key.address for key in committee.keys] + [payout_of(n) for n in range(1, 5)]
    total = sum([await prover.balance(account) for account in accounts])
    fees = sum(record.fee for journal in committee.journals for record in journal.records.values())
    held = await prover.balance(harness.domain.contract)
    assert total + held + fees == RICH * len(committee.keys)
    owed = sum([await prover.rewards(member) for member in (1, 2, 3, 4)])
    info = await prover.consumer(committee.consumer)
    assert info is not None
    burned = 2 * (REWARD - SHARE_OF_TWO - 2 * FEE)
    assert held == 4 * STAKE + (info.balance + owed + burned) * GWEI
    await watcher.aclose()


# intents ----------------------------------------------------------------------------------------------------


async def test_an_intent_is_sent_once(harness: Harness) -> None:
    key = harness.keys[0]
    chain = harness.chain(key)
    await chain.start(0)
    await chain.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    deposit = Deposit(key.address, Wei(7 * GWEI))

    records = await asyncio.gather(*(chain.submit("more", deposit) for _ in range(5)))

    assert {record.hash for record in records} == {records[0].hash}
    assert await chain.submit("more", deposit) == records[0]
    info = await chain.consumer(key.address)
    assert info is not None
    assert info.balance == DEPOSIT // GWEI + 7


async def test_many_intents_at_once_all_arrive(harness: Harness) -> None:
    key = harness.keys[0]
    chain = harness.chain(key)
    await chain.start(0)
    await chain.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))

    records = await asyncio.gather(
        *(chain.submit(f"more {n}", Deposit(key.address, Wei(GWEI))) for n in range(12))
    )

    assert len({record.nonce for record in records}) == 12
    info = await chain.consumer(key.address)
    assert info is not None
    assert info.balance == DEPOSIT // GWEI + 12


async def test_a_refused_call_can_be_tried_again_under_its_name(harness: Harness) -> None:
    one, two = harness.keys[:2]
    chain, other = harness.chain(one), harness.chain(two)
    await chain.start(0)
    await other.start(0)
    with pytest.raises(TransactionFailed, match="NotRegistered"):
        await chain.submit("gift", Deposit(two.address, Wei(GWEI)))
    await other.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    assert (await chain.submit("gift", Deposit(two.address, Wei(GWEI)))).state is TxState.MINED


async def test_too_little_money_is_said_so(harness: Harness) -> None:
    key = harness.keys[0]
    chain = harness.chain(key)
    await chain.start(0)
    with pytest.raises(InsufficientFunds):
        await chain.submit("register", RegisterProver(payout_of(1), Wei(RICH * 2)))
    assert await chain.prover(key.address) is None
    await chain.submit("register", RegisterProver(payout_of(1), STAKE))


async def test_without_a_key_nothing_is_sent(harness: Harness) -> None:
    chain = harness.chain(None)
    await chain.start(0)
    with pytest.raises(KeyMissing):
        await chain.submit("register", RegisterProver(payout_of(1), STAKE))


@pytest.mark.parametrize("sent", [False, True], ids=["journalled", "sent"])
async def test_a_restart_takes_up_what_was_under_way(harness: Harness, sent: bool) -> None:
    key = harness.keys[0]
    journal = Journal()
    first = harness.chain(key, journal)
    await first.start(0)
    await first.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    deposit = Deposit(key.address, Wei(3 * GWEI))
    await harness.hold_mining()
    if sent:
        waiting = asyncio.create_task(first.submit("more", deposit))
        await journal.until("more", TxState.SENT)
        waiting.cancel()
        await asyncio.wait([waiting])
    else:
        journal.dies_after = TxState.SIGNED
        with pytest.raises(Killed):
            await first.submit("more", deposit)
        journal.dies_after = None
    left = journal.records["more"]
    assert left.state in (TxState.SIGNED, TxState.SENT)
    await first.aclose()

    second = harness.chain(key, journal)
    await second.start(0)
    resumed = asyncio.create_task(second.submit("more", deposit))
    await harness.release_mining()
    record = await asyncio.wait_for(resumed, 10)

    assert (record.hash, record.state) == (left.hash, TxState.MINED)
    assert await journal.pending_txs() == []
    info = await second.consumer(key.address)
    assert info is not None
    assert info.balance == DEPOSIT // GWEI + 3
    after = await second.submit("and more", Deposit(key.address, Wei(GWEI)))
    assert after.nonce == record.nonce + 1


# the chain node's faults ------------------------------------------------------------------------------------


async def test_the_wrong_chain_is_refused(harness: Harness) -> None:
    chain = harness.chain(None, domain=replace(harness.domain, chain_id=1))
    with pytest.raises(WrongChain):
        await chain.start(0)


async def test_a_missing_contract_is_refused(harness: Harness) -> None:
    chain = harness.chain(None, domain=replace(harness.domain, contract=Address(b"\x77" * 20)))
    with pytest.raises(ContractMissing):
        await chain.start(0)


async def test_an_absent_chain_node_is_said_so(harness: Harness) -> None:
    chain = harness.chain(None)
    await harness.go_down()
    with pytest.raises(ChainUnreachable):
        await chain.start(0)


async def test_what_happened_before_the_start_is_told(harness: Harness) -> None:
    committee = await gather_committee(harness)
    await committee.members[0].submit("settle", Settle((await committee.entry(0),)))
    late = harness.chain(None)
    watcher = Watcher(late)
    await late.start(0)
    settled = await watcher.until(Settled)
    up = await watcher.until(ChainUp)
    assert up.block == await late.head()
    assert len(watcher.all(Settled)) == len(watcher.all(SnapshotTaken)) == 1
    numbers = [event.block.number for event in watcher.all(NewHead)]
    assert numbers == list(range(numbers[0], up.block.number + 1))

    later = harness.chain(None)
    second = Watcher(later)
    await later.start(settled.block.number + 1)
    await second.until(ChainUp)
    assert second.all(Settled) == []
    await watcher.aclose()
    await second.aclose()


async def test_a_chain_node_that_goes_away_and_comes_back(harness: Harness) -> None:
    key = harness.keys[0]
    chain = harness.chain(key)
    watcher = Watcher(chain)
    await chain.start(0)
    await watcher.until(ChainUp)
    await chain.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))

    await harness.go_down()
    assert (await watcher.until(ChainDown)).reason
    with pytest.raises(ChainUnreachable):
        await chain.head()
    with pytest.raises(ChainUnreachable):
        await chain.submit("more", Deposit(key.address, Wei(GWEI)))
    seen = len(watcher.seen)
    await harness.come_up()

    await watcher.until(ChainUp, since=seen)
    await chain.submit("more", Deposit(key.address, Wei(GWEI)))
    info = await chain.consumer(key.address)
    assert info is not None
    assert info.balance == DEPOSIT // GWEI + 1
    await watcher.aclose()


async def test_a_reorganisation_voids_and_tells_again(harness: Harness) -> None:
    committee = await gather_committee(harness)
    prover = committee.members[0]
    watcher = Watcher(prover)
    await prover.submit("settle", Settle((await committee.entry(0),)))
    settled = await watcher.until(Settled)

    await harness.reorganise(1)

    reorged = await watcher.until(Reorged)
    assert reorged.first_number == settled.block.number
    again = await watcher.until(Settled, lambda event: event.block.hash != settled.block.hash)
    at = [watcher.seen.index(event) for event in (settled, reorged, again)]
    assert at == sorted(at)
    assert again.records == settled.records
    info = await prover.consumer(committee.consumer)
    assert info is not None
    assert info.balance == DEPOSIT // GWEI - REWARD, "the settlement counts once"
    assert (await prover.submit("settle", Settle((await committee.entry(0),)))).state is TxState.MINED
    await watcher.aclose()
