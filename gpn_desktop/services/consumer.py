"""The consumer's side: order a proof in the terms of the chain, sign the order, know its id before anyone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from gpn_desktop.core import errors
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.messages import Signed
from gpn_desktop.core.request import (
    NONCE_WINDOW,
    AnchorFacts,
    check,
    check_payload,
    check_ref,
    default_quorum,
)
from gpn_desktop.core.types import (
    ZERO_HASH,
    Address,
    Canary,
    Details,
    Domain,
    Gwei,
    Hash32,
    Request,
    Role,
    Signature,
    Snapshot,
)
from gpn_desktop.ports.chain import Block, Chain, ConsumerInfo
from gpn_desktop.ports.nonces import IsSame, NonceBook, SignAt
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services.views import JobView, ProofView

DEADLINE_SECONDS: Final = 1800
NO_SIGNATURE: Final = Signature(bytes(65))


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


class SignedHere:
    """``ports.nonces.NonceBook`` for as long as this object lives: of a demo, whose chain lives no longer."""

    def __init__(self) -> None:
        self._signed: dict[tuple[Domain, Address, int], Signed[Request]] = {}

    async def sign_once(
        self, domain: Domain, consumer: Address, base: int, free: Sequence[int], sign: SignAt, same: IsSame
    ) -> Signed[Request]:
        for earlier in await self.signed(domain, consumer):
            if earlier.message.nonce < base:
                del self._signed[domain, consumer, earlier.message.nonce]
            elif same(earlier.message):
                return earlier
        for nonce in free:
            if (domain, consumer, nonce) not in self._signed:
                signed = self._signed[domain, consumer, nonce] = sign(nonce)
                return signed
        raise errors.NonceUsed("All nonces of the window are in use; wait for settlements.")

    async def signed(self, domain: Domain, consumer: Address) -> list[Signed[Request]]:
        mine = [s for (d, c, _), s in self._signed.items() if (d, c) == (domain, consumer)]
        return sorted(mine, key=lambda signed: signed.message.nonce)

    async def discard(self, domain: Domain, signed: Signed[Request]) -> None:
        self._signed.pop((domain, signed.signer, signed.message.nonce), None)


class ConsumerSide:
    """``confirmations``: the depth of the anchor block. ``nonces`` knows what was signed before."""

    def __init__(
        self, chain: Chain, key: NodeKey, confirmations: int, nonces: NonceBook | None = None
    ) -> None:
        self._chain = chain
        self._key = key
        self._confirmations = confirmations
        self._nonces = nonces or SignedHere()

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
        draft, seats, info, _ = await self._draft(ref, payload, reward, turn_seconds, quorum, lifetime)
        return Order(await self._sign(draft, info, lambda _: False), payload, seats)

    async def order_once(
        self, ref: str, payload: bytes, reward: Gwei, turn_seconds: int, quorum: int | None = None
    ) -> Order:
        """Like ``order``; the same order again is the same request for as long as a gateway takes it.

        Raises:
            RequestRefused: what every node would refuse is not signed.
        """
        draft, seats, info, anchor = await self._draft(
            ref, payload, reward, turn_seconds, quorum, DEADLINE_SECONDS
        )
        check_payload(draft, payload)
        await self._check(draft, seats, info, anchor)

        def same(earlier: Request) -> bool:
            details = replace(earlier.details, anchor_block=draft.details.anchor_block)
            moved = replace(earlier, nonce=draft.nonce, deadline=draft.deadline, details=details)
            return moved == draft and earlier.deadline > anchor.time

        return Order(await self._sign(draft, info, same), payload, seats)

    def canary(self, order: Order, prover: Address) -> Signed[Canary]:
        """Ask a prover of the committee for a false proof of this request, whose result is then ignored.

        CanaryRefused where it is not a member that proves.
        """
        if all(s.address != prover or not s.roles & Role.PROVE for s in order.snapshot.seats):
            raise errors.CanaryRefused("This node does not prove in the request's committee.")
        canary = Canary(order.id, prover)
        return Signed[Canary].sign(canary, self._key.secret, self._key.address, self._chain.domain)

    async def discard(self, order: Order) -> None:
        """The order was never sent, so its nonce is free again."""
        await self._nonces.discard(self._chain.domain, order.signed)

    async def _draft(
        self, ref: str, payload: bytes, reward: Gwei, turn_seconds: int, quorum: int | None, lifetime: int
    ) -> tuple[Request, Snapshot, ConsumerInfo, Block]:
        """The request but for its nonce, its committee, and the consumer at its anchor block."""
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
            nonce=info.nonce_base,
            reward=reward,
            deadline=anchor.time + lifetime,
            quorum=quorum or default_quorum(snapshot),
            snapshot_id=info.snapshot_id,
            payload_hash=keccak(payload),
            details=Details(turn_seconds, info.image_digest, anchor.number, ref),
        )
        return request, snapshot, info, anchor

    async def _sign(self, draft: Request, info: ConsumerInfo, same: IsSame) -> Signed[Request]:
        """On a nonce that is free at the anchor block and at the head."""
        domain, key = self._chain.domain, self._key
        newest = await self._chain.consumer(key.address) or info
        free = sorted(free_nonces(info) & free_nonces(newest))

        def sign(nonce: int) -> Signed[Request]:
            return Signed[Request].sign(replace(draft, nonce=nonce), key.secret, key.address, domain)

        return await self._nonces.sign_once(domain, key.address, info.nonce_base, free, sign, same)

    async def _check(self, draft: Request, seats: Snapshot, info: ConsumerInfo, anchor: Block) -> None:
        terms = await self._chain.params()
        facts = AnchorFacts(
            registered=True,
            exiting=info.exit_at != 0,
            image_digest=info.image_digest,
            snapshot=seats,
            snapshot_in_force=info.snapshot_id,
            nonce_base=info.nonce_base,
            nonce_window=0,  # the nonce is chosen later, among the free ones
            anchor_time=anchor.time,
            min_reward=terms.min_reward,
            max_lifetime=terms.max_lifetime,
        )
        check(Signed(draft, NO_SIGNATURE, draft.consumer, ZERO_HASH), facts)


def free_nonces(info: ConsumerInfo) -> set[int]:
    """Those of the window that the chain has not seen used."""
    return {info.nonce_base + i for i in range(NONCE_WINDOW) if not info.nonce_window >> i & 1}
