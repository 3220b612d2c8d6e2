"""How long large payloads and proofs take to those that need them, over real libp2p on loopback.

All nodes live in one process here and share its interpreter lock, which makes the figures worse than those of
a network of processes.
"""

from __future__ import annotations

import asyncio
import os
import time

from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.messages import PeerMessage
from gpn_desktop.core.types import Address, Domain, Hash32
from gpn_desktop.services.demo.stage import new_key
from tests.bench.rows import Row

NAMES = ("1 MB proof to 4 verifiers", "32 MB input to one node")
MIB = 1024 * 1024
DOMAIN = Domain(31337, Address(bytes([9]) * 20))
ROUNDS = 5


class Shelf:
    """Blobs to hand out."""

    def __init__(self, *blobs: bytes) -> None:
        self._blobs = {keccak(blob): blob for blob in blobs}

    async def blob(self, hash32: Hash32) -> bytes | None:
        return self._blobs.get(hash32)

    async def since(self, consumer: Address, cursor: int, limit: int) -> tuple[list[PeerMessage], int]:
        return [], cursor

    async def attest(self, votes: tuple[Hash32, ...]) -> bytes | None:
        return None


async def measure() -> list[Row]:
    small = [os.urandom(MIB) for _ in range(ROUNDS)]
    large = os.urandom(32 * MIB)
    source = LibP2PNetwork(new_key(), DOMAIN, NetworkOptions())
    await source.start(Shelf(*small, large))
    bootstrap = source.listen_addresses()
    others = [LibP2PNetwork(new_key(), DOMAIN, NetworkOptions(bootstrap=bootstrap)) for _ in range(4)]
    try:
        for network in others:
            await network.start(Shelf())
        await asyncio.gather(*(network.connect(bootstrap[0]) for network in others))
        proofs = [await _all(others, source.address, blob) for blob in small]
        whole = await _all(others[:1], source.address, large)
    finally:
        for network in (*others, source):
            await network.aclose()
    return [
        Row(NAMES[0], round(sorted(proofs)[ROUNDS // 2], 3), "<= 0.3", "s"),
        Row(NAMES[1], round(whole, 3), "<= 3", "s"),
    ]


async def _all(networks: list[LibP2PNetwork], provider: Address, blob: bytes) -> float:
    """Seconds until each of the networks has the blob."""
    digest = keccak(blob)
    began = time.perf_counter()
    got = await asyncio.gather(*(n.fetch(digest, len(blob), [provider], 60) for n in networks))
    spent = time.perf_counter() - began
    assert all(data == blob for data in got)
    return spent
