"""The chains that every test of this folder runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.chain.harness import AnvilHarness, Harness, MemoryHarness, need_anvil


@pytest.fixture(params=["memory", "anvil"])
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    if request.param == "anvil":
        need_anvil()
    made: Harness = await AnvilHarness.start() if request.param == "anvil" else MemoryHarness()
    yield made
    await made.aclose()


@pytest.fixture
async def anvil() -> AsyncIterator[AnvilHarness]:
    need_anvil()
    made = await AnvilHarness.start()
    yield made
    await made.aclose()
