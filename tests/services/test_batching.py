"""Many requests in one settlement: by one signature of each verifier where that is better, never twice."""

from __future__ import annotations

from typing import Any

import pytest

from gpn_desktop.core.batching import Terms
from gpn_desktop.core.eip712 import digest, keccak, recover
from gpn_desktop.core.settlement import Shares, split
from gpn_desktop.core.types import BatchVote, Hash32
from gpn_desktop.ports.calls import Call, Settle, SettleAttested
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.views import Phase
from tests.services.test_settling import DONE, one_proved_by, settled_everywhere
from tests.services.world import PARAMS, REWARD, WINDOW, Member, World, quiet, until, world

TEN = Terms(max_batch=10, max_age=1000)
PAIR = Terms(max_batch=2, max_age=1000)
CHEAP = 10**9  # wei per gas: far less than a reward
SHARES = Shares(PARAMS.prover_bps, PARAMS.inclusion_bps, PARAMS.verifier_bps, PARAMS.tip)


async def verified(net: World, prover: Member, count: int, tag: str = "batch") -> list[Order]:
    """Requests that this member proved and everybody voted on, not settled yet."""
    orders = []
    for number in range(count):
        order = await one_proved_by(net, prover, f"{tag} {number}")
        await net.send(order)
        await voted_by_all(prover, order)
        orders.append(order)
    return orders


async def voted_by_all(prover: Member, order: Order) -> None:
    everybody = len(order.snapshot.seats) - 1
    await until(lambda: prover.knows(order) and votes(prover, order) == everybody, "all votes")


def votes(member: Member, order: Order) -> int:
    entry = member.entry(order)
    return entry.tally().count(True) if entry.job.accepted is not None else 0


def settlements(net: World) -> list[Call]:
    mined = [call for sealed in net.ledger._chain for _, _, call in sealed.mined]
    return [call for call in mined if isinstance(call, Settle | SettleAttested)]


def rewards(net: World) -> dict[str, int]:
    state = net.ledger.state
    return {
        member.key.address.hex(): state.rewards.get(state.provers[member.key.address].member_id, 0)
        for member in net.members
    }


def own_digests(net: World, member: Member, orders: list[Order]) -> tuple[Hash32, ...]:
    found = []
    for order in orders:
        opinion = member.entry(order).tally().opinions[member.address]
        found.append(digest(opinion.signed.message, net.ledger.domain))
    return tuple(found)


async def test_ten_requests_settle_in_one_attested_transaction_and_pay_to_the_gwei() -> None:
    async with world(5, settle=TEN) as net:
        net.ledger.gas_price = CHEAP
        prover = net.members[2]
        orders = await verified(net, prover, 10)
        for order in orders:
            await settled_everywhere(net, order)
        (call,) = settlements(net)
        assert isinstance(call, SettleAttested)
        assert len(call.entries) == 10
        assert len(call.votes) == 4
        await net.advance(WINDOW + 1)
        for order in orders:
            await prover.reach(order, Phase.PAID)
        parts = split(REWARD, SHARES, 4, 4, True)
        expected = {m.address.hex(): 10 * parts.fee for m in net.members}
        expected[prover.address.hex()] = 10 * parts.prover
        assert rewards(net) == expected
        assert sum(expected.values()) == 10 * REWARD
        assert net.ledger.state.burned == 0


async def test_the_rest_is_settled_when_the_oldest_is_old_enough() -> None:
    async with world(3, settle=TEN) as net:
        prover = net.members[1]
        orders = await verified(net, prover, 3)
        await quiet()
        assert settlements(net) == []
        await net.advance(TEN.max_age + 1)
        for order in orders:
            await settled_everywhere(net, order)
        (call,) = settlements(net)
        assert len(call.entries) == 3  # type: ignore[union-attr]


async def test_a_silent_verifier_costs_more_than_the_gas_so_single_votes_are_sent() -> None:
    async with world(5, settle=PAIR) as net:
        net.ledger.gas_price = 1
        prover, silent = net.members[1], net.members[4]
        silent.node.attest = refuse  # type: ignore[method-assign]
        orders = await verified(net, prover, 2)
        for order in orders:
            await settled_everywhere(net, order)
        (call,) = settlements(net)
        assert isinstance(call, Settle)
        assert [len(entry.votes) for entry in call.entries] == [4, 4]


