"""How requests come in, and what keeps one out: absent chains, early news, double orders, floods."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gpn_desktop.core import errors
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.messages import MAX_INLINE_BYTES, AnnouncementMessage, RequestMessage, VotesMessage
from gpn_desktop.core.types import Address
from gpn_desktop.services import intake
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.views import Phase
from tests.services.faults import true_proof
from tests.services.world import Member, World, key_of, quiet, until, world

DONE = (Phase.SETTLED, Phase.PAID)


async def settled_everywhere(net: World, order: Order) -> None:
    for member in net.members:
        await until(lambda m=member: m.knows(order), "the request")  # type: ignore[misc]
        await member.reach(order, *DONE)


def gossip(net: World, order: Order) -> RequestMessage:
    return RequestMessage(order.signed, net.members[0].address, len(order.payload), order.payload)


async def test_the_same_request_by_two_gateways_and_again_is_one() -> None:
    async with world(3) as net:
        order = await net.order()
        ids = await asyncio.gather(*(net.send(order, member) for member in net.members))
        assert set(ids) == {order.id}
        await settled_everywhere(net, order)
        assert await net.send(order) == order.id
        assert net.settled() == 1
        assert await net.members[0].disk.platter.job_count() == 1


async def test_a_ref_used_again_is_refused_also_at_the_same_instant() -> None:
    async with world(3) as net:
        orders = [await net.order("same"), await net.order("same")]
        answers = await asyncio.gather(*(net.send(o) for o in orders), return_exceptions=True)
        assert sorted(isinstance(a, errors.RefReused) for a in answers) == [False, True]
        with pytest.raises(errors.RefReused):
            await net.send(await net.order("same"))
        assert await net.members[0].disk.platter.job_count() == 1


async def test_of_two_requests_on_one_nonce_the_lower_id_counts() -> None:
    async with world(3) as net:
        for member in net.members:
            member.bench.may_prove.clear()
        first = await net.order("one")
        second = net.sign(
            replace(first.signed.message, details=replace(first.signed.message.details, ref="two"))
        )
        low, high = sorted((first, second), key=lambda o: o.id)
        await net.send(high)
        for member in net.members:
            await until(lambda m=member: m.knows(high))  # type: ignore[misc]
        await net.send(low)
        for member in net.members:
            await member.reach(high, Phase.REFUSED)
        for member in net.members:
            member.bench.may_prove.set()
        await settled_everywhere(net, low)
        assert net.settled() == 1
        assert any("one nonce" in alert for alert in net.members[0].node.ctx.alerts)


async def test_a_nonce_of_an_announced_request_is_taken() -> None:
    async with world(3) as net:
        first = await net.order("one")
        second = net.sign(
            replace(first.signed.message, details=replace(first.signed.message.details, ref="two"))
        )
        low, high = sorted((first, second), key=lambda o: o.id)
        for member in net.members:
            member.bench.may_validate.clear()
        await net.send(high)
        await net.members[0].reach(high, Phase.VERIFYING)
        with pytest.raises(errors.NonceConflict):
            await net.send(low)
        for member in net.members:
            member.bench.may_validate.set()
        await settled_everywhere(net, high)


async def test_a_node_that_refused_a_request_proves_nothing_for_it() -> None:
    """The loser of a nonce goes on being talked about; nobody who knows better spends work on it."""
    async with world(3) as net:
        for member in net.members:
            member.bench.may_prove.clear()
        first = await net.order("one")
        second = net.sign(
            replace(first.signed.message, details=replace(first.signed.message.details, ref="two"))
        )
        low, high = sorted((first, second), key=lambda o: o.id)
        await net.send(high)
        for member in net.members:
            await until(lambda m=member: m.knows(high))  # type: ignore[misc]
        await net.send(low)
        for member in net.members:
            await member.reach(high, Phase.REFUSED)
        await net.advance(61)  # the refused request's first turn is over
        await quiet()
        for member in net.members:
            assert member.entry(high).proving is None


async def test_a_request_is_admitted_when_the_chain_is_back() -> None:
    async with world(3) as net:
        order = await net.order()
        first, *_, other = await net.ranked(order)
        consumer = other.chain.consumer
        away = True

        async def absent(address: Address, at_block: int | None = None) -> object:
            if away:
                raise errors.ChainUnreachable("away")
            return await consumer(address, at_block)

        other.chain.consumer = absent  # type: ignore[method-assign, assignment]
        await net.send(order, first)
        await first.reach(order, Phase.VERIFYING)
        assert not other.knows(order)
        away = False
        net.ledger.mine()
        await settled_everywhere(net, order)
        assert other.address in other.entry(order).tally().opinions


async def test_a_block_that_comes_while_the_chain_is_asked_is_not_waited_for_again() -> None:
    async with world(3) as net:
        order = await net.order()
        first, *_, other = await net.ranked(order)
        consumer = other.chain.consumer
        asked, answer = asyncio.Event(), asyncio.Event()

        async def absent(address: Address, at_block: int | None = None) -> object:
            if answer.is_set():
                return await consumer(address, at_block)
            asked.set()
            await answer.wait()
            raise errors.ChainUnreachable("away")

        other.chain.consumer = absent  # type: ignore[method-assign, assignment]
        await net.send(order, first)
        await asked.wait()
        net.ledger.mine()
        await net.settle_down()
        answer.set()
        await settled_everywhere(net, order)


async def test_a_request_ahead_of_this_nodes_chain_waits_and_holds_up_nobody() -> None:
    async with world(3) as net:
        other = net.members[1]
        order = await net.order()
        request = order.signed.message
        ahead = net.sign(
            replace(
                request,
                nonce=request.nonce + 1,
                details=replace(request.details, ref="ahead", anchor_block=net.ledger.head.number + 2),
            )
        )
        await net.members[0].network.publish(gossip(net, ahead))
        await net.members[1].network.publish(replace(gossip(net, ahead), gateway=net.members[1].address))
        await quiet()
        assert not other.knows(ahead)
        await net.send(order)
        await other.reach(order, *DONE)
        for _ in range(3):
            net.ledger.mine()
        await other.reach(ahead, *DONE)


async def test_requests_ahead_of_the_chain_are_bounded_and_given_up() -> None:
    async with world(2) as net:
        other = net.members[1]
        order = await net.order()
        request = order.signed.message
        for number in range(intake.MAX_PARKED + 20):
            details = replace(request.details, ref=f"{number}", anchor_block=10**6)
            last = net.sign(replace(request, details=details))
            await net.members[0].network.publish(gossip(net, last))
        await until(lambda: last.id in other.node.intake._parked and not other.node.intake._opening)
        assert len(other.node.intake._parked) == intake.MAX_PARKED
        await net.advance(100)
        await until(lambda: len(other.node.intake._parked) == 0)
        assert other.node.book.entries == {}


async def test_a_cancellation_counts_before_t0_only() -> None:
    async with world(3, confirmations=1, beacon_delay=2) as net:
        for _ in range(3):
            net.ledger.mine()
        await net.settle_down()
        early = await net.order("early")
        await net.send(early)
        for member in net.members:
            await until(lambda m=member: m.knows(early))  # type: ignore[misc]
        with pytest.raises(errors.BadRequestSignature):
            await net.members[1].node.cancel(early.id, b"nonsense")
        await net.members[1].node.cancel(early.id, net.cancellation(early))
        for member in net.members:
            await member.reach(early, Phase.CANCELLED)
        late = await net.order("late")
        await net.send(late)
        for _ in range(3):
            await net.advance(1)
        await net.members[0].reach(late, Phase.PROVING, Phase.VERIFYING, Phase.VERIFIED, *DONE)
        with pytest.raises(errors.CancelTooLate):
            await net.members[0].node.cancel(late.id, net.cancellation(late))
        await settled_everywhere(net, late)
        assert net.settled() == 1


async def test_statements_that_overtake_their_request_are_kept_for_it() -> None:
    async with world(4) as net:
        order = await net.order()
        last = (await net.ranked(order))[3]
        gateway = (await net.ranked(order))[0]
        deliver = last.network.deliver
        held: list[tuple[str, bytes, Address]] = []

        def hold(topic: str, data: bytes, author: Address) -> None:
            if topic.endswith("requests"):
                held.append((topic, data, author))
            else:
                deliver(topic, data, author)

        last.network.deliver = hold  # type: ignore[method-assign]
        await net.send(order, gateway)
        await gateway.reach(order, *DONE)
        assert not last.knows(order)
        for message in held:
            deliver(*message)
        await last.reach(order, *DONE, Phase.VERIFIED)
        await until(lambda: len(last.entry(order).tally().opinions) == 3, "all votes")


async def test_statements_about_requests_that_never_come_are_bounded() -> None:
    async with world(2) as net:
        liar, other = net.members
        order = await net.order()
        for number in range(3 * intake.MAX_ORPHANS):
            fake = replace(order, signed=replace(order.signed, digest=keccak(bytes([number]))))
            said = net.claim(fake, liar.key, b"proof", 0, keccak(b"seed"))
            for _ in range(2):
                await liar.network.publish(said)
        await quiet(100)
        assert len(other.node.intake._orphans) <= intake.MAX_ORPHANS
        await net.send(order, liar)
        await settled_everywhere(net, order)


async def test_a_payload_and_a_proof_too_large_for_gossip_are_fetched() -> None:
    async with world(3) as net:
        for member in net.members:
            member.bench.repeat = 4 * MAX_INLINE_BYTES // 32
        payload = bytes(range(256)) * 1024
        order = await net.order(payload=payload)
        await net.send(order)
        await settled_everywhere(net, order)
        proof = await net.members[0].node.proof("ref")
        assert len(proof.proof) == 4 * MAX_INLINE_BYTES
        assert proof.proof[:32] == true_proof("ref", payload)
        assert len(proof.votes) == 2


async def test_a_gateway_without_a_seat_serves_its_client_and_pays_nothing() -> None:
    async with world(3) as net:
        stranger = await net.add("stranger", stake=0)
        await net.settle_down()
        order = await net.order()
        await net.send(order, stranger)
        await stranger.reach(order, *DONE)
        assert stranger.view(order).role == "Gateway"
        assert len((await stranger.node.proof("ref")).votes) == 2
        assert stranger.sent("") == []


async def test_nobody_joins_the_topics_of_a_consumer_that_does_not_exist() -> None:
    async with world(2) as net:
        order = await net.order()
        key = key_of("nobody")
        request = replace(order.signed.message, consumer=key.address)
        signed = order.signed.sign(request, key.secret, key.address, net.ledger.domain)
        node = net.members[0]
        with pytest.raises(errors.UnknownConsumer):
            await node.node.submit(request, signed.signature, order.payload)
        assert node.network.consumers() == (net.consumer,)


async def ready(net: World, member: Member, order: Order) -> None:
    await until(lambda: member.knows(order), "the request")


async def test_a_late_request_is_taken_only_through_members_that_were_on_time() -> None:
    """Who sends it after the beacon block may have waited for a beacon that suits."""
    async with world(4, confirmations=1, beacon_delay=2) as net:
        for _ in range(3):
            net.ledger.mine()
        await net.settle_down()
        order = await net.order()
        for _ in range(3):
            net.ledger.mine()
        await net.advance(10)
        await net.send(order)
        for member in net.members:
            await ready(net, member, order)
        net.ledger.mine()
        await quiet()
        assert {m.phase(order) for m in net.members} == {Phase.WAITING}
        assert all(m.entry(order).late for m in net.members)
        late = net.members[3]
        await late.restart()
        await ready(net, late, order)
        assert late.phase(order) is Phase.WAITING  # a restart makes nobody punctual


async def test_a_late_node_follows_those_that_were_on_time() -> None:
    async with world(4, confirmations=1, beacon_delay=2) as net:
        for _ in range(3):
            net.ledger.mine()
        await net.settle_down()
        late = net.members[3]
        for other in net.members[:3]:
            net.hub.cut(late.address, other.address)
        for member in net.members:
            member.bench.may_validate.clear()
        order = await net.order()
        await net.send(order)
        for member in net.members[:3]:
            await ready(net, member, order)
        for _ in range(3):
            net.ledger.mine()
        await net.advance(10)
        prover = (await net.ranked(order))[0]
        if prover is not late:
            await net.members[0].reach(order, Phase.VERIFYING)
        else:
            await net.advance(60)
            await net.members[0].reach(order, Phase.VERIFYING)
        net.hub.heal()
        await ready(net, late, order)
        await until(lambda: late.entry(order).job.order is not None, "the order")
        for member in net.members:
            member.bench.may_validate.set()
        await settled_everywhere(net, order)


async def test_a_node_behind_its_peers_is_not_late_for_what_came_in_time() -> None:
    """The request came on time; only this node's chain did not."""
    async with world(4, confirmations=1, beacon_delay=2) as net:
        for _ in range(3):
            net.ledger.mine()
        await net.settle_down()
        slow = net.members[3]
        consumer = slow.chain.consumer
        away = True

        async def absent(address: Address, at_block: int | None = None) -> object:
            if away:
                raise errors.ChainUnreachable("away")
            return await consumer(address, at_block)

        slow.chain.consumer = absent  # type: ignore[method-assign, assignment]
        order = await net.order()
        await net.send(order)
        for member in net.members[:3]:
            await ready(net, member, order)
        await quiet()
        for _ in range(3):
            net.ledger.mine()
        await net.advance(10)
        away = False
        net.ledger.mine()
        await ready(net, slow, order)
        await until(lambda: slow.entry(order).job.order is not None, "the order")
        assert not slow.entry(order).late


