"""The services over a real connection, with our own client; the facade behind them is a fake."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc  # type: ignore[import-untyped]

from gpn_desktop.adapters.grpc.client import ProvingClient
from gpn_desktop.adapters.grpc.convert import request_to_pb
from gpn_desktop.adapters.grpc.limits import Rate
from gpn_desktop.adapters.grpc.pb import gpn_pb2 as pb
from gpn_desktop.adapters.grpc.pb import gpn_pb2_grpc
from gpn_desktop.adapters.grpc.server import SERVICES, GrpcOptions, GrpcServer
from gpn_desktop.adapters.grpc.servicers import Limits
from gpn_desktop.adapters.grpc.status import STATUS
from gpn_desktop.core import errors
from gpn_desktop.core.eip712 import address_of_secret, keccak
from gpn_desktop.core.errors import GpnError
from gpn_desktop.core.messages import MAX_BLOB_BYTES, Signed
from gpn_desktop.core.types import TESTING_DOMAIN, Canary, Cancel, Details, Gwei, Request
from tests.unit.adapters.grpc.fake import NODE, PROOF_VIEW, STATES, FakeFacade

SECRET = keccak(b"gpn grpc consumer")
CONSUMER = address_of_secret(SECRET)


def request(payload: bytes = b"data", nonce: int = 1) -> Request:
    details = Details(60, keccak(b"image"), 7, "order-1 ✓")
    return Request(CONSUMER, nonce, Gwei(2**64 - 1), 1_900_000_100, 2, 1, keccak(payload), details)


def signature(order: Request) -> bytes:
    return Signed.sign(order, SECRET, CONSUMER, TESTING_DOMAIN).signature


@pytest.fixture
def facade() -> FakeFacade:
    return FakeFacade()


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
async def server(facade: FakeFacade, limits: Limits) -> AsyncIterator[GrpcServer]:
    server = GrpcServer(facade, GrpcOptions(limits=limits))
    await server.start()
    yield server
    await server.aclose(0)


@pytest.fixture
async def client(server: GrpcServer) -> AsyncIterator[ProvingClient]:
    async with ProvingClient(server.target) as client:
        yield client


@pytest.fixture
async def stub(server: GrpcServer) -> AsyncIterator[gpn_pb2_grpc.ProvingNetworkAsyncStub]:
    async with grpc.aio.insecure_channel(server.target) as channel:
        yield gpn_pb2_grpc.ProvingNetworkStub(channel)


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    """The status and the stable code that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    trailing = dict(caught.value.trailing_metadata() or ())
    return caught.value.code(), str(trailing.get("gpn-code", ""))


@pytest.mark.parametrize("size", [0, 4, 3_000_000, MAX_BLOB_BYTES])
async def test_a_request_arrives_as_it_was_sent(facade: FakeFacade, client: ProvingClient, size: int) -> None:
    order = request(bytes(size))
    request_id = await client.submit(order, signature(order), bytes(size))
    assert request_id == Signed.sign(order, SECRET, CONSUMER, TESTING_DOMAIN).digest
    assert facade.asked == [("submit", order, signature(order), bytes(size))]


async def test_watching_gives_every_state_and_ends(client: ProvingClient, facade: FakeFacade) -> None:
    assert [state async for state in client.watch(keccak(b"request"))] == list(STATES)
    await asyncio.wait_for(facade.watch_ended.wait(), 5)


async def test_a_client_that_goes_away_ends_its_watch(client: ProvingClient, facade: FakeFacade) -> None:
    facade.hold = True
    states = client.watch(keccak(b"request"))
    assert await anext(states) == STATES[0]
    await states.aclose()  # type: ignore[attr-defined]
    await asyncio.wait_for(facade.watch_ended.wait(), 5)


async def test_proofs_come_with_their_votes(client: ProvingClient) -> None:
    assert await client.proof("order-1") == PROOF_VIEW
    assert await client.proof("0x" + keccak(b"request").hex()) == PROOF_VIEW
    with pytest.raises(errors.UnknownRequest, match="'other'"):
        await client.proof("other")


