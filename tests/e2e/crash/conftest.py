"""One network of processes for all tests of this folder, as a long-lived one would have it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.crash.network import Network, build


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def network(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Network]:
    made = await build(tmp_path_factory.mktemp("network"))
    try:
        await made.stage.crew.stop(made.victim.address)
        made.usual_start = await made.rise(made.victim)
        yield made
    finally:
        await made.stage.aclose()