async def test_where_gas_is_dear_a_silent_verifier_is_left_out_and_its_part_burned() -> None:
    async with world(5, settle=PAIR) as net:
        # Two rewards of 0.0021 ETH: the part of one verifier is worth less than the gas of five votes.
        net.ledger.gas_price = 25 * 10**9
        prover, silent = net.members[1], net.members[4]
        silent.node.attest = refuse  # type: ignore[method-assign]
        orders = []
        for number in range(2):
            order = await one_proved_by(net, prover, f"dear {number}")
            orders.append(order)
        for order in orders:
            await net.send(order)
            await voted_by_all(prover, order)
        for order in orders:
            await prover.reach(order, *DONE)
        (call,) = settlements(net)
        assert isinstance(call, SettleAttested)
        assert len(call.votes) == 3


async def refuse(votes: tuple[Hash32, ...]) -> bytes | None:
    return None


async def test_a_signature_that_is_not_the_verifiers_own_is_not_used() -> None:
    async with world(4, settle=PAIR) as net:
        prover, liar = net.members[1], net.members[3]

        async def garbage(votes: tuple[Hash32, ...]) -> bytes | None:
            return bytes([7]) * 64 + bytes([27])

        liar.node.attest = garbage  # type: ignore[method-assign]
        orders = await verified(net, prover, 2)
        for order in orders:
            await settled_everywhere(net, order)
        (call,) = settlements(net)
        assert isinstance(call, Settle)  # with its single votes, which are good
        assert [len(entry.votes) for entry in call.entries] == [3, 3]


async def test_a_node_signs_only_lists_of_its_own_valid_votes() -> None:
    async with world(3, settle=TEN) as net:
        prover, verifier = net.members[0], net.members[1]
        orders = await verified(net, prover, 2)
        mine = own_digests(net, verifier, orders)
        assert await verifier.node.attest((*mine, keccak(b"a vote that it never gave"))) is None
        assert await verifier.node.attest((mine[0], mine[0])) is None
        theirs = own_digests(net, net.members[2], orders)
        assert theirs == mine  # the same votes have the same digests, whoever signs them
        assert await prover.node.attest(mine) is None  # it proved, and has no vote on itself
        signature = await verifier.node.attest(mine)
        assert signature is not None
        assert recover(digest(BatchVote(mine), net.ledger.domain), signature) == verifier.address
        kept = await verifier.disk.platter.get(f"attested:{keccak(*mine).hex()}")
        assert kept == signature + b"".join(mine)
        assert await verifier.node.attest(mine) == signature
        await verifier.restart()
        for order in orders:
            await verifier.reach(order, Phase.VERIFIED)
        assert await verifier.node.attest(mine) == signature


