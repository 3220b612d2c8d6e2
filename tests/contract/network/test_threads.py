"""A network that was closed leaves nothing running."""

from __future__ import annotations

import threading

from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.core.messages import PeerMessage
from gpn_desktop.core.types import Address, Domain, Hash32
from gpn_desktop.services.demo.stage import new_key


class Nothing:
    async def blob(self, hash32: Hash32) -> bytes | None:
        return None

    async def since(self, consumer: Address, cursor: int, limit: int) -> tuple[list[PeerMessage], int]:
        return [], cursor

    async def attest(self, votes: tuple[Hash32, ...]) -> bytes | None:
        return None


def daemons() -> set[int | None]:
    """The worker threads of asyncio and trio are kept for later work; any other has to end."""
    kept = ("asyncio_", "Trio thread")
    return {t.ident for t in threading.enumerate() if not t.name.startswith(kept)}


async def test_no_thread_outlives_its_network() -> None:
    before = daemons()
    for _ in range(2):
        network = LibP2PNetwork(new_key(), Domain(1, Address(bytes(20))), NetworkOptions())
        await network.start(Nothing())
        await network.aclose()
    assert daemons() <= before