async def test_cancel_consumers_and_info(client: ProvingClient, facade: FakeFacade) -> None:
    word = Signed.sign(Cancel(keccak(b"r")), SECRET, CONSUMER, TESTING_DOMAIN).signature
    await client.cancel(keccak(b"r"), word)
    assert facade.asked == [("cancel", keccak(b"r"), word)]
    order = Signed.sign(Canary(keccak(b"r"), NODE), SECRET, CONSUMER, TESTING_DOMAIN)
    await client.offer_canary(order)
    assert facade.asked[-1] == ("offer_canary", CONSUMER, keccak(b"r"), NODE, order.signature)
    assert await client.consumers() == await facade.consumers()
    info = await client.info()
    assert (info.address, info.domain, info.head, info.peers) == (NODE, TESTING_DOMAIN, 12, 3)


def all_errors(kind: type[GpnError] = GpnError) -> Iterator[type[GpnError]]:
    for below in kind.__subclasses__():
        yield below
        yield from all_errors(below)


CONSUMER_ERRORS = [kind for kind in all_errors() if kind.code[4:6] in ("16", "17")]


def test_every_error_about_requests_has_a_status_of_its_own() -> None:
    assert len(CONSUMER_ERRORS) > 20
    assert [kind for kind in CONSUMER_ERRORS if kind not in STATUS] == []
    assert len({kind.code for kind in STATUS}) == len(STATUS)


@pytest.mark.parametrize("kind", [*CONSUMER_ERRORS, errors.NoCommitteePeers, errors.StoreFull])
async def test_errors_cross_the_wire(kind: type[GpnError], client: ProvingClient, facade: FakeFacade) -> None:
    facade.failure = kind("It did – not ✓ work.")
    with pytest.raises(GpnError) as caught:
        await client.consumers()
    assert (type(caught.value), str(caught.value)) == (kind, str(facade.failure))
    assert isinstance(caught.value.__cause__, grpc.aio.AioRpcError)
    assert caught.value.__cause__.code() is STATUS[kind]
    with pytest.raises(kind):
        await anext(client.watch(keccak(b"request")))


async def test_a_fault_of_the_node_tells_nothing_but_its_log(
    client: ProvingClient, facade: FakeFacade, caplog: pytest.LogCaptureFixture
) -> None:
    facade.failure = RuntimeError("the password is 1234")
    with caplog.at_level(logging.ERROR), pytest.raises(GpnError, match="INTERNAL") as caught:
        await client.consumers()
    assert "1234" not in str(caught.value)
    assert "1234" in caplog.text
    facade.failure = None
    assert await client.consumers()


async def test_long_messages_of_errors_fit_into_the_header(client: ProvingClient, facade: FakeFacade) -> None:
    facade.failure = errors.UnknownImage("ü" * 100_000)
    with pytest.raises(errors.UnknownImage):
        await client.consumers()


async def test_nobody_there() -> None:
    async with ProvingClient("127.0.0.1:1", within=5) as client:
        with pytest.raises(errors.GatewayUnreachable):
            await client.info()


async def test_the_port_is_taken(server: GrpcServer) -> None:
    other = GrpcServer(FakeFacade(), GrpcOptions(port=server.port))
    with pytest.raises(errors.PortInUse, match=str(server.port)):
        await other.start()
    await other.aclose()


async def test_closing_ends_open_calls_and_is_idempotent(server: GrpcServer, facade: FakeFacade) -> None:
    facade.hold = True
    async with ProvingClient(server.target) as client:
        states = client.watch(keccak(b"request"))
        for _ in STATES:
            await anext(states)
        await server.aclose(0)
        await server.aclose(0)
        with pytest.raises(GpnError):
            await anext(states)
    await asyncio.wait_for(facade.watch_ended.wait(), 5)


async def test_health_and_reflection(server: GrpcServer) -> None:
    async with grpc.aio.insecure_channel(server.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", *SERVICES):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        ask = reflection_pb2.ServerReflectionRequest(list_services="")
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([ask]))
        names = {s.name async for reply in call for s in reply.list_services_response.service}
    assert {"proto.ProvingNetworkService", "gpn.v1.ProvingNetwork"} <= names


