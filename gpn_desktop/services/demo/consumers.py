"""A demo's consumer: an account of its own, with its own deposit, image and committee."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gpn_desktop.core.types import Address, Gwei, Wei
from gpn_desktop.ports.calls import RegisterConsumer, TakeSnapshot
from gpn_desktop.ports.chain import Chain
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services.consumer import ConsumerSide, Order
from gpn_desktop.services.demo.model import DemoImage

DEPOSIT: Final = Wei(10**18)


@dataclass(frozen=True, slots=True)
class DemoConsumer:
    """``chain`` signs with ``key``; it is opened and closed with the stage."""

    name: str
    image: DemoImage
    key: NodeKey
    chain: Chain
    side: ConsumerSide

    @property
    def address(self) -> Address:
        return self.key.address

    async def register(self) -> None:
        """With its image and its deposit."""
        call = RegisterConsumer(self.image.name, self.image.digest, DEPOSIT)
        await self.chain.submit("register consumer", call)

    async def take_snapshot(self, number: int) -> None:
        """A new committee of all that have committed; ``number`` tells this one from earlier ones."""
        await self.chain.submit(f"snapshot {number}", TakeSnapshot(self.address))

    async def order(self, ref: str, reward: int, turn_seconds: int) -> Order:
        """A signed request for the image's sample."""
        return await self.side.order(ref, self.image.sample, Gwei(reward), turn_seconds)

    async def discard(self, order: Order) -> None:
        """An order that was never sent; its nonce is free again."""
        await self.side.discard(order)