def settling_name(name: str, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    return name == "set" and str(args[0]).startswith("settling:")


def settlement_signed(name: str, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    return name == "put_tx" and args[0].intent.startswith("settle:")


@pytest.mark.parametrize("boundary", [settling_name, settlement_signed])
async def test_a_crash_between_collecting_and_the_receipt_settles_once(boundary: Any) -> None:
    async with world(4, settle=PAIR) as net:
        prover = net.members[1]
        prover.disk.cut_after(boundary)
        orders = await verified(net, prover, 1)
        last = await one_proved_by(net, prover, "last")
        await net.send(last)
        await prover.disk.cut.wait()
        await prover.restart()
        # Either both verdicts wait again, or what was signed was seen through.
        await until(lambda: len(prover.node.earnings.due) == 2 or net.settled() > 0)  # type: ignore[union-attr]
        await net.advance(PAIR.max_age + 1)
        for order in [*orders, last]:
            await settled_everywhere(net, order)
        assert net.settled() in (1, 2)  # one by one after the crash, or together
        counted = [entry.request.digest for call in settlements(net) for entry in call.entries]  # type: ignore[union-attr]
        assert sorted(counted) == sorted([*(o.id for o in orders), last.id])


async def test_a_batch_that_a_reorganisation_drops_is_settled_again_once() -> None:
    async with world(4, settle=PAIR) as net:
        prover = net.members[1]
        orders = await verified(net, prover, 2)
        for order in orders:
            await settled_everywhere(net, order)
        net.ledger.reorganise(2)
        for order in orders:
            await settled_everywhere(net, order)
        await net.advance(WINDOW + 1)
        for order in orders:
            await prover.reach(order, Phase.PAID)
        assert sum(rewards(net).values()) + net.ledger.state.burned == 2 * REWARD


async def test_a_reorganisation_of_the_payment_alone_puts_it_back_into_its_window() -> None:
    async with world(3) as net:
        order = await net.order()
        await net.send(order)
        await settled_everywhere(net, order)
        await net.advance(WINDOW + 1)
        (prover,) = [m for m in net.members if m.view(order).prover == m.address]
        await prover.reach(order, Phase.PAID)
        seen: list[Phase | None] = []
        prover.node.ctx.watchers.add(lambda: seen.append(prover.phase(order)))
        net.ledger.reorganise(1)
        await until(lambda: Phase.SETTLED in seen, "the step back")
        await prover.reach(order, Phase.PAID)
        assert prover.node.view().earnings.in_window == 0


async def one_paid_by_another(net: World, prover: Member) -> list[Order]:
    """Two requests, of which the second one's settlement paid the first one's."""
    (first,) = await verified(net, prover, 1, "first")
    await net.advance(31)
    await settled_everywhere(net, first)
    (second,) = await verified(net, prover, 1, "second")
    await until(lambda: second.id in prover.node.earnings.due, "the verdict")  # type: ignore[union-attr]
    await net.advance(WINDOW + 1)
    await settled_everywhere(net, second)
    await prover.reach(first, Phase.PAID)
    return [first, second]


async def test_a_settlement_that_paid_another_and_took_its_key_is_taken_back_with_the_payment() -> None:
    async with world(3, settle=Terms(max_age=30)) as net:
        prover = net.members[1]
        first, second = await one_paid_by_another(net, prover)
        seen: list[tuple[Phase | None, Phase | None, list[Hash32]]] = []
        prover.node.ctx.watchers.add(
            lambda: seen.append((prover.phase(first), prover.phase(second), in_window(prover)))
        )
        chain = net.ledger._chain
        at = next(number for number, sealed in enumerate(chain) if pays_along(sealed))
        net.ledger.reorganise(len(chain) - at)
        await until(lambda: (Phase.SETTLED, Phase.VERIFIED, [first.id]) in seen, "the step back")
        await prover.reach(first, Phase.PAID)
        await settled_everywhere(net, second)


def in_window(member: Member) -> list[Hash32]:
    window = member.node.earnings.window  # type: ignore[union-attr]
    return [record.request_id for batch in window.awake.values() for record in batch.settled.records]


def pays_along(sealed: Any) -> bool:
    return any(isinstance(call, Settle) and call.pays is not None for _, _, call in sealed.mined)


async def test_dear_gas_is_waited_for_and_not_longer_than_the_deadline() -> None:
    async with world(3, settle=Terms(max_gas=10)) as net:
        net.ledger.gas_price = 100
        prover = net.members[1]
        (order,) = await verified(net, prover, 1)
        await net.advance(60)
        await quiet()
        assert settlements(net) == []
        net.ledger.gas_price = 10
        await net.advance(1)
        await settled_everywhere(net, order)
        net.ledger.gas_price = 100
        (other,) = await verified(net, prover, 1, "late")
        await net.advance(1900)  # past the deadline: it is now or, for a tip, somebody else
        await settled_everywhere(net, other)


async def test_what_costs_more_than_it_brings_is_left_and_said_so() -> None:
    async with world(3) as net:
        net.ledger.gas_price = 10**12
        prover = net.members[1]
        (order,) = await verified(net, prover, 1)
        await quiet()
        assert settlements(net) == []
        assert prover.phase(order) is Phase.VERIFIED
        await net.advance(1900)
        await until(lambda: "more gas than it brings" in prover.view(order).error)
        assert settlements(net) == []
        assert any("more gas than it brings" in alert for alert in prover.node.ctx.alerts)


async def test_a_settlement_pays_an_earlier_batch_along() -> None:
    async with world(3, settle=Terms(max_age=30)) as net:
        prover = net.members[1]
        await one_paid_by_another(net, prover)
        assert prover.sent("finalize:") == []
        last = settlements(net)[-1]
        assert isinstance(last, Settle)
        assert last.pays is not None