# Hostile input -----------------------------------------------------------------------------------------


def head(order: Request, size: int, **changes: Any) -> pb.SubmitRequestPart:
    message = request_to_pb(order)
    for name, value in changes.items():
        setattr(message, name, value)
    return pb.SubmitRequestPart(
        head=pb.SubmitRequestHead(request=message, signature=signature(order), payload_size=size)
    )


def data(payload: bytes) -> pb.SubmitRequestPart:
    return pb.SubmitRequestPart(payload=payload)


INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "GPN-1600")
UNSIGNED = (grpc.StatusCode.UNAUTHENTICATED, "GPN-1601")
ORDER = request()
STREAMS = [
    pytest.param([], INVALID, id="empty"),
    pytest.param([data(b"data")], INVALID, id="no head"),
    pytest.param([pb.SubmitRequestPart()], INVALID, id="empty part"),
    pytest.param([head(ORDER, 4), head(ORDER, 4)], INVALID, id="two heads"),
    pytest.param([head(ORDER, 4), data(b"dat")], INVALID, id="too short"),
    pytest.param([head(ORDER, 4), data(b"data!")], INVALID, id="too long"),
    pytest.param([head(ORDER, 4, consumer=b"\1" * 19), data(b"data")], INVALID, id="short address"),
    pytest.param([head(ORDER, 4, payload_hash=b""), data(b"data")], INVALID, id="no hash"),
    pytest.param([head(ORDER, 4, quorum=256), data(b"data")], INVALID, id="quorum no uint8"),
    pytest.param(
        [head(ORDER, 2**64 - 1)], (grpc.StatusCode.RESOURCE_EXHAUSTED, "GPN-1611"), id="announced too large"
    ),
]


@pytest.mark.parametrize(("parts", "expected"), STREAMS)
async def test_streams_that_are_none(
    parts: list[pb.SubmitRequestPart],
    expected: tuple[grpc.StatusCode, str],
    stub: gpn_pb2_grpc.ProvingNetworkAsyncStub,
    facade: FakeFacade,
) -> None:
    assert await refused(stub.SubmitRequest(iter(parts))) == expected
    assert facade.asked == []


@pytest.mark.parametrize("bad", [b"", b"\1" * 64, b"\1" * 66, b"\xff" * 65])
async def test_signatures_that_are_none(
    bad: bytes, stub: gpn_pb2_grpc.ProvingNetworkAsyncStub, facade: FakeFacade
) -> None:
    part = head(ORDER, 4)
    part.head.signature = bad
    assert await refused(stub.SubmitRequest(iter([part, data(b"data")]))) == UNSIGNED
    cancel = pb.CancelRequestRequest(request_id=keccak(b"r"), signature=bad[:64])
    assert await refused(stub.CancelRequest(cancel)) == INVALID
    canary = pb.OfferCanaryRequest(
        consumer=CONSUMER, request_id=keccak(b"r"), prover=NODE, signature=bad[:64]
    )
    assert await refused(stub.OfferCanary(canary)) == INVALID
    canary = pb.OfferCanaryRequest(
        consumer=CONSUMER[:19], request_id=keccak(b"r"), prover=NODE, signature=bytes(65)
    )
    assert await refused(stub.OfferCanary(canary)) == INVALID
    assert facade.asked == []


@pytest.mark.parametrize("bad", ["", "x" * 129])
async def test_ids_that_are_none(bad: str, stub: gpn_pb2_grpc.ProvingNetworkAsyncStub) -> None:
    assert await refused(stub.GetProof(pb.GetProofRequest(id=bad))) == INVALID


async def test_a_short_id_to_watch(stub: gpn_pb2_grpc.ProvingNetworkAsyncStub) -> None:
    call = stub.WatchRequest(pb.WatchRequestRequest(request_id=b"\1" * 31))
    assert await refused(call.read()) == INVALID


