"""Votes as they were signed: all of them, checked anew, and a forged one told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpn_desktop.core.errors import UnknownRequest
from gpn_desktop.core.messages import VotesMessage
from gpn_desktop.core.types import Hash32, Signature
from gpn_desktop.services.ballots import Ballots
from tests.services.test_settling import settled_everywhere
from tests.services.world import world


async def test_every_vote_is_there_with_its_signature() -> None:
    async with world(4) as net:
        order = await net.order()
        await net.send(order)
        await settled_everywhere(net, order)
        first, *others = await net.ranked(order)
        found = await first.node.ballots.of(order.id)
        assert {ballot.voter for ballot in found} == {member.address for member in others}
        assert all(ballot.genuine and ballot.valid for ballot in found)
        assert {ballot.prover for ballot in found} == {first.address}
        assert len({ballot.signature for ballot in found}) == len(found)


async def test_a_signature_of_another_is_no_evidence() -> None:
    async with world(4) as net:
        order = await net.order()
        await net.send(order)
        await settled_everywhere(net, order)
        member = net.members[0]
        kept = await member.disk.platter.kept(order.id)
        one = next(k for k in kept if isinstance(k.message, VotesMessage))
        assert isinstance(one.message, VotesMessage)
        (cast, *_) = one.message.votes
        for signature in (bytes(65), cast.signed.signature[:64] + b"\x07"):
            forged = replace(cast, signed=replace(cast.signed, signature=Signature(signature)))
            ballots = Ballots(member.disk.platter, net.ledger.domain)
            assert not ballots._ballot(one, forged).genuine
        elsewhere = replace(net.ledger.domain, chain_id=7)
        assert not Ballots(member.disk.platter, elsewhere)._ballot(one, cast).genuine


async def test_of_a_request_that_nobody_knows() -> None:
    async with world(3) as net:
        with pytest.raises(UnknownRequest):
            await net.members[0].node.ballots.of(Hash32(bytes(32)))
