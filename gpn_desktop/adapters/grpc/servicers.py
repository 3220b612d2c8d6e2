"""The two services, call by call: limits, conversion, the facade, and our errors as statuses."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypeVar

import grpc
from google.protobuf.empty_pb2 import Empty

from gpn_desktop.adapters.grpc import convert
from gpn_desktop.adapters.grpc.limits import Rate, RateLimiter, host_of
from gpn_desktop.adapters.grpc.pb import gpn_pb2, gpn_pb2_grpc, seed_pb2, seed_pb2_grpc
from gpn_desktop.adapters.grpc.status import CODE_KEY, details_of, status_of
from gpn_desktop.core.eip712 import BadSignature
from gpn_desktop.core.errors import (
    BadRequestSignature,
    GpnError,
    PayloadTooLarge,
    RateLimited,
    RequestRefused,
)
from gpn_desktop.core.messages import MAX_BLOB_BYTES, Signed
from gpn_desktop.core.request import check_ref
from gpn_desktop.core.types import Domain, Request
from gpn_desktop.services.facade import Facade

log = logging.getLogger(__name__)

T = TypeVar("T")
Context = grpc.aio.ServicerContext[Any, Any]
MAX_ID_CHARS: Final = 128


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may do. ``idle`` is how many seconds an upload may stand still."""

    per_consumer: Rate = field(default_factory=lambda: Rate(20, 100))
    per_host: Rate = field(default_factory=lambda: Rate(500, 2_000))
    uploads: int = 8
    watches_per_host: int = 100
    idle: float = 30.0
    payload: int = MAX_BLOB_BYTES


@dataclass(slots=True)
class Gate:
    """The limits at work, shared by both services."""

    limits: Limits
    now: Callable[[], float] = time.monotonic
    consumers: RateLimiter = field(init=False)
    hosts: RateLimiter = field(init=False)
    _uploads: int = field(init=False, default=0)
    _watches: Counter[str] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self.consumers = RateLimiter(self.limits.per_consumer, self.now)
        self.hosts = RateLimiter(self.limits.per_host, self.now)

    @asynccontextmanager
    async def upload(self) -> AsyncIterator[None]:
        """A place for an upload: together they hold no more memory than the places allow."""
        if self._uploads >= self.limits.uploads:
            raise RateLimited(f"{self._uploads} uploads are under way.")
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1

    @contextmanager
    def watch(self, host: str) -> Iterator[None]:
        """A place for a call that may last for days: one host cannot take all that the server has."""
        self.hosts.take(host)
        if self._watches[host] >= self.limits.watches_per_host:
            raise RateLimited(f"{self._watches[host]} requests are watched from here already.")
        self._watches[host] += 1
        try:
            yield
        finally:
            self._watches[host] -= 1
            if not self._watches[host]:
                del self._watches[host]


async def _abort(context: Context, error: GpnError) -> NoReturn:
    await context.abort(status_of(error), details_of(error), ((CODE_KEY, error.code),))


async def _abort_unexpected(context: Context) -> NoReturn:
    log.exception("a call failed unexpectedly")
    await _abort(context, GpnError("The node failed."))


async def answer(context: Context, gate: Gate, work: Callable[[], Awaitable[T]]) -> T:
    """Count the call, do the work, and turn what it raises into a status."""
    try:
        gate.hosts.take(host_of(context.peer()))
        return await work()
    except GpnError as error:
        await _abort(context, error)
    except Exception:  # noqa: BLE001 - logged; one bad call must never stop the node
        await _abort_unexpected(context)


class SeedService(seed_pb2_grpc.ProvingNetworkServiceServicer):
    """``proto.ProvingNetworkService``, as clients of the prototype know it."""

    def __init__(self, facade: Facade, gate: Gate) -> None:
        self._facade = facade
        self._gate = gate

    async def ComputeProof(self, request: seed_pb2.ComputeProofRequest, context: Context) -> Empty:  # noqa: N802
        async def work() -> Empty:
            check_ref(request.request_id)
            if len(request.data) > self._gate.limits.payload:
                raise PayloadTooLarge(f"The data has {len(request.data)} bytes.")
            # Nothing shows that the address is the sender's own, so the host counts as well.
            self._gate.consumers.take(f"{host_of(context.peer())} {request.consumer_address[:64].lower()}")
            await self._facade.submit_legacy(
                request.request_id,
                request.consumer_address,
                request.consumer_image,
                request.data,
                request.signature,
            )
            return Empty()

        return await answer(context, self._gate, work)

    async def GetProof(  # noqa: N802
        self, request: seed_pb2.GetProofRequest, context: Context
    ) -> seed_pb2.GetProofResponse:
        async def work() -> seed_pb2.GetProofResponse:
            proof = await self._facade.proof(checked_id(request.request_id))
            return seed_pb2.GetProofResponse(
                proof_id=convert.proof_id(proof), proof=proof.proof, timestamp=proof.verdict_ms // 1000
            )

        return await answer(context, self._gate, work)


