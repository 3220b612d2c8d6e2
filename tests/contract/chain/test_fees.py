"""What transactions pay on a real chain, what happens to those that blocks leave out, and when they last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from gpn_desktop.adapters.chain.evm import EvmChain, EvmOptions
from gpn_desktop.adapters.chain.fees import Fees
from gpn_desktop.adapters.chain.signing import read_signed
from gpn_desktop.adapters.chain.writer import Policy
from gpn_desktop.core.errors import FeesTooHigh, TransactionFailed
from gpn_desktop.core.types import Wei, hex0x
from gpn_desktop.ports.calls import Deposit, RegisterConsumer, WithdrawRewards
from gpn_desktop.ports.chain import NewHead, TxRecord, TxState
from tests.contract.chain.committee import DEPOSIT, IMAGE
from tests.contract.chain.harness import AnvilHarness, Journal, Watcher
from tests.contract.chain.relay import Mempool, Relay

GWEI = 10**9
STUCK = 3
DEEP = 3


class History(Journal):
    """A journal that remembers what was written, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[TxRecord] = []

    async def put_tx(self, record: TxRecord) -> None:
        self.written.append(record)
        await super().put_tx(record)

    def states(self, intent: str) -> list[TxState]:
        return [record.state for record in self.written if record.intent == intent]


class Setting:
    """One account's chain behind a relay, registered as a consumer, and levers for its blocks."""

    def __init__(self, anvil: AnvilHarness, relay: Relay, fees: Fees) -> None:
        self.anvil = anvil
        self.relay = relay
        self.fees = fees
        self.key = anvil.keys[0]
        self.journal = History()
        self.deposit = Deposit(self.key.address, Wei(GWEI))
        self.chain, self.watcher = self._chain()

    def _chain(self) -> tuple[EvmChain, Watcher]:
        domain = self.anvil.domain
        policy = Policy(self.fees, confirmations=DEEP, stuck_blocks=STUCK)
        options = EvmOptions(request_timeout=5, first_retry=0.05, last_retry=0.2, policy=policy)
        chain = EvmChain(self.relay.url, domain.contract, domain.chain_id, self.key, self.journal, options)
        return chain, Watcher(chain)

    async def start(self) -> None:
        await self.chain.start(0)
        await self.chain.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))

    async def restart(self) -> None:
        await self.stop()
        self.chain, self.watcher = self._chain()
        await self.chain.start(0)

    async def stop(self) -> None:
        await self.chain.aclose()
        await self.watcher.aclose()

    async def mine(self, count: int = 1, base_fee: int | None = None) -> None:
        """Blocks one by one, each seen by the chain's follower before the next."""
        for _ in range(count):
            if base_fee is not None:
                await self.anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
            await self.anvil.ask("evm_mine")
            number = int(str(await self.anvil.ask("eth_blockNumber")), 16)
            await self.watcher.until(NewHead, lambda event, n=number: event.block.number >= n)  # type: ignore[misc]

    async def mine_until(self, holds: Callable[[], bool], most: int = 40) -> None:
        for _ in range(most):
            if holds():
                return
            await self.mine()
        assert holds()

    async def deposited(self) -> int:
        """How often a deposit of one gwei came."""
        info = await self.chain.consumer(self.key.address)
        assert info is not None
        return info.balance - DEPOSIT // GWEI


async def start(anvil: AnvilHarness, fees: Fees | None = None) -> Setting:
    relay = await Relay(f"ws://127.0.0.1:{anvil.localnet.port}").open()
    setting = Setting(anvil, relay, fees or Fees())
    await setting.start()
    return setting


async def end(setting: Setting) -> None:
    await setting.stop()
    await setting.relay.aclose()


def tip_of(raw: bytes) -> int:
    return read_signed(raw).priority_fee


# the price ------------------------------------------------------------------------------------------------


async def test_the_price_of_gas_is_the_base_fee_and_our_tip(anvil: AnvilHarness) -> None:
    setting = await start(anvil)
    await setting.mine(base_fee=7 * GWEI)
    suggested = int(str(await anvil.ask("eth_maxPriorityFeePerGas")), 16)
    assert suggested > 0
    assert await setting.chain.gas_price() == 7 * GWEI + suggested
    setting.fees = Fees(priority_ceiling=80)
    await setting.restart()
    assert await setting.chain.gas_price() == 7 * GWEI + 60
    await end(setting)


