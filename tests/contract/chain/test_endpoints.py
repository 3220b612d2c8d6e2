"""Several endpoints before one real chain: whichever fails, and however, nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from gpn_desktop.adapters.chain.evm import EvmChain, EvmOptions
from gpn_desktop.adapters.chain.signing import read_signed
from gpn_desktop.core.errors import ChainUnreachable, ContractMissing, WrongChain
from gpn_desktop.core.types import Wei
from gpn_desktop.ports.calls import Deposit, RegisterConsumer
from gpn_desktop.ports.chain import ChainDown, ChainUp, ConsumerChanged, NewHead, Reorged, TxState
from tests.contract.chain.committee import DEPOSIT, IMAGE
from tests.contract.chain.harness import AnvilHarness, Journal, Watcher
from tests.contract.chain.relay import SILENCE, Mempool, Relay, Request, refusal, result

GWEI = 10**9
ANSWER_SECONDS = 1.0
QUIET_SECONDS = 0.3


@dataclass
class Network:
    """One account's chain with three endpoints, registered as a consumer."""

    anvil: AnvilHarness
    relays: tuple[Relay, Relay, Relay]
    chain: EvmChain
    watcher: Watcher
    journal: Journal

    def more(self) -> Deposit:
        return Deposit(self.anvil.keys[0].address, Wei(GWEI))

    async def register(self) -> None:
        await self.chain.submit("register", RegisterConsumer("example/image", IMAGE, DEPOSIT))

    async def deposited(self) -> int:
        """How often a deposit of one gwei came."""
        info = await self.chain.consumer(self.anvil.keys[0].address)
        assert info is not None
        return info.balance - DEPOSIT // GWEI

    async def over_to_another(self, fail: Callable[[], Awaitable[None]]) -> None:
        """Let what is in use fail, and wait until another one has taken its place."""
        told = len(self.watcher.seen)
        await fail()
        await self.watcher.until(ChainDown, since=told)
        await self.watcher.until(ChainUp, since=told)


@asynccontextmanager
async def network(anvil: AnvilHarness, answers_within: float = ANSWER_SECONDS) -> AsyncIterator[Network]:
    target = f"ws://127.0.0.1:{anvil.localnet.port}"
    a, b, c = [await Relay(target).open() for _ in range(3)]
    options = EvmOptions(
        request_timeout=answers_within, first_retry=0.05, last_retry=0.2, quiet=QUIET_SECONDS
    )
    journal = Journal()
    urls = [relay.url for relay in (a, b, c)]
    chain = EvmChain(urls, anvil.domain.contract, 31337, anvil.keys[0], journal, options)
    watcher = Watcher(chain)
    yield Network(anvil, (a, b, c), chain, watcher, journal)
    await chain.aclose()
    await watcher.aclose()
    for relay in (a, b, c):
        await relay.aclose()


def chain_id(value: int) -> Callable[[Request], str | None]:
    return lambda request: result(request, hex(value)) if request["method"] == "eth_chainId" else None


@pytest.mark.parametrize("swallowed", [False, True], ids=["passed on", "swallowed"])
async def test_a_transaction_in_flight_when_its_endpoint_dies_is_mined_once(
    anvil: AnvilHarness, swallowed: bool
) -> None:
    async with network(anvil) as net:
        first, second, _ = net.relays
        await net.chain.start(0)
        await net.register()
        await anvil.hold_mining()
        if swallowed:
            first.answer = Mempool(loses=True)
        pool = second.answer = Mempool()
        waiting = asyncio.create_task(net.chain.submit("more", net.more()))
        sent = await net.journal.until("more", TxState.SENT)

        await net.over_to_another(first.aclose)
        with pytest.raises(ChainUnreachable):
            await waiting
        again = asyncio.create_task(net.chain.submit("more", net.more()))
        await anvil.release_mining()

        record = await asyncio.wait_for(again, 10)
        assert (record.hash, record.state) == (sent.hash, TxState.MINED)
        assert set(pool.came) == {sent.raw}, "the same bytes, and nothing else"
        assert await net.deposited() == 1
        assert (await net.chain.submit("next", net.more())).nonce == record.nonce + 1


