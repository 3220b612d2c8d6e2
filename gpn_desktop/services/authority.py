"""Who decides what a valid request is and in which order its committee proves: the chain, or a fixed list.

Both answer the same questions, so that nothing behind this module asks in which mode the node runs.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from gpn_desktop.core import errors
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.events import OrderKnown
from gpn_desktop.core.messages import Signed
from gpn_desktop.core.request import AnchorFacts, check
from gpn_desktop.core.selection import ranking, selection_seed
from gpn_desktop.core.types import (
    ZERO_HASH,
    Address,
    Domain,
    Gwei,
    Hash32,
    Millis,
    Request,
    Role,
    Seat,
    Snapshot,
)
from gpn_desktop.ports.chain import Block, Chain, ConsumerInfo, ContractParams
from gpn_desktop.ports.clock import Clock
from gpn_desktop.ports.runtime import ImageRef
from gpn_desktop.ports.store import Store
from gpn_desktop.services.context import log

ANCHOR_WAIT: Final = 20.0  # seconds that a node gives its own endpoint to reach a request's anchor block
LATE_MS: Final = 5_000  # the skew allowance after the beacon block
MAX_STALENESS: Final = 600.0  # seconds by which this machine's clock may correct the first block seen
SMALL_STEP_MS: Final = 15_000
MAX_RECEIVED: Final = 4096  # requests whose time of arrival testing mode remembers


class Authority(Protocol):
    domain: Domain
    unique_nonces: bool
    """Whether two requests of one consumer on one nonce are a contradiction."""

    def now(self) -> Millis:
        """Chain time."""
        ...

    async def admit(self, signed: Signed[Request], patient: bool = True) -> Snapshot:
        """The committee that serves the request; RequestRefused with the first rule that it breaks.

        ``patient``: wait a little for an anchor block that is not known here yet, before AnchorUnknown.
        """
        ...

    def open_until(self, request: Request) -> Millis:
        """When nothing can come of a verified request any more."""
        ...

    async def snapshot(self, request: Request) -> Snapshot | None:
        """The committee of a request that was admitted before."""
        ...

    async def order(self, request_id: Hash32, request: Request, snapshot: Snapshot) -> OrderKnown | None:
        """None until the beacon block exists."""
        ...

    def is_late(self, order: OrderKnown, received: Millis) -> bool:
        """Received so late that the requester may have seen the beacon first (protocol.md, Selection)."""
        ...

    def balance(self, consumer: Address) -> Gwei | None:
        """What the consumer had on the contract when last looked at; None where there is no contract."""
        ...

    async def image(self, request: Request) -> ImageRef: ...

    async def verified(self, consumer: Address, proof_hash: Hash32) -> None:
        """A proof of the consumer was accepted."""
        ...


class ChainTime:
    """Milliseconds of chain time: the last block's time and what has passed since on a monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._base = 0.0
        self._at = 0.0
        self._last = 0

    def saw(self, block: Block) -> None:
        first = self._base == 0
        self._base = float(block.time)
        self._at = self._clock.monotonic()
        if first:
            # The block may have been there for a while; only the wall clock can tell for how long.
            self._at -= min(max(self._clock.unix() - block.time, 0.0), MAX_STALENESS)

    @property
    def block_time(self) -> int:
        """Of the last block, in Unix seconds; 0 before the first."""
        return int(self._base)

    def now(self) -> Millis:
        """Never steps back by the rounding of block times; a reorganisation may take it back further."""
        computed = int((self._base + self._clock.monotonic() - self._at) * 1000)
        if not 0 < self._last - computed < SMALL_STEP_MS:
            self._last = computed
        return Millis(self._last)


