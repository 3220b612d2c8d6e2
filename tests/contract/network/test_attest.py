"""Batch votes between two nodes: a signature under just the list that was asked about, or nothing."""

from __future__ import annotations

import asyncio
import time

import pytest

from gpn_desktop.core.errors import FetchFailed
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.network import MAX_ATTESTED
from tests.contract.network.world import World, hash_of, joined, key

SIGNATURE = bytes(range(65))


def votes(count: int) -> tuple[Hash32, ...]:
    return tuple(hash_of(f"vote {number}") for number in range(count))


@pytest.mark.parametrize("count", [1, 2, MAX_ATTESTED])
async def test_a_list_of_own_votes_is_signed_in_its_order(world: World, count: int) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await joined(a, b)
    a.shelf.attested[votes(count)] = SIGNATURE
    assert await b.network.attest(a.address, votes(count), 10) == SIGNATURE
    if count > 1:
        assert await b.network.attest(a.address, votes(count)[::-1], 10) is None


async def test_what_was_not_voted_is_refused(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await joined(a, b)
    assert await b.network.attest(a.address, votes(3), 10) is None


async def test_a_peer_that_is_not_there_is_said_so(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await joined(a, b)
    with pytest.raises(FetchFailed):
        await b.network.attest(key(55).address, votes(1), 2)


async def test_a_peer_that_does_not_answer_costs_no_more_than_the_time_limit(world: World) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await joined(a, b)
    never = asyncio.Event()

    async def silent(_: tuple[Hash32, ...]) -> bytes | None:
        await never.wait()
        return None

    a.shelf.attest = silent  # type: ignore[method-assign]
    began = time.monotonic()
    with pytest.raises(FetchFailed):
        await b.network.attest(a.address, votes(1), 0.5)
    assert time.monotonic() - began < 5
    never.set()


@pytest.mark.parametrize("size", [1, 64, 66])
async def test_an_answer_that_is_no_signature_is_none(world: World, size: int) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await joined(a, b)
    a.shelf.attested[votes(1)] = bytes(size)
    with pytest.raises(FetchFailed):
        await b.network.attest(a.address, votes(1), 5)


@pytest.mark.parametrize("count", [0, MAX_ATTESTED + 1])
async def test_a_list_that_is_too_short_or_too_long_is_not_looked_at(world: World, count: int) -> None:
    a = await world.node(1)
    b = await world.node(2, a)
    await joined(a, b)
    asked: list[int] = []

    async def look(given: tuple[Hash32, ...]) -> bytes | None:
        asked.append(len(given))
        return SIGNATURE

    a.shelf.attest = look  # type: ignore[method-assign]
    with pytest.raises(FetchFailed):
        await b.network.attest(a.address, votes(count), 5)
    assert asked == []
