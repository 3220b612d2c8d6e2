from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.network.world import LibP2PWorld, MemoryWorld, World


@pytest.fixture(params=["libp2p", "memory"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    made: World = LibP2PWorld() if request.param == "libp2p" else MemoryWorld()
    yield made
    await made.close()