class ChainAuthority:
    """The rules by the settlement contract's state at each request's anchor block."""

    unique_nonces = True

    def __init__(self, chain: Chain, clock: Clock, confirmations: int, beacon_delay: int) -> None:
        self.domain = chain.domain
        self.time = ChainTime(clock)
        self.head = 0
        self.balances: dict[Address, Gwei] = {}
        self._chain = chain
        self._confirmations = confirmations
        self._beacon_delay = beacon_delay
        self._snapshots: dict[tuple[Address, int], Snapshot] = {}
        self._images: dict[Hash32, ImageRef] = {}
        self._latest: dict[tuple[Address, int], Hash32 | None] = {}
        self._params: ContractParams | None = None
        self._new_head = asyncio.Event()

    def saw(self, block: Block) -> None:
        """Called for each new head."""
        self.time.saw(block)
        self.head = block.number
        self._new_head.set()
        self._new_head = asyncio.Event()

    def reorged(self) -> None:
        self._latest.clear()
        self._snapshots.clear()

    def now(self) -> Millis:
        return self.time.now()

    async def params(self) -> ContractParams:
        if self._params is None:
            self._params = await self._chain.params()
        return self._params

    def open_until(self, request: Request) -> Millis:
        grace = self._params.settle_grace if self._params is not None else 0
        return Millis((request.deadline + grace) * 1000)

    async def admit(self, signed: Signed[Request], patient: bool = True) -> Snapshot:
        request = signed.message
        anchor = await self._anchor(request.details.anchor_block, patient)
        consumer, params = await asyncio.gather(
            self._chain.consumer(request.consumer, anchor.number), self.params()
        )
        if consumer is not None:
            self.balances[request.consumer] = consumer.balance
        snapshot = await self.snapshot(request)
        committee = check(signed, _facts(request, consumer, snapshot, anchor, params))
        if consumer is not None:
            # Kept: the chain may be away, and the consumer's image another one, when the proof is judged.
            self._images[consumer.image_digest] = ImageRef(consumer.image_name, consumer.image_digest)
        return committee

    async def _anchor(self, number: int, patient: bool) -> Block:
        """The anchor block; waits a little where this node's endpoint is behind the consumer's."""
        needed = number + self._confirmations
        try:
            async with asyncio.timeout(ANCHOR_WAIT):
                while patient and self.head < needed:
                    await self._new_head.wait()
        except TimeoutError:
            log.info("block %d did not come within %g s", needed, ANCHOR_WAIT)
        if self.head < needed:
            raise errors.AnchorUnknown(f"Block {number} is not confirmed here yet.")
        block = await self._chain.block(number)
        if block is None:
            raise errors.AnchorUnknown(f"Block {number} does not exist here.")
        return block

    async def snapshot(self, request: Request) -> Snapshot | None:
        key = (request.consumer, request.snapshot_id)
        known = self._snapshots.get(key)
        if known is None:
            known = await self._chain.snapshot(*key)
            if known is not None:
                self._snapshots[key] = known
        return known

    async def order(self, request_id: Hash32, request: Request, snapshot: Snapshot) -> OrderKnown | None:
        anchor = request.details.anchor_block
        block = await self._chain.block(anchor + self._beacon_delay)
        if block is None:
            return None
        latest = await self.latest_proof(request.consumer, anchor) or request.details.image_digest
        beacon = block.hash if self._beacon_delay else b""
        seed = selection_seed(self.domain, request.consumer, latest, request_id, beacon)
        return OrderKnown(seed, ranking(seed, snapshot), Millis(block.time * 1000))

    async def latest_proof(self, consumer: Address, block: int) -> Hash32 | None:
        """By anchor block: many requests share one, and a past block's answer never changes."""
        key = (consumer, block)
        if key not in self._latest:
            if len(self._latest) > 256:
                self._latest.clear()
            self._latest[key] = await self._chain.latest_proof(consumer, block)
        return self._latest[key]

    def balance(self, consumer: Address) -> Gwei | None:
        return self.balances.get(consumer)

    def is_late(self, order: OrderKnown, received: Millis) -> bool:
        """Without a beacon there is nothing to wait for, so nobody can be late."""
        return self._beacon_delay > 0 and received > order.t0 + LATE_MS

    async def image(self, request: Request) -> ImageRef:
        digest = request.details.image_digest
        if digest not in self._images:
            info = await self._chain.consumer(request.consumer)
            if info is None or info.image_digest != digest:
                raise errors.ImageUnavailable("The consumer has registered another image since.")
            self._images[digest] = ImageRef(info.image_name, digest)
        return self._images[digest]

    async def verified(self, consumer: Address, proof_hash: Hash32) -> None:
        """The contract's event says it when the proof is settled."""


def _facts(
    request: Request,
    consumer: ConsumerInfo | None,
    snapshot: Snapshot | None,
    anchor: Block,
    params: ContractParams,
) -> AnchorFacts:
    return AnchorFacts(
        registered=consumer is not None,
        exiting=consumer is not None and consumer.exit_at != 0,
        image_digest=consumer.image_digest if consumer else ZERO_HASH,
        snapshot=snapshot,
        snapshot_in_force=consumer.snapshot_id if consumer else 0,
        nonce_base=consumer.nonce_base if consumer else 0,
        nonce_window=consumer.nonce_window if consumer else 0,
        anchor_time=anchor.time,
        min_reward=params.min_reward,
        max_lifetime=params.max_lifetime,
    )


