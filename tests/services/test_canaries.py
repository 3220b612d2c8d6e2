"""A consumer orders a false proof: who checks votes it down, who does not answers for it, and nobody else."""

from __future__ import annotations

import pytest

from gpn_desktop.core.errors import CanaryRefused
from gpn_desktop.core.messages import AnnouncementMessage, CanaryMessage, Signed
from gpn_desktop.core.types import Canary
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.views import Phase
from gpn_desktop.services.workshop import spoiled
from tests.services.test_evidence import pass_turns, prover
from tests.services.test_settling import settled_everywhere
from tests.services.world import ETHER, Member, World, key_of, quiet, until, world


async def offer(net: World, order: Order, tester: Member) -> None:
    signed = net.side.canary(order, tester.address)
    asked = signed.message
    await tester.node.offer_canary(signed.signer, asked.request_id, asked.prover, signed.signature)


def blind(member: Member) -> None:
    async def yes(*_args: object) -> bool:
        return True

    member.bench.validate = yes  # type: ignore[method-assign]


async def suspended(net: World, member: Member) -> bool:
    until_ = await net.members[0].chain.suspended_until(net.consumer, member.address)
    return until_ > net.ledger.now()


async def test_a_canary_is_voted_down_the_next_proves_and_its_prover_keeps_its_seat() -> None:
    async with world(4, canaries=True) as net:
        order = await net.order()
        tester, second, *_ = await net.ranked(order)
        await offer(net, order, tester)
        await net.send(order)
        await settled_everywhere(net, order)
        assert second.view(order).prover == second.address
        await until(lambda: all(m.count("canary") == 1 for m in net.members), "the certificate")
        await pass_turns(net)
        await pass_turns(net)
        assert not await suspended(net, tester)
        assert prover(net, tester).stake == ETHER
        assert [i for m in net.members for i in m.sent("suspend:")] == []
        assert len(await tester.own(order, AnnouncementMessage)) == 1


async def test_who_signs_a_canary_blindly_loses_its_seat_and_nobody_else_does() -> None:
    async with world(6, canaries=True) as net:
        order = await net.order()
        tester, *_, lazy = await net.ranked(order)
        blind(lazy)
        await offer(net, order, tester)
        await net.send(order)
        await settled_everywhere(net, order)
        await pass_turns(net)
        await pass_turns(net)
        assert await suspended(net, lazy)
        assert [m for m in net.members if m is not lazy and await suspended(net, m)] == []
        assert prover(net, lazy).stake == ETHER  # a seat, and no stake
        view = net.members[0].view(order)
        assert {v.voter for v in view.votes if v.valid and v.proof_hash != view.proof_hash} == {lazy.address}


async def test_a_blind_committee_is_a_loud_alarm() -> None:
    async with world(4, canaries=True) as net:
        order = await net.order()
        tester, *others = await net.ranked(order)
        for member in others:
            blind(member)
        await offer(net, order, tester)
        await net.send(order)
        await until(lambda: any("most of its members" in a for a in tester.node.ctx.alerts), "the alarm")
        await pass_turns(net)
        assert [i for m in net.members for i in m.sent("suspend:")] == []


async def test_a_tester_that_was_restarted_before_its_turn_keeps_its_word() -> None:
    async with world(4, canaries=True) as net:
        order = await net.order()
        tester, second, *_ = await net.ranked(order)
        await offer(net, order, tester)
        await tester.restart()
        gateway = next(m for m in net.members if m is not tester)
        await net.send(order, gateway)
        await settled_everywhere(net, order)
        assert second.view(order).prover == second.address


async def test_without_a_certificate_or_with_anothers_nothing_is_spoiled() -> None:
    async with world(4, canaries=True) as net:
        order, other = await net.order("one"), await net.order("two")
        first, *_ = await net.ranked(order)
        await offer(net, other, first)
        await net.send(order)
        await settled_everywhere(net, order)
        assert first.view(order).prover == first.address


