"""The figures for monitoring equal the facts."""

from __future__ import annotations

import pytest

from gpn_desktop.adapters.metrics import Exporter
from gpn_desktop.core.errors import RefReused
from gpn_desktop.services.readings import read
from gpn_desktop.services.views import Phase
from tests.services.world import until, world

DONE = (Phase.SETTLED, Phase.PAID)
REQUESTS = 5


async def test_after_some_requests_every_node_has_counted_what_happened() -> None:
    async with world(4) as net:
        orders = [await net.order(f"ref {number}") for number in range(REQUESTS)]
        for order in orders:
            await net.send(order)
            for member in net.members:
                await until(lambda m=member, o=order: m.knows(o), "the request")  # type: ignore[misc]
                await member.reach(order, *DONE)
                await until(
                    lambda m=member, o=order: len(m.entry(o).tally().opinions) == 3,  # type: ignore[misc]
                    "all votes",
                )
        found = [await read(member.node) for member in net.members]
        assert found[0].received == {("gateway",): REQUESTS}
        assert all(r.received == {("peers",): REQUESTS} for r in found[1:])
        assert sum(r.attempts.get(("own", "proved"), 0) for r in found) == REQUESTS
        assert sum(r.attempts.get(("other", "proved"), 0) for r in found) == 3 * REQUESTS
        assert sum(r.votes.get(("own", "valid"), 0) for r in found) == 3 * REQUESTS
        for readings in found:
            valid = readings.votes.get(("own", "valid"), 0) + readings.votes.get(("received", "valid"), 0)
            assert valid == 3 * REQUESTS
            assert readings.outcomes[("verified",)] == REQUESTS
            assert readings.verdicts.number == REQUESTS
            assert readings.peers == 3
            assert readings.chain_head == net.ledger.head.number
            assert sum(readings.drops.values()) == 0
            assert b"gpn_requests_total" in Exporter().text(readings)


async def test_what_a_client_may_not_is_counted_by_code() -> None:
    async with world(3) as net:
        order = await net.order("same")
        await net.send(order)
        with pytest.raises(RefReused):
            await net.send(await net.order("same"))
        readings = await read(net.members[0].node)
        assert readings.refused == {("client", RefReused.code): 1}
