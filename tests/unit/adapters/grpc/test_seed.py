"""The prototype's service: its wire form to the number, and what old clients get."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from gpn_desktop.adapters.grpc.limits import Rate
from gpn_desktop.adapters.grpc.pb import seed_pb2 as pb
from gpn_desktop.adapters.grpc.pb import seed_pb2_grpc
from gpn_desktop.adapters.grpc.server import GrpcOptions, GrpcServer
from gpn_desktop.adapters.grpc.servicers import Limits
from gpn_desktop.core import errors
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import GpnError
from tests.unit.adapters.grpc.fake import PROOF, FakeFacade

PROTOS = Path(__file__).parents[4] / "proto"


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
async def stub(server: GrpcServer) -> AsyncIterator[seed_pb2_grpc.ProvingNetworkServiceAsyncStub]:
    async with grpc.aio.insecure_channel(server.target) as channel:
        yield seed_pb2_grpc.ProvingNetworkServiceStub(channel)


def test_the_wire_form_is_the_prototypes() -> None:
    service = pb.DESCRIPTOR.services_by_name["ProvingNetworkService"]
    assert service.full_name == "proto.ProvingNetworkService"
    calls = {m.name: (m.input_type.full_name, m.output_type.full_name) for m in service.methods}
    assert calls == {
        "ComputeProof": ("proto.ComputeProofRequest", "google.protobuf.Empty"),
        "GetProof": ("proto.GetProofRequest", "proto.GetProofResponse"),
    }
    string, raw, number = 9, 12, 3  # FieldDescriptor.TYPE_STRING, TYPE_BYTES, TYPE_INT64
    fields = {
        name: {f.name: (f.number, f.type) for f in message.fields}
        for name, message in pb.DESCRIPTOR.message_types_by_name.items()
    }
    assert fields == {
        "ComputeProofRequest": {
            "request_id": (1, string),
            "consumer_address": (2, string),
            "consumer_image": (3, string),
            "data": (4, raw),
            "signature": (5, raw),
        },
        "GetProofRequest": {"request_id": (1, string)},
        "GetProofResponse": {"proof_id": (1, string), "proof": (2, raw), "timestamp": (3, number)},
    }


async def test_a_client_generated_from_the_seed_alone(
    server: GrpcServer, facade: FakeFacade, tmp_path: Path
) -> None:
    script = Path(__file__).with_name("seed_client.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), str(PROTOS), str(tmp_path), server.target, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    assert json.loads(out) == {
        "empty": "google.protobuf.Empty",
        "proof": ["0x" + keccak(PROOF).hex(), PROOF.hex(), 1_900_000_000],
        "unknown": "NOT_FOUND",
    }
    assert facade.asked[0] == (
        "submit_legacy",
        "order-1",
        "0x" + "09" * 20,
        "dimazhornyk/gpn-test",
        b"\x00\xff data",
        b"\x01\x02",
    )


ENDS = [
    (errors.UnknownRequest("x"), grpc.StatusCode.NOT_FOUND),
    (errors.ProofNotReady("x"), grpc.StatusCode.UNAVAILABLE),
    (errors.RefAmbiguous("x"), grpc.StatusCode.FAILED_PRECONDITION),
    (errors.RequestEnded("x"), grpc.StatusCode.ABORTED),
]


@pytest.mark.parametrize(("error", "status"), ENDS)
async def test_what_get_proof_ends_with(
    error: GpnError,
    status: grpc.StatusCode,
    stub: seed_pb2_grpc.ProvingNetworkServiceAsyncStub,
    facade: FakeFacade,
) -> None:
    facade.failure = error
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetProof(pb.GetProofRequest(request_id="order-1"))
    assert caught.value.code() is status
    assert ("gpn-code", error.code) in list(caught.value.trailing_metadata() or ())


async def test_in_production_the_old_form_is_refused_with_the_remedy(
    stub: seed_pb2_grpc.ProvingNetworkServiceAsyncStub, facade: FakeFacade
) -> None:
    facade.failure = errors.LegacyRequestRefused("This node pays and is paid.")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ComputeProof(pb.ComputeProofRequest(request_id="a", consumer_address="0x1"))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "SubmitRequest" in (caught.value.details() or "")


@pytest.mark.parametrize("ref", ["", "x" * 129])
async def test_ids_that_are_none(
    ref: str, stub: seed_pb2_grpc.ProvingNetworkServiceAsyncStub, facade: FakeFacade
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ComputeProof(pb.ComputeProofRequest(request_id=ref))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert facade.asked == []


class TestRates:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(per_consumer=Rate(0.001, 1), payload=1_000)

    async def test_by_claimed_consumer_and_host(
        self, stub: seed_pb2_grpc.ProvingNetworkServiceAsyncStub, facade: FakeFacade
    ) -> None:
        statuses = []
        for consumer in ("0xA", "0xa", "0xb"):
            try:
                await stub.ComputeProof(pb.ComputeProofRequest(request_id="a", consumer_address=consumer))
                statuses.append(grpc.StatusCode.OK)
            except grpc.aio.AioRpcError as error:
                statuses.append(error.code())
        assert statuses == [grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.OK]

    async def test_data_above_the_cap(
        self, stub: seed_pb2_grpc.ProvingNetworkServiceAsyncStub, facade: FakeFacade
    ) -> None:
        with pytest.raises(grpc.aio.AioRpcError, match="GPN-1611"):
            await stub.ComputeProof(pb.ComputeProofRequest(request_id="a", data=bytes(1_001)))
        assert facade.asked == []
