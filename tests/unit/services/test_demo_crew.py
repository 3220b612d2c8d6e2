"""What the demo's crew has been told, by whom, and how its nodes end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpn_desktop.composition.demo_window import WindowNode
from gpn_desktop.core.types import ZERO_ADDRESS, Wei
from gpn_desktop.ports.localnet import LocalChain
from gpn_desktop.ports.processes import NodeProcess, NodeSpec
from gpn_desktop.services.demo.crew import Crew, CrewError
from gpn_desktop.services.demo.stage import new_key

SOON = 0.05
CHAIN = LocalChain("http://127.0.0.1:1", "ws://127.0.0.1:1", 31337, ())


def spec(name: str) -> NodeSpec:
    return NodeSpec(name, new_key(), ZERO_ADDRESS, Path(name), CHAIN, ZERO_ADDRESS, (), (), Wei(0), "builtin")


class Ready:
    """A launcher of nodes that only say that they are ready; the rest is said for them."""

    def __init__(self) -> None:
        self.nodes: list[WindowNode] = []

    async def launch(self, spec: NodeSpec) -> NodeProcess:
        node = WindowNode(spec)
        node.emit("ready", {})
        self.nodes.append(node)
        return node


@pytest.fixture
async def crew() -> AsyncIterator[tuple[Crew, list[WindowNode]]]:
    launcher = Ready()
    made = Crew(launcher)
    for name in ("a", "b"):
        await made.launch(spec(name))
    yield made, launcher.nodes
    await made.aclose()


async def test_all_have_told_only_when_each_said_it_of_the_same_consumer(
    crew: tuple[Crew, list[WindowNode]],
) -> None:
    made, (first, second) = crew
    first.emit("image_ready", {"consumer": "aa"})
    first.emit("image_ready", {"consumer": "bb"})
    second.emit("image_ready", {"consumer": "bb"})
    await made.all_told("image_ready", 5, consumer="bb")
    with pytest.raises(CrewError):
        await made.all_told("image_ready", SOON, consumer="aa")
    second.emit("image_ready", {"consumer": "aa"})
    await made.all_told("image_ready", 5, consumer="aa")


async def test_what_was_told_before_does_not_count(crew: tuple[Crew, list[WindowNode]]) -> None:
    made, nodes = crew
    for node in nodes:
        node.emit("snapshot", {"consumer": "aa"})
    await made.all_told("snapshot", 5, consumer="aa")
    with pytest.raises(CrewError):
        await made.all_told("snapshot", SOON, len(made.told), consumer="aa")


async def test_a_node_that_left_need_not_say_anything(crew: tuple[Crew, list[WindowNode]]) -> None:
    made, (first, second) = crew
    await made.stop(second.spec.key.address)
    first.emit("committed", {})
    await made.all_told("committed", 5)
    assert made.lost == []


async def test_the_windows_own_node_is_known_to_have_ended(crew: tuple[Crew, list[WindowNode]]) -> None:
    """Two of them may have equal settings, and are still two."""
    made, (first, second) = crew
    await made.stop(first.spec.key.address)
    await made.ended(first, 5)
    with pytest.raises(CrewError):
        await made.ended(second, SOON)
    assert WindowNode(replace(first.spec)) != first


async def test_a_node_that_ends_by_itself_is_lost(crew: tuple[Crew, list[WindowNode]]) -> None:
    made, (first, _) = crew
    waiting = asyncio.create_task(made.all_told("never", 5))
    await first.stop()
    with pytest.raises(CrewError, match="Node a ended by itself"):
        await waiting