class GpnService(gpn_pb2_grpc.ProvingNetworkServicer):
    """``gpn.v1.ProvingNetwork``."""

    def __init__(self, facade: Facade, gate: Gate) -> None:
        self._facade = facade
        self._gate = gate

    async def SubmitRequest(  # noqa: N802
        self, request_iterator: AsyncIterator[gpn_pb2.SubmitRequestPart], context: Context
    ) -> gpn_pb2.SubmitRequestResponse:
        async def work() -> gpn_pb2.SubmitRequestResponse:
            async with self._gate.upload():
                upload = Upload(request_iterator, self._gate)
                request, signature = await upload.head(self._facade.domain)
                payload = await upload.payload()
                request_id = await self._facade.submit(request, signature, payload)
            return gpn_pb2.SubmitRequestResponse(request_id=request_id)

        return await answer(context, self._gate, work)

    async def WatchRequest(  # noqa: N802
        self, request: gpn_pb2.WatchRequestRequest, context: Context
    ) -> AsyncGenerator[gpn_pb2.RequestState, None]:
        try:
            request_id = convert.hash32(request.request_id, "request_id")
            with self._gate.watch(host_of(context.peer())):
                async with closing(self._facade.watch(request_id)) as states:
                    async for state in states:
                        yield convert.state_to_pb(state)
        except GpnError as error:
            await _abort(context, error)
        except Exception:  # noqa: BLE001 - logged; one bad call must never stop the node
            await _abort_unexpected(context)

    async def GetProof(  # noqa: N802
        self, request: gpn_pb2.GetProofRequest, context: Context
    ) -> gpn_pb2.GetProofResponse:
        async def work() -> gpn_pb2.GetProofResponse:
            return convert.proof_to_pb(await self._facade.proof(checked_id(request.id)))

        return await answer(context, self._gate, work)

    async def CancelRequest(  # noqa: N802
        self, request: gpn_pb2.CancelRequestRequest, context: Context
    ) -> gpn_pb2.CancelRequestResponse:
        async def work() -> gpn_pb2.CancelRequestResponse:
            signature = convert.sized(request.signature, 65, "signature")
            await self._facade.cancel(convert.hash32(request.request_id, "request_id"), signature)
            return gpn_pb2.CancelRequestResponse()

        return await answer(context, self._gate, work)

    async def OfferCanary(  # noqa: N802
        self, request: gpn_pb2.OfferCanaryRequest, context: Context
    ) -> gpn_pb2.OfferCanaryResponse:
        async def work() -> gpn_pb2.OfferCanaryResponse:
            await self._facade.offer_canary(
                convert.address(request.consumer, "consumer"),
                convert.hash32(request.request_id, "request_id"),
                convert.address(request.prover, "prover"),
                convert.sized(request.signature, 65, "signature"),
            )
            return gpn_pb2.OfferCanaryResponse()

        return await answer(context, self._gate, work)

    async def ListConsumers(  # noqa: N802
        self, request: gpn_pb2.ListConsumersRequest, context: Context
    ) -> gpn_pb2.ListConsumersResponse:
        async def work() -> gpn_pb2.ListConsumersResponse:
            consumers = await self._facade.consumers()
            return gpn_pb2.ListConsumersResponse(consumers=[convert.consumer_to_pb(c) for c in consumers])

        return await answer(context, self._gate, work)

    async def NodeInfo(  # noqa: N802
        self, request: gpn_pb2.NodeInfoRequest, context: Context
    ) -> gpn_pb2.NodeInfoResponse:
        async def work() -> gpn_pb2.NodeInfoResponse:
            return convert.info_to_pb(self._facade.view(), self._facade.domain)

        return await answer(context, self._gate, work)


class Upload:
    """A client's stream: one head, then no more payload than the head has announced."""

    def __init__(self, parts: AsyncIterator[gpn_pb2.SubmitRequestPart], gate: Gate) -> None:
        self._parts = parts
        self._gate = gate
        self._size = 0

    async def head(self, domain: Domain) -> tuple[Request, bytes]:
        """The request, counted by its signer; whether that one may sign it is the node's rule."""
        part = await self._next()
        if part is None or part.WhichOneof("part") != "head":
            raise RequestRefused("The stream does not begin with a head.")
        self._size = part.head.payload_size
        if self._size > self._gate.limits.payload:
            raise PayloadTooLarge(f"The payload has {self._size} bytes.")
        request = convert.request_from_pb(part.head.request)
        try:
            signed = Signed.verify(request, part.head.signature, domain)
        except BadSignature as error:
            raise BadRequestSignature(f"The signature is malformed: {error}.") from error
        self._gate.consumers.take(signed.signer.hex())
        return request, part.head.signature

    async def payload(self) -> bytes:
        """All of it, to the last announced byte."""
        payload = bytearray()
        while (part := await self._next()) is not None:
            if part.WhichOneof("part") != "payload":
                raise RequestRefused("A part of the stream is no payload.")
            payload += part.payload
            if len(payload) > self._size:
                raise RequestRefused(f"The payload is larger than the {self._size} bytes announced.")
        if len(payload) < self._size:
            raise RequestRefused(f"The payload ended after {len(payload)} of {self._size} bytes.")
        return bytes(payload)

    async def _next(self) -> gpn_pb2.SubmitRequestPart | None:
        try:
            async with asyncio.timeout(self._gate.limits.idle):
                return await anext(self._parts, None)
        except TimeoutError as error:
            raise RequestRefused(f"The upload stood still for {self._gate.limits.idle:g} s.") from error


def checked_id(wanted: str) -> str:
    """A look-up's id, if it can be one at all."""
    if not 1 <= len(wanted) <= MAX_ID_CHARS:
        raise RequestRefused(f"The id has {len(wanted)} characters.")
    return wanted


@asynccontextmanager
async def closing(states: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """End the facade's iteration with the call, also when the client went away in the middle."""
    try:
        yield states
    finally:
        if isinstance(states, AsyncGenerator):
            await states.aclose()
