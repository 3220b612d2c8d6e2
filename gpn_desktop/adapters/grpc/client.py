"""A consumer's side of ``gpn.v1``: domain values in and out, and the errors that the node itself raised."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self, cast

import grpc

from gpn_desktop.adapters.grpc import convert
from gpn_desktop.adapters.grpc.pb import gpn_pb2 as pb
from gpn_desktop.adapters.grpc.pb import gpn_pb2_grpc
from gpn_desktop.adapters.grpc.status import CODE_KEY, error_from
from gpn_desktop.core.messages import MAX_BLOB_BYTES, Signed
from gpn_desktop.core.types import Address, Canary, Domain, Hash32, Request
from gpn_desktop.services.views import ConsumerView, JobView, ProofView

PIECE_BYTES: Final = 512 * 1024
LARGEST_MESSAGE: Final = MAX_BLOB_BYTES + 1024 * 1024


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """Whom one talks to, and the domain that requests to it are signed under."""

    address: Address
    version: str
    network: str
    domain: Domain
    head: int
    chain_up: bool
    peers: int


class ProvingClient:
    """A connection to one node; every call raises subclasses of GpnError only.

    ``within`` bounds each call but ``watch``, in seconds. ``root_certificate`` (PEM) turns TLS on; an empty
    one means the system's own.
    """

    def __init__(self, target: str, root_certificate: bytes | None = None, within: float = 30.0) -> None:
        options = [
            ("grpc.max_receive_message_length", LARGEST_MESSAGE),
            ("grpc.max_send_message_length", LARGEST_MESSAGE),
            # Without data a watch would not notice that its node is gone.
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 20_000),
        ]
        if root_certificate is None:
            self._channel = grpc.aio.insecure_channel(target, options)
        else:
            credentials = grpc.ssl_channel_credentials(root_certificate or None)
            self._channel = grpc.aio.secure_channel(target, credentials, options)
        self._stub = gpn_pb2_grpc.ProvingNetworkStub(self._channel)
        self._within = within

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._channel.close()

    async def submit(self, request: Request, signature: bytes, payload: bytes) -> Hash32:
        """Send a signed request with its payload; the request's id."""
        parts = _parts(request, signature, payload)
        with _errors():
            response = await self._stub.SubmitRequest(parts, timeout=self._within)
        return Hash32(response.request_id)

    async def watch(self, request_id: Hash32) -> AsyncIterator[JobView]:
        """The request's states until it has ended."""
        with _errors():
            call = self._stub.WatchRequest(pb.WatchRequestRequest(request_id=request_id))
            try:
                async for state in call:
                    yield convert.state_from_pb(state)
            finally:
                call.cancel()

    async def proof(self, wanted: str) -> ProofView:
        """By the client's own id at this node, or by the 0x request id."""
        with _errors():
            response = await self._stub.GetProof(pb.GetProofRequest(id=wanted), timeout=self._within)
        return convert.proof_from_pb(response)

    async def cancel(self, request_id: Hash32, signature: bytes) -> None:
        """``signature`` is the consumer's under ``Cancel``."""
        message = pb.CancelRequestRequest(request_id=request_id, signature=signature)
        with _errors():
            await self._stub.CancelRequest(message, timeout=self._within)

    async def offer_canary(self, order: Signed[Canary]) -> None:
        """The order is the consumer's; to the node of the prover that it names."""
        asked = order.message
        message = pb.OfferCanaryRequest(
            consumer=order.signer,
            request_id=asked.request_id,
            prover=asked.prover,
            signature=order.signature,
        )
        with _errors():
            await self._stub.OfferCanary(message, timeout=self._within)

    async def consumers(self) -> list[ConsumerView]:
        with _errors():
            response = await self._stub.ListConsumers(pb.ListConsumersRequest(), timeout=self._within)
        return [convert.consumer_from_pb(message) for message in response.consumers]

    async def info(self) -> NodeInfo:
        with _errors():
            node = await self._stub.NodeInfo(pb.NodeInfoRequest(), timeout=self._within)
        return NodeInfo(
            address=Address(node.address),
            version=node.version,
            network=node.network,
            domain=convert.domain_from_pb(node.domain),
            head=node.head,
            chain_up=node.chain_up,
            peers=node.peers,
        )


def _parts(request: Request, signature: bytes, payload: bytes) -> Iterator[pb.SubmitRequestPart]:
    head = pb.SubmitRequestHead(
        request=convert.request_to_pb(request), signature=signature, payload_size=len(payload)
    )
    yield pb.SubmitRequestPart(head=head)
    for start in range(0, len(payload), PIECE_BYTES):
        yield pb.SubmitRequestPart(payload=payload[start : start + PIECE_BYTES])


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except grpc.aio.AioRpcError as error:
        trailing = cast("list[tuple[str, Any]]", list(error.trailing_metadata() or ()))
        codes = [value for key, value in trailing if key == CODE_KEY]
        raise error_from(error.code(), error.details() or "", codes[0] if codes else None) from error
