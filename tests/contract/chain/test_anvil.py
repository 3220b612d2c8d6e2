"""What only a real chain node does: forgetting, going back, being missing, and ending with its parent."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpn_desktop.adapters.chain.evm import EvmChain, EvmOptions
from gpn_desktop.adapters.chain.fees import Fees
from gpn_desktop.adapters.chain.localnet import AnvilLocalnet, find_anvil
from gpn_desktop.adapters.chain.rpc import Rpc
from gpn_desktop.adapters.chain.writer import Policy
from gpn_desktop.core.errors import ChainUnreachable, FeesTooHigh, TransactionFailed
from gpn_desktop.core.types import Address, Wei, hex0x
from gpn_desktop.ports.calls import (
    Commit,
    Deposit,
    Finalize,
    RegisterConsumer,
    RegisterProver,
    Settle,
    TakeSnapshot,
)
from gpn_desktop.ports.chain import (
    ChainDown,
    ChainUp,
    ConsumerChanged,
    Finalized,
    NewHead,
    Reorged,
    Settled,
    TxRecord,
    TxState,
)
from tests.contract.chain.committee import BOTH, DEPOSIT, IMAGE, STAKE, gather_committee, payout_of
from tests.contract.chain.harness import (
    ARTIFACT,
    NODE_MODULES,
    ROOT,
    WINDOW,
    AnvilHarness,
    Journal,
    Watcher,
    need_anvil,
)

GWEI = 10**9


async def test_what_was_missed_while_the_line_was_cut_is_told_once(anvil: AnvilHarness) -> None:
    key, other = anvil.keys[:2]
    cut = anvil.chain(key)
    watcher = Watcher(cut)
    await cut.start(0)
    await cut.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    direct = EvmChain(f"ws://127.0.0.1:{anvil.localnet.port}", anvil.domain.contract, 31337, other, Journal())
    await direct.start(0)

    await anvil.go_down()
    await watcher.until(ChainDown)
    told = len(watcher.seen)
    missed = [(await direct.submit(f"more {n}", Deposit(key.address, Wei(GWEI)))).block for n in range(5)]
    await anvil.come_up()
    await watcher.until(ChainUp, since=told)

    since = [event.block.number for event in watcher.seen[told:] if isinstance(event, ConsumerChanged)]
    assert since == missed
    heads = [event.block.number for event in watcher.all(NewHead)]
    assert heads == sorted(set(heads)), "each block once, in order"
    await direct.aclose()
    await watcher.aclose()


async def test_a_submit_that_the_line_cut_is_done_once(anvil: AnvilHarness) -> None:
    key = anvil.keys[0]
    journal = Journal()
    chain = anvil.chain(key, journal)
    watcher = Watcher(chain)
    await chain.start(0)
    await chain.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    await anvil.hold_mining()
    waiting = asyncio.create_task(chain.submit("more", Deposit(key.address, Wei(GWEI))))
    sent = await journal.until("more", TxState.SENT)

    await anvil.go_down()
    with pytest.raises(ChainUnreachable):
        await waiting
    told = len(watcher.seen)
    await anvil.release_mining()
    await anvil.come_up()
    await watcher.until(ChainUp, since=told)

    assert journal.records["more"].state is TxState.MINED, "found without anybody asking"
    again = await chain.submit("more", Deposit(key.address, Wei(GWEI)))
    assert again.hash == sent.hash
    info = await chain.consumer(key.address)
    assert info is not None
    assert info.balance == DEPOSIT // GWEI + 1
    await watcher.aclose()


async def test_a_chain_node_that_was_restored_to_an_earlier_state(anvil: AnvilHarness) -> None:
    key = anvil.keys[0]
    chain = anvil.chain(key)
    watcher = Watcher(chain)
    await chain.start(0)
    await chain.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    kept = await anvil.ask("evm_snapshot")
    head = await chain.head()
    for number in range(3):
        await chain.submit(f"more {number}", Deposit(key.address, Wei(GWEI)))

    await anvil.ask("evm_revert", kept)
    await anvil.advance(1)

    reorged = await watcher.until(Reorged)
    assert reorged.first_number == head.number + 1
    told = watcher.seen.index(reorged)
    last = await watcher.until(
        ConsumerChanged, lambda event: event.block.number == head.number + 4, since=told
    )
    assert last.consumer == key.address
    info = await chain.consumer(key.address)
    assert info is not None
    assert info.balance == DEPOSIT // GWEI + 3, "what was sent is sent again, each once"
    await chain.submit("after", Deposit(key.address, Wei(GWEI)))
    await watcher.aclose()


async def test_a_deep_reorganisation_is_followed_to_where_the_branches_part(anvil: AnvilHarness) -> None:
    key = anvil.keys[0]
    chain = anvil.chain(key)
    watcher = Watcher(chain)
    await chain.start(0)
    await chain.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    blocks = [(await chain.submit(f"more {n}", Deposit(key.address, Wei(GWEI)))).block for n in range(6)]

    await anvil.reorganise(4)

    reorged = await watcher.until(Reorged)
    assert reorged.first_number == blocks[2]
    await chain.submit("last", Deposit(key.address, Wei(GWEI)))
    info = await chain.consumer(key.address)
    assert info is not None
    assert info.balance == DEPOSIT // GWEI + 7
    await watcher.aclose()


async def test_another_chain_at_the_same_address_begins_anew(anvil: AnvilHarness) -> None:
    watcher_chain = anvil.chain(None)
    watcher = Watcher(watcher_chain)
    await watcher_chain.start(0)
    await anvil.advance(1)
    await anvil.advance(1)
    first = await watcher.until(NewHead, lambda event: event.block.number >= 3)
    port = anvil.localnet.port
    await anvil.localnet.aclose()
    await watcher.until(ChainDown)
    told = len(watcher.seen)
    fresh = AnvilLocalnet(ARTIFACT, NODE_MODULES, port=port)
    started = await fresh.start()
    assert await fresh.deploy(started.funded[-1], WINDOW) == anvil.domain.contract

    up = await watcher.until(ChainUp, since=told)

    reorged = await watcher.until(Reorged, since=told)
    assert reorged.first_number <= first.block.number
    assert up.block == await watcher_chain.head()
    await watcher_chain.aclose()
    await fresh.aclose()
    await watcher.aclose()


async def test_a_paid_out_slot_is_used_again(anvil: AnvilHarness) -> None:
    committee = await gather_committee(anvil)
    prover = committee.members[0]
    watcher = Watcher(prover)
    first = await prover.submit("settle 0", Settle((await committee.entry(0),)))
    second = await prover.submit("settle 1", Settle((await committee.entry(1),)))
    settled = await watcher.until(Settled, lambda event: event.block.number == first.block)
    later = await watcher.until(Settled, lambda event: event.block.number == second.block)
    assert later.key != settled.key, "a slot that is in use is left alone"
    await anvil.advance(WINDOW)
    await prover.submit("finalize", Finalize(settled.key, settled.finalize_at, settled.raw_records))
    await watcher.until(Finalized)

    third = await prover.submit("settle 2", Settle((await committee.entry(2),)))

    reused = await watcher.until(Settled, lambda event: event.block.number == third.block)
    assert reused.key == settled.key
    assert third.gas_used < second.gas_used - 10_000
    await watcher.aclose()


async def test_settlements_under_way_take_different_slots_across_a_restart(anvil: AnvilHarness) -> None:
    committee = await gather_committee(anvil)
    key, journal = committee.keys[1], committee.journals[1]
    entries = [(await committee.entry(nonce),) for nonce in range(2)]
    await anvil.hold_mining()
    waiting = asyncio.create_task(committee.members[0].submit("settle 0", Settle(entries[0])))
    await journal.until("settle 0", TxState.SENT)
    waiting.cancel()
    await committee.members[0].aclose()

    again = anvil.chain(key, journal)
    await again.start(0)
    both = [
        asyncio.create_task(again.submit(f"settle {n}", Settle(entry))) for n, entry in enumerate(entries)
    ]
    await journal.until("settle 1", TxState.SENT)
    await anvil.release_mining()
    records = await asyncio.gather(*both)
    assert [record.state for record in records] == [TxState.MINED] * 2


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
async def test_a_transaction_that_the_base_fee_overtook_is_raised(anvil: AnvilHarness, restart: bool) -> None:
    key, journal = anvil.keys[0], Journal()
    chain = anvil.chain(key, journal)
    await chain.start(0)
    await chain.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    await anvil.hold_mining()
    deposit = Deposit(key.address, Wei(GWEI))
    waiting = asyncio.create_task(chain.submit("more", deposit))
    first = await journal.until("more", TxState.SENT)

    await anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(90 * GWEI))
    await anvil.ask("evm_mine")

    second = await journal.until("more", TxState.SENT, lambda record: record.hash != first.hash)
    assert second.nonce == first.nonce
    assert [record.hash for record in await journal.pending_txs()] == [second.hash]
    (older,) = [tx for tx in await journal.unsettled_txs() if tx.state is TxState.REPLACED]
    assert (older.nonce, older.hash, older.raw) == (first.nonce, first.hash, first.raw)
    if restart:
        waiting.cancel()
        await chain.aclose()
        chain = anvil.chain(key, journal)
        await chain.start(0)
        waiting = asyncio.create_task(chain.submit("more", deposit))
    await anvil.release_mining()
    record = await asyncio.wait_for(waiting, 10)
    assert (record.intent, record.hash, record.state) == ("more", second.hash, TxState.MINED)
    assert await journal.pending_txs() == []
    info = await chain.consumer(key.address)
    assert info is not None
    assert info.balance == DEPOSIT // GWEI + 1


async def test_the_older_of_two_transactions_may_be_the_one_that_is_mined(anvil: AnvilHarness) -> None:
    key, journal = anvil.keys[0], Journal()
    chain = anvil.chain(key, journal)
    await chain.start(0)
    await chain.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    await anvil.hold_mining()
    waiting = asyncio.create_task(chain.submit("more", Deposit(key.address, Wei(GWEI))))
    first = await journal.until("more", TxState.SENT)
    await anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(90 * GWEI))
    await anvil.ask("evm_mine")
    second = await journal.until("more", TxState.SENT, lambda record: record.hash != first.hash)

    await anvil.ask("anvil_dropTransaction", hex0x(second.hash))
    await anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    await anvil.ask("evm_mine")
    await anvil.ask("eth_sendRawTransaction", hex0x(first.raw))
    await anvil.release_mining()

    record = await asyncio.wait_for(waiting, 10)
    assert (record.intent, record.hash, record.state) == ("more", first.hash, TxState.MINED)
    assert await journal.pending_txs() == []
    assert (await chain.submit("more", Deposit(key.address, Wei(GWEI)))).hash == first.hash


async def test_gas_over_the_ceiling_is_not_paid(anvil: AnvilHarness) -> None:
    journal = Journal()
    options = EvmOptions(policy=Policy(fees=Fees(ceiling=1000)))
    chain = EvmChain(anvil.url, anvil.domain.contract, 31337, anvil.keys[0], journal, options)
    await chain.start(0)
    with pytest.raises(FeesTooHigh, match=r"over the ceiling of 0\.000001 gwei"):
        await chain.submit("register", RegisterProver(payout_of(1), STAKE))
    queued = journal.records["register"]
    assert (queued.state, queued.raw, queued.nonce) == (TxState.QUEUED, b"", -1)
    assert "over the ceiling" in queued.error
    assert await chain.prover(anvil.keys[0].address) is None
    await chain.aclose()


async def test_a_transaction_that_fails_when_mined_says_why(anvil: AnvilHarness) -> None:
    boss, one, two = anvil.keys[:3]
    journals = [Journal(), Journal()]
    members = [anvil.chain(key, journal) for key, journal in zip((one, two), journals, strict=True)]
    consumer = anvil.chain(boss)
    await consumer.start(0)
    await consumer.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    for number, member in enumerate(members):
        await member.start(0)
        await member.submit("register", RegisterProver(payout_of(number), STAKE))
        await member.submit("commit", Commit(boss.address, IMAGE, BOTH))
    await anvil.hold_mining()
    attempts = [asyncio.create_task(m.submit("snapshot", TakeSnapshot(boss.address))) for m in members]
    for journal in journals:
        await journal.until("snapshot", TxState.SENT)
    await anvil.release_mining()

    results = await asyncio.gather(*attempts, return_exceptions=True)

    (failed,) = [result for result in results if isinstance(result, TransactionFailed)]
    assert "SnapshotUnchanged" in failed.message
    again = results.index(failed)
    assert journals[again].records["snapshot"].state is TxState.REVERTED
    with pytest.raises(TransactionFailed, match="failed before"):
        await members[again].submit("snapshot", TakeSnapshot(boss.address))


def test_anvil_ends_with_its_parent() -> None:
    need_anvil()
    code = (
        "import asyncio, os, signal\n"
        "from pathlib import Path\n"
        "from gpn_desktop.adapters.chain.localnet import AnvilLocalnet\n"
        "async def main():\n"
        f"    net = AnvilLocalnet(Path('x'), Path({str(NODE_MODULES)!r}))\n"
        "    chain = await net.start()\n"
        "    print(net.port, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    port = int(died.stdout)

    async def gone() -> bool:
        for _ in range(100):
            try:
                rpc = await Rpc.open(f"ws://127.0.0.1:{port}", request_timeout=2)
            except ChainUnreachable:
                return True
            # The connection ends when anvil does.
            with pytest.raises(ChainUnreachable):
                await rpc.next_head()
        return False

    assert asyncio.run(asyncio.wait_for(gone(), 20))


def test_a_missing_anvil_is_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("GPN_ANVIL", raising=False)
    with pytest.raises(ChainUnreachable) as missing:
        find_anvil(tmp_path)
    assert "make setup" in missing.value.remedy
    monkeypatch.setenv("GPN_ANVIL", str(tmp_path / "nothing"))
    with pytest.raises(ChainUnreachable, match="nothing"):
        find_anvil(tmp_path)


async def test_a_program_that_does_not_serve_is_reported_with_its_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "anvil"
    fake.write_text("#!/bin/sh\necho 'no such option' >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv("GPN_ANVIL", str(fake))
    net = AnvilLocalnet(ARTIFACT)
    with pytest.raises(ChainUnreachable, match="no such option"):
        await net.start()
    await net.aclose()


async def test_a_damaged_artifact_is_reported(anvil: AnvilHarness, tmp_path: Path) -> None:
    broken = tmp_path / "GpnSettlement.json"
    broken.write_text("{}")
    net = AnvilLocalnet(broken, NODE_MODULES)
    chain = await net.start()
    with pytest.raises(ChainUnreachable, match="artifact"):
        await net.deploy(chain.funded[0], WINDOW)
    await net.aclose()


async def test_funding_and_the_books(anvil: AnvilHarness) -> None:
    someone = Address(b"\x42" * 20)
    rpc = await Rpc.open(f"ws://127.0.0.1:{anvil.localnet.port}", request_timeout=5)
    head = await rpc.header()
    assert head is not None
    await anvil.localnet.fund(someone, Wei(123))
    assert await rpc.balance(someone) == 123
    books = await anvil.localnet.audit(head.number, [someone])
    assert books.changes[someone] == 123
    assert books.gas > 0
    assert books.difference == 0
    await rpc.aclose()


async def test_a_fault_of_our_own_is_told_and_leaves_no_silence(
    anvil: AnvilHarness, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Journal):
        async def pending_txs(self) -> list[TxRecord]:
            if self.records:
                raise RuntimeError("a fault")
            return []

    journal = Broken()
    chain = anvil.chain(anvil.keys[0], journal)
    watcher = Watcher(chain)
    await chain.start(0)
    await chain.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))
    await anvil.go_down()
    await watcher.until(ChainDown)
    told = len(watcher.seen)
    await anvil.come_up()
    down = await watcher.until(ChainDown, since=told)
    assert "restart" in down.reason
    assert "a fault" in caplog.text
    caplog.clear()
    with pytest.raises(ChainUnreachable, match="restart"):
        await chain.head()
    await chain.aclose()