async def test_what_the_ceiling_cannot_pay_waits_and_is_sent_when_gas_is_cheap(anvil: AnvilHarness) -> None:
    setting = await start(anvil, Fees(ceiling=40 * GWEI))
    await setting.mine(base_fee=60 * GWEI)
    for _ in range(2):
        with pytest.raises(FeesTooHigh) as dear:
            await setting.chain.submit("more", setting.deposit)
        assert not isinstance(dear.value, TransactionFailed), "it waits, it was not refused"
    await setting.restart()
    queued = setting.journal.records["more"]
    assert (queued.state, queued.raw) == (TxState.QUEUED, b"")
    assert "over the ceiling of 40 gwei" in queued.error

    await setting.mine(base_fee=5 * GWEI)
    record = await setting.chain.submit("more", setting.deposit)

    assert record.state is TxState.MINED
    assert read_signed(record.raw).max_fee <= 40 * GWEI
    assert await setting.deposited() == 1
    assert [tx.intent for tx in await setting.journal.recent_txs(9)] == ["more", "register"]
    await end(setting)


async def test_what_waited_and_is_refused_now_waits_no_longer(anvil: AnvilHarness) -> None:
    setting = await start(anvil, Fees(ceiling=40 * GWEI))
    await setting.journal.put_tx(
        TxRecord("claim", -1, setting.journal.records["register"].hash, b"", TxState.QUEUED, error="dear")
    )
    with pytest.raises(TransactionFailed):
        await setting.chain.submit("claim", WithdrawRewards(12345))
    refused = setting.journal.records["claim"]
    assert refused.state is TxState.REVERTED
    assert refused.error.startswith("not sent: The contract refuses")
    await end(setting)


async def test_no_replacement_is_over_the_ceiling(anvil: AnvilHarness) -> None:
    setting = await start(anvil, Fees(ceiling=40 * GWEI))
    await anvil.hold_mining()
    waiting = asyncio.create_task(setting.chain.submit("more", setting.deposit))
    first = await setting.journal.until("more", TxState.SENT)

    await setting.mine(2 * STUCK, base_fee=90 * GWEI)

    assert setting.journal.records["more"].hash == first.hash
    assert await setting.journal.pending_txs() == [first]
    await anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    await anvil.release_mining()
    assert (await asyncio.wait_for(waiting, 10)).hash == first.hash
    await end(setting)


# what blocks leave out --------------------------------------------------------------------------------------


async def test_a_transaction_that_the_chain_node_lost_is_sent_again_as_it_was(anvil: AnvilHarness) -> None:
    setting = await start(anvil)
    pool = setting.relay.answer = Mempool(loses=True)
    waiting = asyncio.create_task(setting.chain.submit("more", setting.deposit))
    first = await setting.journal.until("more", TxState.SENT)
    await setting.mine(STUCK)
    assert len(pool.came) == 1, "not before the blocks that it may take"
    pool.loses = False

    await setting.mine_until(waiting.done)

    assert (await waiting).hash == first.hash
    assert set(pool.came) == {first.raw}
    assert await setting.deposited() == 1
    await end(setting)