async def test_events_go_on_without_a_gap_and_none_is_told_twice(anvil: AnvilHarness) -> None:
    async with network(anvil) as net:
        await net.chain.start(0)
        await net.register()
        blocks = []
        for number, relay in enumerate(net.relays[:2]):
            blocks.append((await net.chain.submit(f"before {number}", net.more())).block)
            await net.over_to_another(relay.aclose)
        blocks.append((await net.chain.submit("after", net.more())).block)
        await net.watcher.until(NewHead, lambda event: event.block.number >= blocks[-1])

        told = [event.block.number for event in net.watcher.all(ConsumerChanged)]
        assert [number for number in told if number >= blocks[0]] == blocks
        heads = [event.block.number for event in net.watcher.all(NewHead)]
        assert heads == list(range(heads[0], heads[0] + len(heads)))
        assert net.watcher.all(Reorged) == []


async def test_an_endpoint_of_another_chain_is_named_once_and_never_used(
    anvil: AnvilHarness, caplog: pytest.LogCaptureFixture
) -> None:
    # Nobody is silent here: an endpoint that a busy machine keeps waiting is not to be passed over.
    async with network(anvil, answers_within=20) as net:
        first, wrong, last = net.relays
        wrong.answer = chain_id(1)
        await net.chain.start(0)
        await net.register()

        await net.over_to_another(first.aclose)
        assert await net.deposited() == 0
        await first.open()
        await net.over_to_another(last.aclose)
        await last.open()
        await net.over_to_another(first.aclose)

        assert wrong.asked.count("eth_chainId") > 1, "it may be put right"
        assert set(wrong.asked) == {"eth_chainId", "eth_getCode"}
        named = [record.message for record in caplog.records if f"127.0.0.1:{wrong.port}" in record.message]
        (once,) = [text for text in named if "left out" in text]
        assert "chain 1, not 31337" in once


async def test_only_wrong_endpoints_are_an_error_of_their_kind(anvil: AnvilHarness) -> None:
    async with network(anvil) as net:
        for relay in net.relays:
            relay.answer = chain_id(1)
        with pytest.raises(WrongChain):
            await net.chain.start(0)
        net.relays[0].answer = lambda r: result(r, "0x") if r["method"] == "eth_getCode" else None
        with pytest.raises((WrongChain, ContractMissing)):
            await net.chain.start(0)
        await net.relays[1].aclose()
        with pytest.raises(ChainUnreachable):
            await net.chain.start(0)
        net.relays[2].answer = lambda _: None
        await net.chain.start(0)
        await net.register()


def nonsense(request: Request) -> str | None:
    return "{" if request["method"] != "eth_subscribe" else None


def wrong_shape(request: Request) -> str | None:
    return result(request, {"number": "0x1"}) if request["method"] == "eth_getBlockByNumber" else None


def busy(request: Request) -> str | None:
    return refusal(request, "request limit exceeded", -32005)


def no_logs(request: Request) -> str | None:
    return refusal(request, "no logs here") if request["method"] == "eth_getLogs" else None


@pytest.mark.parametrize("fault", [nonsense, wrong_shape, busy, no_logs, lambda _: SILENCE])
async def test_an_endpoint_that_goes_bad_gives_way(
    anvil: AnvilHarness, fault: Callable[[Request], str | None]
) -> None:
    async with network(anvil) as net:
        await net.chain.start(0)
        await net.register()

        async def fail() -> None:
            net.relays[0].answer = fault
            await anvil.advance(1)

        since = time.monotonic()
        await net.over_to_another(fail)
        assert time.monotonic() - since < QUIET_SECONDS + 2 * ANSWER_SECONDS + 1
        await net.chain.submit("more", net.more())
        assert await net.deposited() == 1


