"""A network in one process, on a real chain and real libp2p, with its keys at hand for playing foul."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gpn_desktop.adapters.builtin.runtime import BuiltinRuntime
from gpn_desktop.adapters.chain.evm import EvmChain
from gpn_desktop.adapters.chain.localnet import AnvilLocalnet
from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.adapters.sqlite import MemoryStore
from gpn_desktop.adapters.system.clock import SystemClock
from gpn_desktop.composition.demo import ARTIFACT, NODE_MODULES
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.types import Address, Gwei, Wei
from gpn_desktop.ports.calls import RegisterConsumer, TakeSnapshot
from gpn_desktop.ports.localnet import LocalChain
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services.authority import ChainAuthority
from gpn_desktop.services.consumer import ConsumerSide, Order
from gpn_desktop.services.context import Context, NodeOptions
from gpn_desktop.services.demo.stage import new_key
from gpn_desktop.services.node import Node
from gpn_desktop.services.views import JobView

ETHER = 10**18
REWARD = Gwei(2_100_000)


@dataclass
class World:
    localnet: AnvilLocalnet
    local: LocalChain
    contract: Address
    consumer_key: NodeKey
    chain: EvmChain
    side: ConsumerSide
    nodes: list[Node] = field(default_factory=list)
    keys: dict[Address, NodeKey] = field(default_factory=dict)
    events: list[tuple[Address, str, dict[str, object]]] = field(default_factory=list)

    @property
    def consumer(self) -> Address:
        return self.consumer_key.address

    def network(self, key: NodeKey) -> LibP2PNetwork:
        bootstrap = self.nodes[0].view().listen if self.nodes else ()
        return LibP2PNetwork(
            key, self.chain.domain, NetworkOptions(host="127.0.0.1", port=0, bootstrap=bootstrap)
        )

    async def add_node(self, delay: float) -> Node:
        key = new_key()
        self.keys[key.address] = key
        await self.localnet.fund(key.address, Wei(3 * ETHER))
        store = MemoryStore()
        chain = EvmChain(self.local.ws_url, self.contract, self.local.chain_id, key, store)
        clock = SystemClock()
        options = NodeOptions("test", "e2e", new_key().address, (self.consumer,), stake=Wei(ETHER))

        def emit(name: str, fields: dict[str, object]) -> None:
            self.events.append((key.address, name, fields))

        context = Context(
            key, chain.domain, options, self.network(key), BuiltinRuntime(delay), store, clock, emit
        )
        node = Node(context, ChainAuthority(chain, clock, 0, 0), chain)
        await node.start()
        self.nodes.append(node)
        return node

    async def commit(self) -> None:
        """A snapshot of all nodes, and a mesh between them."""
        await self.chain.submit(f"snapshot {len(self.nodes)}", TakeSnapshot(self.consumer))
        await eventually(lambda: all(self._meshed(node) for node in self.nodes))

    def _meshed(self, node: Node) -> bool:
        return node.ctx.network.committee_peers(self.consumer) >= len(self.nodes) - 1

    async def order(self, ref: str, payload: bytes = b"payload", turn_seconds: int = 30) -> Order:
        return await self.side.order(ref, payload, REWARD, turn_seconds)

    async def send(self, order: Order, gateway: int = 0) -> None:
        await self.nodes[gateway].submit(order.signed.message, order.signed.signature, order.payload)

    def node(self, address: Address) -> Node:
        return next(node for node in self.nodes if node.ctx.me == address)

    def view(self, order: Order, node: int) -> JobView:
        entry = self.nodes[node].book.entries[order.id]
        return entry.view(self.nodes[node].authority.now())


async def eventually(holds: Callable[[], bool], within: float = 20.0) -> None:
    """Until it holds. For what no event tells; everything else is awaited by its event."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def world(size: int, delay: float = 0.2) -> AsyncIterator[World]:
    localnet = AnvilLocalnet(ARTIFACT, NODE_MODULES, block_time=1)
    local = await localnet.start()
    contract = await localnet.deploy(local.funded[0], 24 * 3600)
    key = new_key()
    await localnet.fund(key.address, Wei(2 * ETHER))
    store = MemoryStore()
    await store.open()
    chain = EvmChain(local.ws_url, contract, local.chain_id, key, store)
    await chain.start(0)
    await chain.submit("consumer", RegisterConsumer("test/image", keccak(b"image"), Wei(ETHER)))
    made = World(localnet, local, contract, key, chain, ConsumerSide(chain, key, 0))
    try:
        for _ in range(size):
            await made.add_node(delay)
        await made.commit()
        yield made
    finally:
        for node in reversed(made.nodes):
            await node.aclose()
        await chain.aclose()
        await localnet.aclose()