async def test_a_transaction_that_tips_too_little_is_replaced(anvil: AnvilHarness) -> None:
    setting = await start(anvil)
    usual = tip_of(setting.journal.records["register"].raw)
    pool = setting.relay.answer = Mempool(least=usual * 9 // 8)
    waiting = asyncio.create_task(setting.chain.submit("more", setting.deposit))
    first = await setting.journal.until("more", TxState.SENT)

    await setting.mine_until(waiting.done)

    record = await waiting
    assert record.nonce == first.nonce
    assert pool.came == [first.raw, record.raw]
    for old, new in (
        (tip_of(first.raw), tip_of(record.raw)),
        (read_signed(first.raw).max_fee, read_signed(record.raw).max_fee),
    ):
        assert new > old * 9 // 8
    written = [r for r in setting.journal.written if r.raw in (first.raw, record.raw)]
    names = [(r.intent.partition("~")[0] == "more", r.raw == first.raw, r.state) for r in written]
    assert names[2:5] == [
        (True, True, TxState.REPLACED),
        (True, False, TxState.SIGNED),
        (True, False, TxState.SENT),
    ], "journalled before it is sent"
    assert await setting.deposited() == 1
    await setting.mine(DEEP)
    older = setting.journal.records[f"more~{first.hash.hex()[:8]}"]
    assert (older.state, older.raw) == (TxState.REPLACED, first.raw)
    assert older.error == "another transaction took its nonce"
    assert await setting.journal.unsettled_txs() == []
    await end(setting)


async def test_replacements_end_where_the_operators_ceilings_are(anvil: AnvilHarness) -> None:
    fees = Fees(ceiling=50 * GWEI, priority_ceiling=GWEI)
    setting = await start(anvil, fees)
    pool = setting.relay.answer = Mempool(least=10**15)
    waiting = asyncio.create_task(setting.chain.submit("more", setting.deposit))
    await setting.journal.until("more", TxState.SENT)

    await setting.mine(8 * STUCK)

    assert len(pool.came) == 3, "the first tip leaves room for two"
    assert all(tip_of(raw) <= GWEI and read_signed(raw).max_fee <= 50 * GWEI for raw in pool.came)
    pool.least = 0
    await anvil.ask("eth_sendRawTransaction", hex0x(pool.came[-1]))
    await setting.mine_until(waiting.done)
    assert await setting.deposited() == 1
    await end(setting)


@pytest.mark.parametrize("torn", [False, True], ids=["whole", "torn"])
async def test_the_replaced_one_is_mined_while_the_node_is_off(anvil: AnvilHarness, torn: bool) -> None:
    setting = await start(anvil)
    setting.relay.answer = Mempool(least=10**15)
    waiting = asyncio.create_task(setting.chain.submit("more", setting.deposit))
    first = await setting.journal.until("more", TxState.SENT)
    if torn:  # the crash came between the two entries of a replacement
        name = f"more~{first.hash.hex()[:8]}"
        await setting.journal.put_tx(replace(first, intent=name, state=TxState.REPLACED))
    else:
        await setting.mine_until(lambda: setting.journal.records["more"].hash != first.hash)
    await setting.stop()
    with pytest.raises(Exception, match="closed"):
        await waiting
    await anvil.ask("eth_sendRawTransaction", hex0x(first.raw))
    await anvil.ask("evm_mine")
    setting.relay.answer = lambda _: None

    await setting.restart()

    assert (await setting.chain.submit("more", setting.deposit)).hash == first.hash
    assert await setting.deposited() == 1
    after = await setting.chain.submit("after", setting.deposit)
    assert after.nonce == first.nonce + 1
    await setting.mine(DEEP + 1)
    assert await setting.journal.pending_txs() == await setting.journal.unsettled_txs() == []
    await end(setting)


async def test_a_transaction_whose_nonce_went_elsewhere_has_failed(anvil: AnvilHarness) -> None:
    setting = await start(anvil)
    setting.relay.answer = Mempool(loses=True)
    waiting = asyncio.create_task(setting.chain.submit("more", setting.deposit))
    mine = await setting.journal.until("more", TxState.SENT)
    elsewhere = EvmChain(
        f"ws://127.0.0.1:{anvil.localnet.port}", anvil.domain.contract, 31337, setting.key, Journal()
    )
    await elsewhere.start(0)
    assert (await elsewhere.submit("theirs", Deposit(setting.key.address, Wei(2 * GWEI)))).nonce == mine.nonce
    await elsewhere.aclose()

    await setting.mine_until(waiting.done)

    with pytest.raises(TransactionFailed, match="took its nonce"):
        await waiting
    assert setting.journal.records["more"].state is TxState.REVERTED
    setting.relay.answer = lambda _: None
    assert (await setting.chain.submit("again", setting.deposit)).nonce == mine.nonce + 1
    await end(setting)


# what lasts -------------------------------------------------------------------------------------------------


async def test_confirmed_is_what_stands_deep_enough_and_goes_back_on_a_reorganisation(
    anvil: AnvilHarness,
) -> None:
    setting = await start(anvil)
    record = await setting.chain.submit("more", setting.deposit)
    await setting.mine(DEEP - 1)
    assert setting.journal.records["more"].state is TxState.MINED
    await setting.mine()
    assert (await setting.journal.until("more", TxState.CONFIRMED)).block == record.block

    await anvil.reorganise(DEEP + 1)

    await setting.journal.until("more", TxState.MINED, lambda tx: tx.block > record.block)
    await setting.mine(DEEP)
    again = await setting.journal.until("more", TxState.CONFIRMED)
    assert again.hash == record.hash
    assert setting.journal.states("more") == [
        TxState.SIGNED,
        TxState.SENT,
        TxState.MINED,
        TxState.CONFIRMED,
        TxState.SENT,
        TxState.MINED,
        TxState.CONFIRMED,
    ]
    assert (await setting.chain.submit("more", setting.deposit)).hash == record.hash
    assert await setting.deposited() == 1
    await end(setting)


async def test_a_reorganisation_while_the_node_is_off_loses_nothing(anvil: AnvilHarness) -> None:
    setting = await start(anvil)
    record = await setting.chain.submit("more", setting.deposit)
    await setting.stop()
    await anvil.reorganise(1)
    receipt = await anvil.ask("eth_getTransactionReceipt", hex0x(record.hash))
    assert receipt is None

    await setting.restart()

    again = await setting.journal.until("more", TxState.MINED, lambda tx: tx.block > record.block)
    assert again.hash == record.hash
    assert (await setting.chain.submit("more", setting.deposit)).block == again.block
    assert await setting.deposited() == 1
    await end(setting)
