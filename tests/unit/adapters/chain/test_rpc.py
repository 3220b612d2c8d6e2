"""A chain node that is silent, slow or talks nonsense, played by a WebSocket server of our own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from gpn_desktop.adapters.chain.rpc import Refused, Rpc
from gpn_desktop.core.errors import ChainUnreachable
from gpn_desktop.core.types import ZERO_ADDRESS, ZERO_HASH

Answer = Callable[[dict[str, object]], object]


@asynccontextmanager
async def chain_node(answer: Answer, request_timeout: float = 5) -> AsyncIterator[Rpc]:
    """A connection to a node that answers with what ``answer`` makes of a request; None is silence."""

    async def speak(connection: ServerConnection) -> None:
        async for text in connection:
            reply = answer(json.loads(text))
            if reply is not None:
                await connection.send(json.dumps(reply))

    async with serve(speak, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        rpc = await Rpc.open(f"ws://127.0.0.1:{port}", request_timeout=request_timeout)
        yield rpc
        await rpc.aclose()


def result(value: object) -> Answer:
    return lambda request: {"jsonrpc": "2.0", "id": request["id"], "result": value}


async def test_waiting_for_an_answer_costs_no_time_of_the_processor() -> None:
    async with chain_node(lambda request: None) as rpc:
        asked = asyncio.create_task(rpc.chain_id())
        await asyncio.wait([asked], timeout=0.05)
        before = time.thread_time()
        await asyncio.wait([asked], timeout=0.4)
        assert time.thread_time() - before < 0.1
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked


async def test_silence_is_given_up_and_the_connection_with_it() -> None:
    async with chain_node(lambda request: None, request_timeout=0.1) as rpc:
        with pytest.raises(ChainUnreachable):
            await rpc.chain_id()
        with pytest.raises(ChainUnreachable):
            await asyncio.wait_for(rpc.next_head(), 5)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"number": "0x1"},
        {"number": "0x1", "hash": "0x12", "parentHash": "0x12", "timestamp": "0x1"},
        ["a", "list"],
        "text",
    ],
)
async def test_a_header_of_the_wrong_shape_is_no_header(nonsense: object) -> None:
    async with chain_node(result(nonsense)) as rpc:
        with pytest.raises(ChainUnreachable):
            await rpc.header()


@pytest.mark.parametrize("reply", [{"id": 7}, [], 5, "text", {"result": "0x1"}, {"id": None, "error": {}}])
async def test_an_answer_to_nothing_is_dropped(reply: object) -> None:
    async with chain_node(lambda request: reply, request_timeout=0.2) as rpc:
        with pytest.raises(ChainUnreachable):
            await rpc.chain_id()


async def test_what_is_no_json_ends_the_connection() -> None:
    async def speak(connection: ServerConnection) -> None:
        async for _ in connection:
            await connection.send("{")

    async with serve(speak, "127.0.0.1", 0) as server:
        rpc = await Rpc.open(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", request_timeout=5)
        with pytest.raises(ChainUnreachable):
            await asyncio.wait_for(rpc.chain_id(), 2)
        await rpc.aclose()


async def test_a_push_of_the_wrong_shape_is_no_head() -> None:
    async with chain_node(lambda _: {"method": "eth_subscription", "params": "?"}, request_timeout=1) as rpc:
        asked = asyncio.create_task(rpc.chain_id())
        with pytest.raises(ChainUnreachable):
            await rpc.next_head()
        with pytest.raises(ChainUnreachable):
            await asked


async def test_a_revert_carries_its_data_and_leaves_the_connection_alone() -> None:
    def answer(request: dict[str, object]) -> object:
        if request["method"] == "eth_chainId":
            return {"jsonrpc": "2.0", "id": request["id"], "result": "0x7a69"}
        error = {"code": 3, "message": "execution reverted", "data": "0x3a81d6fc"}
        return {"jsonrpc": "2.0", "id": request["id"], "error": error}

    async with chain_node(answer) as rpc:
        with pytest.raises(Refused) as refused:
            await rpc.call(ZERO_ADDRESS, b"")
        assert refused.value.data == bytes.fromhex("3a81d6fc")
        assert await rpc.chain_id() == 31337


async def test_answers_find_their_questions_in_any_order() -> None:
    held: list[dict[str, object]] = []

    async def speak(connection: ServerConnection) -> None:
        async for text in connection:
            held.append(json.loads(text))
            if len(held) == 5:
                for request in reversed(held):
                    value = request["params"][0]  # type: ignore[index]
                    await connection.send(
                        json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": value})
                    )

    async with serve(speak, "127.0.0.1", 0) as server:
        rpc = await Rpc.open(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", request_timeout=5)
        answers = await asyncio.gather(*(rpc.ask("test_echo", number) for number in range(5)))
        assert answers == list(range(5))
        await rpc.aclose()


async def test_heads_that_nobody_reads_do_not_block_the_answers() -> None:
    async def speak(connection: ServerConnection) -> None:
        async for text in connection:
            for number in range(2000):
                head = {
                    "number": hex(number),
                    "hash": "0x" + "11" * 32,
                    "parentHash": "0x" + "22" * 32,
                    "timestamp": "0x1",
                }
                push = {"method": "eth_subscription", "params": {"subscription": "0x1", "result": head}}
                await connection.send(json.dumps({"jsonrpc": "2.0", **push}))
            request = json.loads(text)
            await connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": "0x1"}))

    async with serve(speak, "127.0.0.1", 0) as server:
        rpc = await Rpc.open(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", request_timeout=10)
        assert await rpc.chain_id() == 1
        assert (await rpc.next_head()).number == 1999, "the newest one counts"
        await rpc.aclose()


async def test_a_transaction_is_known_or_not() -> None:
    async with chain_node(result(None)) as rpc:
        assert not await rpc.knows(ZERO_HASH)
    async with chain_node(result({"hash": "0x" + "11" * 32, "blockNumber": None})) as rpc:
        assert await rpc.knows(ZERO_HASH)


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_an_endpoint_that_cannot_be_reached_is_named_without_its_key(scheme: str) -> None:
    with pytest.raises(ChainUnreachable) as away:
        await Rpc.open(f"{scheme}://127.0.0.1:1/v3/my-access-key", request_timeout=1)
    assert "127.0.0.1:1" in str(away.value)
    assert "my-access-key" not in str(away.value)


async def test_nobody_there() -> None:
    with pytest.raises(ChainUnreachable):
        await Rpc.open("ws://127.0.0.1:1", request_timeout=1)
    with pytest.raises(ChainUnreachable):
        await Rpc.open("http://127.0.0.1:1", request_timeout=1)