async def test_a_reorganisation_before_an_announcement_brings_another_order() -> None:
    async with world(4, confirmations=1, beacon_delay=2) as net:
        for _ in range(3):
            net.ledger.mine()
        await net.settle_down()
        for member in net.members:
            member.bench.may_prove.clear()
        order = await net.order()
        await net.send(order)
        for _ in range(2):
            net.ledger.mine()
        for member in net.members:
            await until(lambda m=member: m.knows(order) and m.entry(order).job.order is not None)  # type: ignore[misc]
        before = net.members[0].entry(order).job.order
        net.ledger.reorganise(2)
        net.ledger.mine()
        for member in net.members:
            await until(lambda m=member: m.entry(order).job.order != before, "another order")  # type: ignore[misc]
        assert len({m.entry(order).job.order for m in net.members}) == 1
        for member in net.members:
            member.bench.may_prove.set()
        await settled_everywhere(net, order)


async def test_a_beacon_block_that_comes_back_late_brings_the_order_all_the_same() -> None:
    """The news of the reorganisation is there before the new branch is."""
    async with world(3, confirmations=1, beacon_delay=2) as net:
        for _ in range(3):
            net.ledger.mine()
        await net.settle_down()
        for member in net.members:
            member.bench.may_prove.clear()
        order = await net.order()
        await net.send(order)
        for _ in range(2):
            net.ledger.mine()
        node = net.members[0]
        await until(lambda: node.entry(order).job.order is not None)
        before = node.entry(order).job.order
        block = node.chain.block
        beacon = order.signed.message.details.anchor_block + 2
        gone = True

        async def without(number: int) -> object:
            return None if gone and number >= beacon else await block(number)

        node.chain.block = without  # type: ignore[method-assign, assignment]
        net.ledger.reorganise(2)
        await net.settle_down()
        await quiet()
        assert node.entry(order).job.order == before
        gone = False
        net.ledger.mine()
        await until(lambda: node.entry(order).job.order != before, "another order")


async def test_a_reorganisation_while_a_node_is_down_does_not_make_it_contradict_itself() -> None:
    """Its announcement and votes stand under the old order, which the new branch does not have any more."""
    async with world(4, confirmations=1, beacon_delay=2) as net:
        for _ in range(3):
            net.ledger.mine()
        await net.settle_down()
        for member in net.members:
            member.bench.may_validate.clear()
        order = await net.order()
        await net.send(order)
        for _ in range(2):
            net.ledger.mine()
        prover, voter, *_ = await net.ranked(order)
        for member in net.members:
            await member.reach(order, Phase.VERIFYING)
        voter.bench.may_validate.set()
        await until(lambda: len(prover.entry(order).tally().opinions) == 1, "the vote")
        before = prover.entry(order).job.order
        for member in (prover, voter):
            await member.kill()
        net.ledger.reorganise(2)
        net.ledger.mine()
        for member in (prover, voter):
            await member.start()
            assert member.entry(order).job.order == before
        await net.settle_down()
        for member in net.members:
            member.bench.may_validate.set()
        await settled_everywhere(net, order)
        assert len(await prover.own(order, AnnouncementMessage)) == 1
        assert len(await voter.own(order, VotesMessage)) == 1
        assert net.settled() == 1
