"""A node that was away for an hour is at one with the others again within seconds, whoever is there to ask.

It comes after the other tests of the network, whose journals hold some hundreds of requests by then.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import pytest

from gpn_desktop.services.demo.stage import Operator
from gpn_desktop.services.views import JobView, Phase
from tests.e2e.crash.network import DONE, Network

HOUR: Final = 3600  # seconds of chain time
MISSED: Final = 20  # requests that were decided meanwhile
WITHIN: Final = 10.0  # seconds from the start of its process
DECIDED: Final = (Phase.VERIFIED, *DONE)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="package")]


async def decided(net: Network, gateway: Operator, away: Operator) -> None:
    """A request of which the node that is away hears nothing."""
    order = await net.order(besides=away)
    await net.send(order, gateway)
    await net.reaches(order, gateway, *DONE)


async def test_an_hour_is_made_up_for_within_seconds_by_those_who_are_there(network: Network) -> None:
    first, other, away = (network.stage.operators[n] for n in (0, 1, 3))
    await network.stage.crew.stop(away.address)
    for _ in range(MISSED):
        await decided(network, other, away)
    await network.stage.localnet.advance(HOUR)
    mine = await network.order(prover=away)
    await network.send(mine, other)
    await network.reaches(mine, other, Phase.PROVING)
    await network.stage.crew.stop(first.address)  # whom the others were told to ask first

    began = time.monotonic()
    await network.rise(away)
    seen = [await network.reaches(mine, operator, *DECIDED) for operator in (away, other)]
    took = time.monotonic() - began
    print(f"proved {took:.1f} s after the start of its process")
    assert took <= max(WITHIN, 2 * network.usual_start + WITHIN / 2)
    # In its first turn, under the order that follows from the latest of the proofs that it did not see made.
    assert {_told(view) for view in seen} == {(away.address, 0, seen[0].seed, seen[0].proof_hash)}
    await network.settled_once(mine)
    await network.all_counted()
    await network.transactions_agree(away)

    await network.rise(first)
    later = await network.order(besides=away)
    await network.send(later, first)
    views = await asyncio.gather(*(network.reaches(later, o, *DECIDED) for o in (first, other, away)))
    assert len({_told(view) for view in views}) == 1
    await network.counted(later, away)
    network.no_contradiction()


def _told(view: JobView) -> tuple[object, ...]:
    return view.prover, view.attempt, view.seed, view.proof_hash
