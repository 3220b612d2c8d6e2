"""A network of whole nodes in one loop, on a ledger and a hub in memory, with a clock that the test moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from gpn_desktop.adapters.chain.memory import MemoryChain, MemoryLedger
from gpn_desktop.adapters.p2p.memory import MemoryHub, MemoryNetwork
from gpn_desktop.adapters.sqlite import MemoryStore
from gpn_desktop.core.eip712 import address_of_secret, keccak
from gpn_desktop.core.messages import AnnouncementMessage, CastVote, Signed, VotesMessage, possession
from gpn_desktop.core.types import Address, Announcement, Cancel, Gwei, Hash32, Request, Vote, Wei
from gpn_desktop.ports.calls import RegisterConsumer, TakeSnapshot
from gpn_desktop.ports.chain import ContractParams
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.ports.store import Kept, Store
from gpn_desktop.services.authority import ChainAuthority
from gpn_desktop.services.consumer import ConsumerSide, Order
from gpn_desktop.services.context import Context, NodeOptions
from gpn_desktop.services.entry import Entry
from gpn_desktop.services.node import Node
from gpn_desktop.services.views import JobView, Phase
from tests.services.faults import Bench, Disk

ETHER = 10**18
REWARD = Gwei(2_100_000)
WINDOW = 100
SETTLE_DELAY = 60
PARAMS = ContractParams(
    window=WINDOW,
    settle_grace=3600,
    max_lifetime=7200,
    unbond=100_000,
    min_stake=Wei(ETHER // 2),
    min_reward=Gwei(1000),
    prover_bps=6000,
    inclusion_bps=2000,
    verifier_bps=2000,
    settle_delay=SETTLE_DELAY,
    tip=Gwei(600),
)


def key_of(name: str) -> NodeKey:
    secret = keccak(name.encode())
    return NodeKey(address_of_secret(secret), secret)


class Clock:
    """Real time, and what the test added to it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def unix(self) -> float:
        return time.time() + self.ahead


@dataclass
class Member:
    """One operator. The disk, the key and the prover outlive the node's process."""

    world: World
    key: NodeKey
    bench: Bench
    disk: Disk
    options: NodeOptions
    events: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    node: Node = field(init=False)
    network: MemoryNetwork = field(init=False)
    chain: MemoryChain = field(init=False)

    @property
    def address(self) -> Address:
        return self.key.address

    async def start(self) -> None:
        world = self.world
        self.disk = Disk(self.disk.platter)
        self.network = world.hub.network(self.key, world.ledger.domain)
        self.chain = MemoryChain(world.ledger, self.key, self.disk)  # type: ignore[arg-type]
        context = Context(
            self.key,
            world.ledger.domain,
            self.options,
            self.network,
            self.bench,
            self.disk,  # type: ignore[arg-type]
            world.clock,
            lambda name, fields: self.events.append((name, fields)),
        )
        authority = ChainAuthority(self.chain, world.clock, world.confirmations, world.beacon_delay)
        self.node = Node(context, authority, self.chain)
        await self.node.start()

    async def stop(self) -> None:
        await self.node.aclose()

    async def kill(self) -> None:
        """What a power failure leaves: the disk as it is, and nothing said or done any more."""
        self.disk.on = False
        self.world.hub.leave(self.network)
        self.world.ledger.leave(self.chain)
        await self.node.ctx.tasks.aclose()

    async def restart(self, killed: bool = True) -> None:
        await (self.kill() if killed else self.stop())
        await self.start()

    def entry(self, order: Order) -> Entry:
        return self.node.book.entries[order.id]

    def knows(self, order: Order) -> bool:
        return order.id in self.node.book.entries

    def view(self, order: Order) -> JobView:
        return self.entry(order).view(self.node.authority.now())

    def phase(self, order: Order) -> Phase | None:
        return self.entry(order).phase if self.knows(order) else None

    async def reach(self, order: Order, *phases: Phase) -> None:
        await until(lambda: self.phase(order) in phases, f"{[p.value for p in phases]}")

    async def own(self, order: Order, kind: type) -> list[Any]:
        """The statements of a kind about the request that this node signed."""
        kept: list[Kept] = await self.disk.platter.kept(order.id)
        return [k.message for k in kept if k.own and isinstance(k.message, kind)]

    def sent(self, prefix: str) -> list[str]:
        """The names of this node's transactions."""
        return [intent for intent in self.disk.platter._txs if intent.startswith(prefix)]  # type: ignore[attr-defined]

    def count(self, event: str) -> int:
        return sum(name == event for name, _ in self.events)


