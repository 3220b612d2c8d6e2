"""The consumer's side: order a proof in the terms of the chain, sign the order, know its id before anyone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Protocol

from gpn_desktop.core import errors
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.messages import Signed
from gpn_desktop.core.request import NONCE_WINDOW, check_ref, default_quorum
from gpn_desktop.core.types import Details, Gwei, Hash32, Request, Snapshot
from gpn_desktop.ports.chain import Chain, ConsumerInfo
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services.views import JobView, ProofView

DEADLINE_SECONDS: Final = 1800


class Gateway(Protocol):
    """A node as its consumers reach it. Raises the node's own errors, NetworkDown when it is not there."""

    async def submit(self, request: Request, signature: bytes, payload: bytes) -> Hash32: ...

    def watch(self, request_id: Hash32) -> AsyncIterator[JobView]: ...

    async def proof(self, wanted: str) -> ProofView: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Order:
    """A signed request, ready to be sent to any node."""

    signed: Signed[Request]
    payload: bytes
    snapshot: Snapshot

    @property
    def id(self) -> Hash32:
        return self.signed.digest


class ConsumerSide:
    def __init__(self, chain: Chain, key: NodeKey, confirmations: int) -> None:
        self._chain = chain
        self._key = key
        self._confirmations = confirmations
        self._used: set[int] = set()

    async def order(
        self,
        ref: str,
        payload: bytes,
        reward: Gwei,
        turn_seconds: int,
        quorum: int | None = None,
        lifetime: int = DEADLINE_SECONDS,
    ) -> Order:
        """Anchor at the newest confirmed block, take a free nonce, sign. ``turn_seconds`` is one prover's.

        Raises:
            UnknownConsumer, SnapshotNotInForce, NonceUsed: what the chain says against it.
        """
        check_ref(ref)
        head = await self._chain.head()
        anchor = await self._chain.block(max(head.number - self._confirmations, 0))
        if anchor is None:
            raise errors.AnchorUnknown("The chain has no block to anchor the request at.")
        info = await self._chain.consumer(self._key.address, anchor.number)
        if info is None:
            raise errors.UnknownConsumer("This key's address is not a registered consumer.")
        snapshot = await self._chain.snapshot(self._key.address, info.snapshot_id)
        if snapshot is None:
            raise errors.SnapshotNotInForce("No committee snapshot was taken for this consumer yet.")
        request = Request(
            consumer=self._key.address,
            nonce=self._nonce(info),
            reward=reward,
            deadline=anchor.time + lifetime,
            quorum=quorum or default_quorum(snapshot),
            snapshot_id=info.snapshot_id,
            payload_hash=keccak(payload),
            details=Details(turn_seconds, info.image_digest, anchor.number, ref),
        )
        signed = Signed[Request].sign(request, self._key.secret, self._key.address, self._chain.domain)
        self._used.add(request.nonce)
        return Order(signed, payload, snapshot)

    def discard(self, order: Order) -> None:
        """The order was never sent, so its nonce is free again."""
        self._used.discard(order.signed.message.nonce)

    def _nonce(self, info: ConsumerInfo) -> int:
        for offset in range(NONCE_WINDOW):
            nonce = info.nonce_base + offset
            if not info.nonce_window >> offset & 1 and nonce not in self._used:
                return nonce
        raise errors.NonceUsed("All nonces of the window are in use; wait for settlements.")