async def test_a_message_above_the_cap_is_not_read(client: ProvingClient, server: GrpcServer) -> None:
    async with grpc.aio.insecure_channel(server.target, [("grpc.max_send_message_length", 2**28)]) as channel:
        stub: gpn_pb2_grpc.ProvingNetworkAsyncStub = gpn_pb2_grpc.ProvingNetworkStub(channel)
        status, _ = await refused(stub.SubmitRequest(iter([data(bytes(MAX_BLOB_BYTES + 100_000))])))
    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await client.info()).peers == 3


GARBAGE = [
    pytest.param(b"\x0a\x02\xff\xfe", id="not UTF-8"),
    pytest.param(b"\xff" * 100, id="noise"),
    pytest.param(b"\x0a\xff\xff\xff\xff\x0f", id="length beyond the end"),
]


@pytest.mark.parametrize("raw", GARBAGE)
@pytest.mark.parametrize(
    "method", ["/gpn.v1.ProvingNetwork/GetProof", "/proto.ProvingNetworkService/ComputeProof"]
)
async def test_bytes_that_are_no_message(
    raw: bytes, method: str, server: GrpcServer, client: ProvingClient, facade: FakeFacade
) -> None:
    async with grpc.aio.insecure_channel(server.target) as channel:
        call: Any = channel.unary_unary(method)
        status, _ = await refused(call(raw))
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert facade.asked == []
    assert (await client.info()).peers == 3


class TestIdleUploads:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(idle=0.05, uploads=1)

    async def test_an_upload_that_stands_still_loses_its_place(
        self, stub: gpn_pb2_grpc.ProvingNetworkAsyncStub, facade: FakeFacade
    ) -> None:
        call = stub.SubmitRequest()
        await call.write(head(ORDER, 4))
        assert await refused(call) == INVALID
        assert facade.asked == []
        await stub.SubmitRequest(iter([head(ORDER, 4), data(b"data")]))
        assert len(facade.asked) == 1


class TestFewUploads:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(uploads=1)

    async def test_no_more_uploads_than_places(
        self,
        stub: gpn_pb2_grpc.ProvingNetworkAsyncStub,
        facade: FakeFacade,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        entered = asyncio.Event()

        async def submit(*_: Any) -> Any:
            entered.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(facade, "submit", submit)
        first = stub.SubmitRequest(iter([head(ORDER, 4), data(b"data")]))
        await asyncio.wait_for(entered.wait(), 5)
        second = stub.SubmitRequest(iter([head(ORDER, 4), data(b"data")]))
        assert await refused(second) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "GPN-1619")
        first.cancel()


class TestFewWatches:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(watches_per_host=1)

    async def test_one_host_cannot_watch_without_end(self, client: ProvingClient, facade: FakeFacade) -> None:
        facade.hold = True
        first = client.watch(keccak(b"request"))
        await anext(first)
        with pytest.raises(errors.RateLimited):
            await anext(client.watch(keccak(b"request")))
        await first.aclose()  # type: ignore[attr-defined]
        await asyncio.wait_for(facade.watch_ended.wait(), 5)
        facade.hold = False
        assert [state async for state in client.watch(keccak(b"request"))] == list(STATES)


class TestRates:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(per_consumer=Rate(0.001, 2))

    async def test_a_consumer_is_slowed_down_and_others_are_not(
        self, client: ProvingClient, facade: FakeFacade
    ) -> None:
        # Who claims the address without its key empties another bucket than the consumer's.
        await client.submit(request(nonce=8), signature(request(nonce=7)), b"data")
        for nonce in range(2):
            order = request(nonce=nonce)
            await client.submit(order, signature(order), b"data")
        with pytest.raises(errors.RateLimited):
            await client.submit(order, signature(order), b"data")
        other_secret = keccak(b"another")
        other = replace(order, consumer=address_of_secret(other_secret))
        word = Signed.sign(other, other_secret, other.consumer, TESTING_DOMAIN).signature
        await client.submit(other, word, b"data")
        assert len(facade.asked) == 4


class TestHostRate:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(per_host=Rate(0.001, 2))

    async def test_a_host_is_slowed_down(self, client: ProvingClient) -> None:
        for _ in range(2):
            await client.info()
        with pytest.raises(errors.RateLimited):
            await client.info()
        with pytest.raises(errors.RateLimited):
            await anext(client.watch(keccak(b"request")))
