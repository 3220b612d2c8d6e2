"""Setting the demo's stage: chain, contract, consumers, operators that stake and commit, committees."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gpn_desktop.core.eip712 import address_of_secret
from gpn_desktop.core.selection import ranking, selection_seed
from gpn_desktop.core.types import ZERO_ADDRESS, Address, Wei, short
from gpn_desktop.ports.chain import Chain
from gpn_desktop.ports.localnet import LocalChain, Localnet
from gpn_desktop.ports.processes import NodeSpec
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services.consumer import ConsumerSide, Gateway, Order
from gpn_desktop.services.demo.books import Books
from gpn_desktop.services.demo.consumers import DEPOSIT, DemoConsumer
from gpn_desktop.services.demo.crew import Crew
from gpn_desktop.services.demo.model import DemoImage, DemoOptions

WINDOW: Final = 24 * 3600
ETHER: Final = 10**18
STAKE: Final = Wei(ETHER)
POCKET: Final = Wei(3 * ETHER)  # an operator's: stake, and gas for a long demo
COMMIT_SECONDS: Final = 60.0
BATCH_SECONDS: Final = 1200  # longer than any demo
IMAGE_SECONDS: Final = 300.0
MESH_SECONDS: Final = 30.0

Say = Callable[[str], None]
ChainOf = Callable[[LocalChain, Address, NodeKey], Chain]
GatewayTo = Callable[[str], Awaitable[Gateway]]


def new_key() -> NodeKey:
    secret = secrets.token_bytes(32)
    return NodeKey(address_of_secret(secret), secret)


@dataclass
class Operator:
    spec: NodeSpec
    grpc: str = ""
    listen: tuple[str, ...] = ()

    @property
    def address(self) -> Address:
        return self.spec.key.address


@dataclass
class Stage:
    """Everything that stands once the demo has begun. Closed by ``aclose``, in whatever state.

    Each of ``images``, all of one runtime, gets a consumer; ``chain`` is the first one's, for whoever reads.
    """

    options: DemoOptions
    images: Sequence[DemoImage]
    localnet: Localnet
    crew: Crew
    chain_of: ChainOf
    gateway_to: GatewayTo
    say: Say
    consumers: list[DemoConsumer] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    names: dict[Address, str] = field(default_factory=dict)
    local: LocalChain | None = None
    contract: Address = ZERO_ADDRESS
    first_block: int = 0
    chain: Chain | None = None
    gateway: Gateway | None = None
    books: Books = field(default_factory=Books)
    _events: asyncio.Task[None] | None = None
    _funding: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def build(self) -> None:
        await self._build_chain()
        await self._build_operators()
        await self.take_snapshot()
        gateway = self.operators[0]
        self.gateway = await self.gateway_to(gateway.grpc)

    async def _build_chain(self) -> None:
        self.say("Starting a local chain and deploying the settlement contract")
        self.local = await self.localnet.start()
        deployer = self.local.funded[0]
        self.contract = await self.localnet.deploy(deployer, WINDOW)
        for image in self.images:
            await self._add_consumer(self.local, image)

    async def _add_consumer(self, local: LocalChain, image: DemoImage) -> None:
        key = new_key()
        chain = self.chain_of(local, self.contract, key)
        name = "consumer" if len(self.images) == 1 else f"consumer-{len(self.consumers) + 1}"
        consumer = DemoConsumer(name, image, key, chain, ConsumerSide(chain, key, confirmations=0))
        self.consumers.append(consumer)
        self.names[consumer.address] = name
        await chain.start(0)
        if self.chain is None:
            self.chain = chain
            self._events = asyncio.create_task(self._listen(chain))
            self.first_block = (await chain.head()).number
        await self.localnet.fund(consumer.address, Wei(DEPOSIT + ETHER))
        await consumer.register()
        if len(self.images) > 1:
            self.say(f"  {name} {short(consumer.address)} wants proofs of {image.label}")

    async def _listen(self, chain: Chain) -> None:
        async for event in chain.events():
            self.books.hear(event)

    async def _build_operators(self) -> None:
        self.say(f"Starting {self.options.nodes} nodes, each a process of its own")
        await self.start_operator(self.make_spec(0))
        others = [self.make_spec(i) for i in range(1, self.options.nodes)]
        # Two at a time: a node's start is bound by the processor.
        for pair in (others[i : i + 2] for i in range(0, len(others), 2)):
            await asyncio.gather(*(self.start_operator(spec) for spec in pair))
        self.operators.sort(key=lambda o: o.spec.name)
        await self.crew.all_told("committed", COMMIT_SECONDS)
        for consumer in self.consumers:
            await self.crew.all_told("image_ready", IMAGE_SECONDS, consumer=consumer.address.hex())

    def make_spec(self, number: int) -> NodeSpec:
        assert self.local is not None
        key = new_key()
        name = f"node-{number + 1}"
        self.names[key.address] = name
        return NodeSpec(
            name=name,
            key=key,
            payout=new_key().address,
            data_dir=self.options.folder / name,
            chain=self.local,
            contract=self.contract,
            consumers=tuple(c.address for c in self.consumers),
            bootstrap=self.operators[0].listen if self.operators else (),
            stake=STAKE,
            runtime=self.images[0].runtime,
            delay=max(i.delay for i in self.images),
            # The gateway is node 1: it should tell the truth about what the others do.
            cheat=0 < number <= self.options.cheat,
            # All of a batch demo's requests, the warm-up too, wait for each other.
            settle_batch=self.options.requests + 1 if self.options.batch else 1,
            settle_age=BATCH_SECONDS if self.options.batch else 0,
        )

    async def start_operator(self, spec: NodeSpec) -> Operator:
        async with self._funding:  # the giver is one account, its transactions come one after another
            await self.localnet.fund(spec.key.address, POCKET)
        operator = Operator(spec)
        self._read_ready(operator, await self.crew.launch(spec))
        self.operators.append(operator)
        return operator

    async def restart(self, operator: Operator) -> None:
        """Start a killed node again, with the same key and data."""
        self._read_ready(operator, await self.crew.launch(operator.spec))

    def _read_ready(self, operator: Operator, ready: dict[str, object]) -> None:
        operator.grpc = str(ready.get("grpc", ""))
        listen = ready.get("listen")
        operator.listen = tuple(str(a) for a in listen) if isinstance(listen, list) else ()
        role = ", which will cheat" if operator.spec.cheat else ""
        self.say(f"  {operator.spec.name} {short(operator.address)} serves on {operator.grpc}{role}")

    async def dismiss(self, count: int) -> None:
        """End the last nodes in good order: their seats stay, and nobody sits on them."""
        for operator in self.operators[len(self.operators) - count :]:
            self.say(f"  {operator.spec.name} leaves: its part of the verifiers' pool will be burned")
            await self.crew.stop(operator.address)

    @property
    def present(self) -> list[Operator]:
        return [o for o in self.operators if o.address in self.crew.running]

    async def take_snapshot(self) -> None:
        """Each consumer's new numbered committee of all that have committed, known to every node."""
        since = len(self.crew.told)
        for consumer in self.consumers:
            await consumer.take_snapshot(len(self.operators))
        for consumer in self.consumers:
            await self.crew.all_told("snapshot", MESH_SECONDS, since, consumer=consumer.address.hex())
        everybody = len(self.operators) - 1
        for operator in self.operators:
            await self.crew.until(
                lambda t, o=operator: (  # type: ignore[misc]
                    t.address == o.address and t.name == "peers" and t.fields.get("count", 0) >= everybody
                ),
                MESH_SECONDS,
            )

    async def first_prover(self, order: Order) -> Address:
        """Who will prove first: anybody can compute it."""
        assert self.chain is not None
        request = order.signed.message
        anchor = request.details.anchor_block
        latest = await self.chain.latest_proof(request.consumer, anchor) or request.details.image_digest
        seed = selection_seed(self.chain.domain, request.consumer, latest, order.id, b"")
        return ranking(seed, order.snapshot)[0]

    async def aclose(self) -> None:
        if self.gateway is not None:
            await self.gateway.aclose()
        await self.crew.aclose()
        if self._events is not None:
            self._events.cancel()
        for consumer in self.consumers:
            await consumer.chain.aclose()
        await self.localnet.aclose()
