"""Two peers that gossip, as a process of its own: ``python -m tests.bench.window_gossip ADDRESS``."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Final

from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.messages import DeclineMessage, Signed
from gpn_desktop.core.types import Address, Decline
from gpn_desktop.services.demo.stage import new_key
from tests.bench.transfer import DOMAIN, Shelf
from tests.contract.network.world import eventually

CONSUMER: Final = Address(bytes([7]) * 20)
RATE: Final = 200  # messages a second, of both
PEERS: Final = 2


async def gossip(target: str) -> None:
    async def one() -> None:
        key = new_key()
        network = LibP2PNetwork(key, DOMAIN, NetworkOptions(bootstrap=(target,)))
        await network.start(Shelf())
        await network.join(CONSUMER)
        await eventually(lambda: network.committee_peers(CONSUMER) > 0)
        sent, since = 0, time.monotonic()
        while True:
            statement = Decline(keccak(sent.to_bytes(8, "big") + key.address), key.address)
            signed = Signed[Decline].sign(statement, key.secret, key.address, DOMAIN)
            await network.publish(DeclineMessage(CONSUMER, signed, "full"))
            sent += 1
            await asyncio.sleep(max(0.0, since + sent * PEERS / RATE - time.monotonic()))

    await asyncio.gather(*(one() for _ in range(PEERS)))


if __name__ == "__main__":
    asyncio.run(gossip(sys.argv[1]))