async def test_who_may_order_what_from_whom() -> None:
    async with world(3, canaries=True) as net:
        order = await net.order()
        tester, second, _ = await net.ranked(order)
        domain, consumer = net.ledger.domain, net.consumer_key
        good = net.side.canary(order, tester.address)

        async def refused(member: Member, signed: Signed[Canary], **other: object) -> str:
            fields = {
                "consumer": signed.signer,
                "request_id": signed.message.request_id,
                "prover": signed.message.prover,
                "signature": signed.signature,
                **other,
            }
            with pytest.raises(CanaryRefused) as caught:
                await member.node.offer_canary(**fields)  # type: ignore[arg-type]
            return str(caught.value)

        assert "another prover" in await refused(second, good)
        assert "not signed" in await refused(tester, good, signature=bytes(65))
        stranger = key_of("stranger")
        forged = Signed[Canary].sign(good.message, stranger.secret, stranger.address, domain)
        assert "by the request" in await refused(tester, forged, consumer=consumer.address)
        assert "does not serve" in await refused(tester, forged)
        with pytest.raises(CanaryRefused):
            net.side.canary(order, stranger.address)
        tester.bench.may_prove.clear()
        await net.send(order)
        await tester.bench.proving.wait()
        assert "being made" in await refused(tester, good)
        tester.bench.may_prove.set()
        await settled_everywhere(net, order)
        assert tester.view(order).prover == tester.address


async def test_operators_that_did_not_agree_make_none() -> None:
    async with world(3) as net:
        order = await net.order()
        tester, *_ = await net.ranked(order)
        with pytest.raises(CanaryRefused):
            await offer(net, order, tester)


async def test_a_consumer_cannot_fill_a_prover_with_canaries() -> None:
    async with world(3, canaries=True) as net:
        tester = net.members[0]
        order = await net.order()
        for number in range(16):
            await tester.node.offer_canary(*forge(net, tester, number))
        with pytest.raises(CanaryRefused):
            await offer(net, order, tester)


def forge(net: World, tester: Member, number: int) -> tuple[bytes, bytes, bytes, bytes]:
    """A certificate for some request of the consumer's, which nobody knows yet."""
    key = net.consumer_key
    said = Canary(bytes([number]) * 32, tester.address)  # type: ignore[arg-type]
    signed = Signed[Canary].sign(said, key.secret, key.address, net.ledger.domain)
    return key.address, said.request_id, tester.address, signed.signature


async def test_a_certificate_for_one_prover_excuses_no_other_and_a_strangers_nobody() -> None:
    from gpn_desktop.adapters.builtin.cheating import CheatingRuntime

    async with world(5) as net:
        order = await net.order()
        cheat, second, *_ = await net.ranked(order)
        cheat.node.ctx.runtime = CheatingRuntime(cheat.bench)
        await net.send(order)
        await settled_everywhere(net, order)
        key = net.consumer_key
        domain = net.ledger.domain
        for_second = Signed[Canary].sign(Canary(order.id, second.address), key.secret, key.address, domain)
        own_word = Signed[Canary].sign(
            Canary(order.id, cheat.address), cheat.key.secret, cheat.address, domain
        )
        await second.network.publish(CanaryMessage(net.consumer, for_second))
        await cheat.network.publish(CanaryMessage(net.consumer, own_word))
        await quiet()
        await pass_turns(net)
        await pass_turns(net)
        assert await suspended(net, cheat)
        assert second.phase(order) in (Phase.SETTLED, Phase.PAID)


@pytest.mark.parametrize("proof", [b"", b"x", b"abc", bytes(192), b'{"pi_a": ["123456"]}', bytes(10_000)])
def test_a_spoiled_proof_differs_by_one_bit_and_has_the_same_form(proof: bytes) -> None:
    bad = spoiled(proof)
    assert bad != proof
    if proof:
        assert len(bad) == len(proof)
        assert sum((a ^ b).bit_count() for a, b in zip(proof, bad, strict=True)) == 1
    if proof.startswith(b"{"):
        assert bad.startswith(b'{"pi_a": ["')
        assert bad.endswith(b'"]}')
