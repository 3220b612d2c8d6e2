from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest
import trio
import trio.lowlevel

from gpn_desktop.adapters.p2p.bridge import BridgeClosed, TrioThread


async def forever(ready: Callable[[], None]) -> None:
    ready()
    await trio.sleep_forever()


@pytest.fixture
async def thread() -> AsyncIterator[TrioThread]:
    made = TrioThread(forever, "test")
    await made.start(5)
    yield made
    assert await made.aclose(5)


async def test_a_result_and_an_exception_come_back(thread: TrioThread) -> None:
    async def divide(a: int, b: int) -> float:
        await trio.lowlevel.checkpoint()
        return a / b

    assert await thread.call(divide, 6, 3) == 2
    with pytest.raises(ZeroDivisionError):
        await thread.call(divide, 1, 0)


async def test_calls_run_in_the_other_thread(thread: TrioThread) -> None:
    async def name() -> str:
        return threading.current_thread().name

    assert await thread.call(name) == "test"


async def test_cancelling_the_caller_cancels_the_call(thread: TrioThread) -> None:
    began, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        began.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    task = asyncio.create_task(thread.call(wait))
    assert await asyncio.to_thread(began.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 5)


async def test_the_other_side_may_ask_back(thread: TrioThread) -> None:
    async def answer(number: int) -> int:
        await asyncio.sleep(0)
        if number < 0:
            raise ValueError("negative")
        return number + 1

    async def ask(number: int) -> int:
        return await thread.ask(answer, number)

    assert await thread.call(ask, 41) == 42
    with pytest.raises(ValueError, match="negative"):
        await thread.call(ask, -1)


async def test_cancelling_one_who_asks_cancels_the_answer(thread: TrioThread) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def answer() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def ask() -> None:
        await thread.ask(answer)

    task = asyncio.create_task(thread.call(ask))
    await asyncio.wait_for(began.wait(), 5)
    task.cancel()
    await asyncio.wait_for(ended.wait(), 5)


async def test_an_error_before_ready_comes_out_of_start() -> None:
    async def broken(ready: Callable[[], None]) -> None:
        raise OSError("no socket")

    thread = TrioThread(broken, "test")
    with pytest.raises(OSError, match="no socket"):
        await thread.start(5)
    assert await thread.aclose(5)


async def test_not_getting_ready_is_a_timeout() -> None:
    async def slow(ready: Callable[[], None]) -> None:
        await trio.sleep_forever()

    with pytest.raises(TimeoutError):
        await TrioThread(slow, "test").start(0.1)


async def test_closing_ends_calls_and_refuses_new_ones() -> None:
    thread = TrioThread(forever, "test")
    await thread.start(5)
    waiting = asyncio.create_task(thread.call(trio.sleep_forever))
    await asyncio.sleep(0)
    assert await thread.aclose(5)
    assert await thread.aclose(5)
    with pytest.raises(BridgeClosed):
        await waiting
    with pytest.raises(BridgeClosed):
        await thread.call(trio.sleep, 0)
    thread.post(print)  # nothing, but no error either


async def test_a_call_before_the_start_is_refused() -> None:
    with pytest.raises(BridgeClosed):
        await TrioThread(forever, "test").call(trio.sleep, 0)


async def test_a_main_that_will_not_end_is_left_behind() -> None:
    release = threading.Event()

    async def stubborn(ready: Callable[[], None]) -> None:
        ready()
        try:
            await trio.sleep_forever()
        finally:
            release.wait(10)

    thread = TrioThread(stubborn, "test")
    await thread.start(5)
    assert not await thread.aclose(0.2)
    release.set()
    assert await thread.aclose(5)