@dataclass
class World:
    ledger: MemoryLedger
    hub: MemoryHub
    clock: Clock
    consumer_key: NodeKey
    side: ConsumerSide
    consumer_chain: MemoryChain
    confirmations: int = 0
    beacon_delay: int = 0
    members: list[Member] = field(default_factory=list)

    @property
    def consumer(self) -> Address:
        return self.consumer_key.address

    async def add(self, name: str, store: Store | None = None, **options: Any) -> Member:
        key = key_of(name)
        self.ledger.fund(key.address, Wei(5 * ETHER))
        wanted = NodeOptions("test", "test", key_of(f"{name} payout").address, (self.consumer,))
        wanted = replace(wanted, **{"stake": Wei(ETHER), **options})
        member = Member(self, key, Bench(), Disk(store or MemoryStore()), wanted)
        await member.start()
        self.members.append(member)
        return member

    async def commit(self) -> None:
        number = len(self.members)
        await self.consumer_chain.submit(f"snapshot {number}", TakeSnapshot(self.consumer))
        head = self.ledger.head.number
        await until(lambda: all(head_of(m) >= head for m in self.members), "the snapshot's block")

    async def order(self, ref: str = "ref", payload: bytes = b"payload", **how: Any) -> Order:
        turn = how.pop("turn_seconds", 60)
        return await self.side.order(ref, payload, how.pop("reward", REWARD), turn, **how)

    async def ranked(self, order: Order) -> list[Member]:
        """The members in the order of their turns."""
        request = order.signed.message
        known = await self.members[0].node.authority.order(order.id, request, order.snapshot)
        assert known is not None
        by_address = {member.address: member for member in self.members}
        return [by_address[address] for address in known.ranking]

    async def send(self, order: Order, gateway: Member | None = None) -> Hash32:
        node = (gateway or self.members[0]).node
        return await node.submit(order.signed.message, order.signed.signature, order.payload)

    async def advance(self, seconds: float) -> None:
        """Let time pass: for the chain, for the nodes, and let them see a new block."""
        self.clock.ahead += seconds
        self.ledger.mine()
        await self.settle_down()

    async def settle_down(self) -> None:
        head = self.ledger.head.number
        running = [m for m in self.members if m.network.address in self.hub.running]
        await until(lambda: all(head_of(m) >= head for m in running), "the head")

    def sign(self, request: Request) -> Order:
        """A request as the consumer could sign it, whatever its terms."""
        key = self.consumer_key
        signed = Signed[Request].sign(request, key.secret, key.address, self.ledger.domain)
        snapshot = self.ledger.state.snapshot(self.consumer, request.snapshot_id)
        assert snapshot is not None
        return Order(signed, b"payload", snapshot)

    def cancellation(self, order: Order) -> bytes:
        key = self.consumer_key
        said = Signed[Cancel].sign(Cancel(order.id), key.secret, key.address, self.ledger.domain)
        return said.signature

    def claim(self, order: Order, key: NodeKey, proof: bytes, attempt: int, seed: Hash32) -> Any:
        said = Announcement(order.id, key.address, attempt, keccak(proof), len(proof), seed)
        signed = Signed[Announcement].sign(said, key.secret, key.address, self.ledger.domain)
        return AnnouncementMessage(self.consumer, signed, None)

    def ballot(self, key: NodeKey, vote: Vote, shown: bytes, seed: Hash32) -> VotesMessage:
        signed = Signed[Vote].sign(vote, key.secret, key.address, self.ledger.domain)
        return VotesMessage(self.consumer, (CastVote(signed, possession(key.address, shown), seed),))

    def settled(self) -> int:
        """How many settlements the contract has taken."""
        return self.ledger.state.settled


def head_of(member: Member) -> int:
    authority = member.node.authority
    assert isinstance(authority, ChainAuthority)
    return authority.head


async def until(holds: Callable[[], bool], what: str = "it", within: float = 8.0) -> None:
    """Until it holds. For what no event tells a test."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"{what} never came to hold"
        await asyncio.sleep(0.005)


async def quiet(turns: int = 40) -> None:
    """Let everything that is ready run, where the test shows that nothing comes of it."""
    for _ in range(turns):
        await asyncio.sleep(0.001)


@asynccontextmanager
async def world(
    size: int = 4, confirmations: int = 0, beacon_delay: int = 0, hub: Any = None, **options: Any
) -> AsyncIterator[World]:
    """``hub`` makes the networks of the nodes; one in memory unless another is given."""
    clock = Clock()
    ledger = MemoryLedger(PARAMS, clock=clock.unix)
    hub = MemoryHub() if hub is None else hub
    consumer_key = key_of("consumer")
    ledger.fund(consumer_key.address, Wei(10 * ETHER))
    journal = MemoryStore()
    await journal.open()
    chain = MemoryChain(ledger, consumer_key, journal)
    await chain.start(0)
    await chain.submit("consumer", RegisterConsumer("test/image", keccak(b"image"), Wei(ETHER)))
    side = ConsumerSide(chain, consumer_key, confirmations)
    made = World(ledger, hub, clock, consumer_key, side, chain, confirmations, beacon_delay)
    try:
        for number in range(size):
            await made.add(f"member {number}", **options)
        await made.commit()
        yield made
    finally:
        for member in made.members:
            member.disk.on = True
            await member.stop()
        await chain.aclose()
