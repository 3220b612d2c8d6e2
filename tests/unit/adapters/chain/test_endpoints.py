"""Which endpoint's turn it is: by preference, after rest, and never in a hot loop."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from gpn_desktop.adapters.chain.endpoints import Endpoints, websocket_url
from gpn_desktop.adapters.chain.rpc import endpoint_name
from gpn_desktop.core.errors import ChainUnreachable, ContractMissing, GpnError, StoreFull, WrongChain

URLS = ("ws://a:1/key", "ws://b:2/key", "ws://c:3/key")


class World:
    """Endpoints that are up, or fail in a way of their own; when each was tried."""

    def __init__(self, first_retry: float = 0.02, last_retry: float = 0.08) -> None:
        self.endpoints = Endpoints(URLS, first_retry, last_retry)
        self.faults: dict[str, GpnError] = {}
        self.tried: list[str] = []
        self.times: list[float] = []

    async def connect(self, url: str) -> str:
        self.tried.append(url[5])
        self.times.append(asyncio.get_running_loop().time())
        if url[5] in self.faults:
            raise self.faults[url[5]]
        return url[5]

    def down(self, *names: str) -> None:
        self.faults = {name: ChainUnreachable(f"{name} is away.") for name in names}

    async def next(self) -> str:
        return await asyncio.wait_for(self.endpoints.next(self.connect), 5)


async def test_the_first_one_named_is_the_first_one_asked() -> None:
    world = World()
    assert await world.endpoints.first(world.connect) == "a"
    assert world.tried == ["a"]


async def test_at_the_start_each_is_tried_once_and_the_worst_is_told_last() -> None:
    world = World()
    world.faults = {"a": WrongChain("of another chain"), "b": ChainUnreachable("b is away")}
    assert await world.endpoints.first(world.connect) == "c"
    world.faults["c"] = ContractMissing("no contract")
    with pytest.raises(ChainUnreachable, match="b is away"):
        await world.endpoints.first(world.connect)
    del world.faults["b"]
    world.faults["b"] = WrongChain("of a third")
    with pytest.raises(WrongChain, match="of another chain"):
        await world.endpoints.first(world.connect)
    assert world.tried == ["a", "b", "c"] * 3


async def test_a_fault_that_is_ours_is_no_reason_to_ask_another() -> None:
    world = World()
    world.faults = {"a": StoreFull("the disk is full")}
    with pytest.raises(StoreFull):
        await world.endpoints.first(world.connect)
    assert world.tried == ["a"]


async def test_a_loss_is_made_good_at_once_by_the_next() -> None:
    world = World(first_retry=60)
    await world.endpoints.first(world.connect)
    world.endpoints.holds()
    for expected in ("b", "c"):
        world.endpoints.lost()
        assert await world.next() == expected
        world.endpoints.holds()


async def test_what_works_is_kept_and_the_preferred_one_comes_back_at_a_loss() -> None:
    world = World(first_retry=0.001)
    await world.endpoints.first(world.connect)
    world.endpoints.lost()
    assert await world.next() == "b"
    world.endpoints.holds()
    await asyncio.sleep(0.01)  # a has rested, and nothing calls for it
    world.endpoints.lost()
    assert await world.next() == "c", "the one that never failed"
    world.endpoints.holds()
    await asyncio.sleep(0.01)
    world.endpoints.lost()
    assert await world.next() == "a"


async def test_all_away_are_asked_in_turn_ever_more_rarely() -> None:
    world = World()
    await world.endpoints.first(world.connect)
    world.endpoints.lost()
    world.down("a", "b", "c")
    waiting = asyncio.create_task(world.endpoints.next(world.connect))
    while len(world.tried) < 16:
        await asyncio.wait([waiting], timeout=0.05)
    world.down()
    await asyncio.wait_for(waiting, 5)
    assert {name: world.tried.count(name) > 3 for name in "abc"} == dict.fromkeys("abc", True)
    for name in "abc":
        mine = [at for at, tried in zip(world.times, world.tried, strict=True) if tried == name]
        waits = [later - earlier for earlier, later in pairwise(mine)]
        assert all(wait >= 0.01 for wait in waits)
        assert waits[-1] >= 0.04, "the longest wait, less its random half"


async def test_one_that_comes_up_and_fails_again_and_again_is_no_hot_loop() -> None:
    world = World(first_retry=0.05)
    await world.endpoints.first(world.connect)
    since = asyncio.get_running_loop().time()
    for _ in range(9):  # all three accept, and fail before they hold
        world.endpoints.lost()
        await world.next()
    assert asyncio.get_running_loop().time() - since >= 0.025 + 0.04
    assert len(world.tried) == 10


async def test_what_is_wrong_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World(first_retry=0.001, last_retry=0.001)
    world.faults = {"a": WrongChain("The endpoint serves chain 1, not 5.")}
    for _ in range(3):
        await world.endpoints.first(world.connect)
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == ["endpoint a:1 is left out: The endpoint serves chain 1, not 5."]
    world.faults = {}
    await world.endpoints.first(world.connect)
    world.down("a")
    await world.endpoints.first(world.connect)
    assert "is away" in caplog.text


def test_no_endpoint_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="endpoint"):
        Endpoints((), 1, 1)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("wss://me:secret@chain.example/v3/secret?key=secret#secret", "chain.example"),
        ("ws://127.0.0.1:8545", "127.0.0.1:8545"),
        ("ws://[::1", "an endpoint without a host"),
        ("secret", "an endpoint without a host"),
        ("ws://chain.example:secret/", "an endpoint without a host"),
    ],
)
def test_an_endpoint_is_named_without_its_access_key(url: str, name: str) -> None:
    assert endpoint_name(url) == name


@pytest.mark.parametrize(
    ("url", "followed"),
    [
        ("http://a:8545", "ws://a:8545"),
        ("https://a/key", "wss://a/key"),
        ("wss://a/http://", "wss://a/http://"),
        ("ws://a", "ws://a"),
    ],
)
def test_an_http_address_is_taken_for_the_websocket_of_its_host(url: str, followed: str) -> None:
    assert websocket_url(url) == followed
