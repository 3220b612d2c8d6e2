"""ETH that leaves past the contract, in memory and on a real EVM."""

from __future__ import annotations

import pytest

from gpn_desktop.core.errors import InsufficientFunds, TransactionFailed
from gpn_desktop.core.types import Wei
from gpn_desktop.ports.calls import Transfer
from tests.contract.chain.committee import gather_committee
from tests.contract.chain.harness import Harness


async def test_a_transfer_arrives_once_and_to_the_wei(harness: Harness) -> None:
    committee = await gather_committee(harness, 2)
    sender, receiver = committee.members[0], committee.keys[0].address
    before = await sender.balance(receiver)

    first = await sender.submit("transfer:1", Transfer(receiver, Wei(1_234_567)))
    again = await sender.submit("transfer:1", Transfer(receiver, Wei(1_234_567)))

    assert first.hash == again.hash
    assert first.is_done
    assert await sender.balance(receiver) == before + 1_234_567


async def test_more_than_there_is_does_not_leave(harness: Harness) -> None:
    committee = await gather_committee(harness, 2)
    sender = committee.members[0]
    too_much = Wei(await sender.balance(committee.keys[1].address) + 1)
    with pytest.raises((InsufficientFunds, TransactionFailed)):
        await sender.submit("transfer:2", Transfer(committee.keys[0].address, too_much))
