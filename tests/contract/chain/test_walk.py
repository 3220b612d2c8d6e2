"""The ledger in memory is the contract: whatever is done to both does the same to both."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.chain.harness import AnvilHarness
from tests.contract.chain.moves import MOVES
from tests.contract.chain.walk import DAY, Walk

SEEDS = 4
STEPS = 40
LATER = (37, 290, 290, 650, 650, 650, 650, 650, 650, 4000, 4000, 31 * DAY)


@pytest.fixture(params=range(SEEDS))
async def walk(request: pytest.FixtureRequest, anvil: AnvilHarness) -> AsyncIterator[Walk]:
    made = await Walk.begin(anvil, request.param)
    yield made
    await made.aclose()


async def test_the_ledger_and_the_chain_agree_whatever_is_done(walk: Walk) -> None:
    moves, weights = list(MOVES), list(MOVES.values())
    done = 0
    while done < STEPS:
        if walk.random.random() < 0.2:
            await walk.advance(walk.random.choice(LATER))
            continue
        (move,) = walk.random.choices(moves, weights)
        sent = move(walk)
        if sent is not None:
            await walk.both(*sent)
            done += 1
    await walk.compare_all()