class TestingAuthority:
    """``MODE=testing``: a fixed committee, the latest proof from the store, no chain anywhere.

    A request's anchor is the gateway's Unix time in milliseconds, and it is the gateway that signs for
    clients of the seed's form, which carry no signature that could be checked. The request's nonce holds the
    first 8 bytes of the last proof verified at the gateway: each node's own last one would give the nodes
    different orders whenever two requests overlap.
    """

    unique_nonces = False
    MAX_LIFETIME: Final = 3600
    EARLY_MS: Final = 5_000
    LATE_MS: Final = 30_000

    def __init__(
        self,
        domain: Domain,
        members: tuple[Address, ...],
        images: tuple[ImageRef, ...],
        clock: Clock,
        store: Store,
        quorum: int = 1,
    ) -> None:
        self.domain = domain
        self._seats = tuple(
            Seat(a, i, Role.PROVE | Role.VERIFY, 1) for i, a in enumerate(sorted(set(members)))
        )
        self._images = {testing_consumer(image.name): image for image in images}
        self._clock = clock
        self._store = store
        self.quorum = quorum
        self._received: dict[Hash32, Millis] = {}

    def now(self) -> Millis:
        return Millis(int(self._clock.unix() * 1000))

    def image_named(self, name: str) -> ImageRef | None:
        return self._images.get(testing_consumer(name.split("@")[0]))

    def image_of(self, consumer: Address) -> ImageRef | None:
        return self._images.get(consumer)

    def committee(self, consumer: Address) -> Snapshot | None:
        image = self._images.get(consumer)
        return None if image is None else Snapshot(consumer, 1, image.digest, self._seats)

    def open_until(self, request: Request) -> Millis:
        """There is nothing to settle; peers that come late can still ask until the deadline."""
        return Millis(request.deadline * 1000)

    async def admit(self, signed: Signed[Request], patient: bool = True) -> Snapshot:
        request = signed.message
        snapshot = self.committee(request.consumer)
        facts = AnchorFacts(
            registered=snapshot is not None,
            exiting=False,
            image_digest=snapshot.image_digest if snapshot else ZERO_HASH,
            snapshot=snapshot,
            snapshot_in_force=1,
            nonce_base=request.nonce,  # the ref is what may not repeat here
            nonce_window=0,
            anchor_time=request.details.anchor_block // 1000,
            min_reward=Gwei(0),
            max_lifetime=self.MAX_LIFETIME,
            quorum_floor=1,
        )
        gateways = {seat.address for seat in self._seats}
        vouched = Signed(request, signed.signature, request.consumer, signed.digest)
        checked = check(vouched if signed.signer in gateways else signed, facts)
        self._received.setdefault(signed.digest, self.now())
        if len(self._received) > MAX_RECEIVED:
            del self._received[next(iter(self._received))]
        return checked

    async def snapshot(self, request: Request) -> Snapshot | None:
        return self.committee(request.consumer)

    async def order(self, request_id: Hash32, request: Request, snapshot: Snapshot) -> OrderKnown | None:
        latest = Hash32(request.nonce.to_bytes(32, "big"))
        seed = selection_seed(self.domain, request.consumer, latest, request_id, b"")
        received = self._received.get(request_id, Millis(request.details.anchor_block))
        t0 = min(max(request.details.anchor_block, received - self.LATE_MS), received + self.EARLY_MS)
        return OrderKnown(seed, ranking(seed, snapshot), Millis(t0))

    def balance(self, consumer: Address) -> Gwei | None:
        return None

    def is_late(self, order: OrderKnown, received: Millis) -> bool:
        return False

    async def image(self, request: Request) -> ImageRef:
        image = self.image_of(request.consumer)
        if image is None:
            raise errors.UnknownImage("No configured image belongs to this consumer.")
        return image

    async def nonce(self, consumer: Address) -> int:
        latest = await self._store.get(_latest_name(consumer))
        return int.from_bytes((latest or bytes(8))[:8], "big")

    async def verified(self, consumer: Address, proof_hash: Hash32) -> None:
        await self._store.set(_latest_name(consumer), proof_hash)


def testing_consumer(image_name: str) -> Address:
    """In testing mode a consumer is its image: old clients sign with nothing that names them."""
    return Address(keccak(b"GPN-testing consumer", image_name.encode())[12:])


def _latest_name(consumer: Address) -> str:
    return f"latest:{consumer.hex()}"
