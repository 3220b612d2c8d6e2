"""A consumer's last proof is found in a few questions, and without reading all that it ever had."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.adapters.chain import bindings
from gpn_desktop.adapters.chain.evm import EvmChain, EvmOptions
from gpn_desktop.adapters.chain.rpc import Log, Refused
from gpn_desktop.adapters.sqlite.memory import MemoryStore
from gpn_desktop.core.errors import ChainUnreachable
from gpn_desktop.core.types import Address, Hash32

CONTRACT, CONSUMER = Address(bytes([1]) * 20), Address(bytes([2]) * 20)


@dataclass
class Node:
    """A chain node with proofs at these blocks, in order, that gives the logs of so many blocks at once."""

    proofs: list[int]
    most: int = 10**9
    questions: int = 0
    given: int = field(default=0, init=False)

    async def logs(
        self, contract: Address, first: int, last: int, topics: Iterable[bytes | None] = ()
    ) -> list[Log]:
        assert (contract, tuple(topics)) == (CONTRACT, (bindings.LatestProof.TOPIC, bytes(12) + CONSUMER))
        self.questions += 1
        if last - first >= self.most:
            raise Refused("query returned more than 10000 results")
        found = [
            Log(
                (bindings.LatestProof.TOPIC, bytes(12) + CONSUMER),
                encode(["bytes32", "bytes32"], [bytes(32), proof(place)]),
                block,
                Hash32(bytes(32)),
                place,
            )
            for place, block in enumerate(self.proofs)
            if first <= block <= last
        ]
        self.given += len(found)
        return found


def proof(place: int) -> Hash32:
    return Hash32(place.to_bytes(32, "big"))


def chain(node: Node, monkeypatch: pytest.MonkeyPatch, deployed_at: int = 0) -> EvmChain:
    made = EvmChain("ws://127.0.0.1:1", CONTRACT, 1, None, MemoryStore(), EvmOptions(deployed_at=deployed_at))
    monkeypatch.setattr(made, "_connected", lambda: node)
    return made


@given(
    proofs=st.lists(st.integers(10, 20_000), max_size=30).map(sorted),
    at_block=st.integers(0, 20_000),
    most=st.sampled_from([1, 7, 100, 10**9]),
)
async def test_it_is_the_last_one_at_or_before_a_block(proofs: list[int], at_block: int, most: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = await chain(Node(proofs, most), monkeypatch, 10).latest_proof(CONSUMER, at_block)
    before = [place for place, block in enumerate(proofs) if block <= at_block]
    assert found == (proof(before[-1]) if before else None)


async def test_a_busy_consumer_costs_no_more_after_a_month(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node([block for block in range(20_000) for _ in range(3)])
    assert await chain(node, monkeypatch).latest_proof(CONSUMER, 19_999) == proof(59_999)
    assert (node.questions, node.given) == (1, 48)


async def test_a_quiet_consumer_takes_a_few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node([100])
    assert await chain(node, monkeypatch).latest_proof(CONSUMER, 5_000) == proof(0)
    assert node.questions == 4


async def test_a_chain_node_that_gives_no_logs_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ChainUnreachable):
        await chain(Node([], most=0), monkeypatch).latest_proof(CONSUMER, 5_000)
