"""From settings to parts: which endpoint is used, and what is refused before anything starts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import ServerConnection, serve

from gpn_desktop import config
from gpn_desktop.composition.parts import Extras, build_node, chain_options, find_chain
from gpn_desktop.core.errors import ChainUnreachable, ConfigError
from gpn_desktop.services.demo.stage import new_key

CHAIN_ID = 4242


async def answer(connection: ServerConnection) -> None:
    """A chain node that knows its id and nothing else."""
    async for text in connection:
        asked = json.loads(text)
        await connection.send(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": hex(CHAIN_ID)}))


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serve(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
def dead_port() -> int:
    return 1  # nothing listens there, and nothing may without being root


def settings(**env: str) -> config.NodeConfig:
    base = {"CONTRACT_ADDRESS": "0x" + "11" * 20, "GPN_RUNTIME": "builtin"}
    return config.load(env={**base, **env})


async def test_the_first_endpoint_that_answers_is_used(port: int, dead_port: int) -> None:
    urls = f"ws://127.0.0.1:{dead_port},http://127.0.0.1:{port}"
    found = await find_chain(settings(ETHEREUM_API=urls))
    assert found.ethereum_api == (f"ws://127.0.0.1:{port}", f"ws://127.0.0.1:{dead_port}"), "none is lost"
    assert found.chain_id == CHAIN_ID


async def test_a_configured_chain_id_is_kept(port: int) -> None:
    found = await find_chain(settings(ETHEREUM_API=f"ws://127.0.0.1:{port}", GPN_CHAIN_ID="7"))
    assert found.chain_id == 7  # so that connecting refuses the endpoint


async def test_no_endpoint_at_all(dead_port: int) -> None:
    with pytest.raises(ChainUnreachable):
        await find_chain(settings(ETHEREUM_API=f"ws://127.0.0.1:{dead_port}"))


def test_the_operators_ceilings_reach_the_transactions() -> None:
    options = chain_options(
        settings(
            GPN_MAX_FEE_GWEI="12.5",
            GPN_MAX_PRIORITY_GWEI="0.25",
            GPN_CONFIRMATIONS="7",
            GPN_CONTRACT_BLOCK="9",
        )
    )
    assert (options.policy.fees.ceiling, options.policy.fees.priority_ceiling) == (
        12_500_000_000,
        250_000_000,
    )
    assert (options.policy.confirmations, options.deployed_at) == (7, 9)


async def test_settings_that_make_no_node() -> None:
    with pytest.raises(ConfigError, match=r"chain\.api"):
        await build_node(settings(), new_key(), Extras())
    with pytest.raises(ConfigError, match="two nodes"):
        await build_node(settings(MODE="testing"), new_key(), Extras())


async def test_cheating_is_refused_away_from_local_chains(port: int) -> None:
    there = settings(ETHEREUM_API=f"ws://127.0.0.1:{port}")
    with pytest.raises(ConfigError, match="local chain"):
        await build_node(there, new_key(), Extras(cheat=True))