@pytest.mark.parametrize("fault", [nonsense, busy, lambda _: SILENCE])
async def test_an_endpoint_that_is_bad_from_the_start_is_passed_over(
    anvil: AnvilHarness, fault: Callable[[Request], str | None]
) -> None:
    async with network(anvil) as net:
        net.relays[0].answer = fault
        await net.chain.start(0)
        await net.register()
        assert await net.deposited() == 0


async def test_an_endpoint_that_never_speaks_is_passed_over(anvil: AnvilHarness) -> None:
    met: list[asyncio.StreamWriter] = []
    mute = await asyncio.start_server(lambda _, writer: met.append(writer), "127.0.0.1", 0)
    async with network(anvil) as net:
        port = mute.sockets[0].getsockname()[1]
        options = EvmOptions(request_timeout=0.3)
        urls = [f"ws://127.0.0.1:{port}", net.relays[0].url]
        chain = EvmChain(urls, anvil.domain.contract, 31337, None, Journal(), options)
        async with asyncio.timeout(5):
            await chain.start(0)
        assert met
        assert (await chain.head()).number > 0
        await chain.aclose()
    for writer in met:
        writer.transport.abort()
    mute.close()


async def test_an_endpoint_that_forgets_the_subscription_is_asked(anvil: AnvilHarness) -> None:
    async with network(anvil) as net:
        net.relays[0].answer = lambda r: result(r, "0x1") if r["method"] == "eth_subscribe" else None
        await net.chain.start(0)
        await net.watcher.until(ChainUp)
        await anvil.advance(1)
        head = await net.chain.head()
        await net.watcher.until(NewHead, lambda event: event.block == head)
        assert net.watcher.all(ChainDown) == []


async def test_an_endpoint_that_is_behind_makes_no_nonce_twice(anvil: AnvilHarness) -> None:
    async with network(anvil) as net:
        first, second, third = net.relays
        await net.chain.start(0)
        await net.register()
        behind = (await net.chain.head()).number
        more = await net.chain.submit("more", net.more())
        await net.watcher.until(NewHead, lambda event: event.block.number == more.block)
        late = Late(behind)
        second.answer = late
        third.answer = late

        await net.over_to_another(first.aclose)
        await net.journal.until("more", TxState.SENT)
        reorged = await net.watcher.until(Reorged)
        assert reorged.first_number == behind + 1
        waiting = asyncio.create_task(net.chain.submit("next", net.more()))
        following = await net.journal.until("next", TxState.SENT)
        assert read_signed(following.raw).nonce == more.nonce + 1

        late.behind = None
        await anvil.advance(1)
        assert (await asyncio.wait_for(waiting, 20)).state is TxState.MINED
        again = await net.journal.until("more", TxState.MINED)
        assert (again.hash, again.block) == (more.hash, more.block)
        assert await net.deposited() == 2


class Late:
    """A chain node that has not got past the block ``behind``."""

    def __init__(self, behind: int) -> None:
        self.behind: int | None = behind

    def __call__(self, request: Request) -> str | None:
        if self.behind is None:
            return None
        method, params = request["method"], request["params"]
        if method in ("eth_getTransactionReceipt", "eth_getTransactionByHash"):
            return result(request, None)
        if method in ("eth_getTransactionCount", "eth_getBlockByNumber", "eth_call", "eth_getBalance"):
            request["params"] = [hex(self.behind) if p in ("latest", "pending") else p for p in params]
        return None


async def test_no_endpoint_at_all_is_borne_until_one_is_back(anvil: AnvilHarness) -> None:
    async with network(anvil) as net:
        await net.chain.start(0)
        await net.register()
        told = len(net.watcher.seen)
        for relay in net.relays:
            await relay.aclose()
        await net.watcher.until(ChainDown, since=told)
        with pytest.raises(ChainUnreachable):
            await net.chain.submit("more", net.more())
        await net.relays[2].open()
        await net.watcher.until(ChainUp, since=told)
        await net.chain.submit("more", net.more())
        assert await net.deposited() == 1
