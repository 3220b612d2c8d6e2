"""An old client: code generated from ``proto/seed.proto`` alone, in a process that knows nothing of ours.

``python seed_client.py PROTO_FOLDER OUTPUT_FOLDER TARGET`` sends one request, fetches one proof and
prints what it got as JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
from importlib.resources import files
from pathlib import Path

import grpc
from grpc_tools import protoc  # type: ignore[import-untyped]


def main(protos: str, out: str, target: str) -> None:
    well_known = str(files("grpc_tools") / "_proto")
    source = str(Path(protos) / "seed.proto")
    folders = [f"-I{protos}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}"]
    assert protoc.main(["protoc", *folders, source]) == 0
    sys.path.insert(0, out)
    pb, rpc = importlib.import_module("seed_pb2"), importlib.import_module("seed_pb2_grpc")
    said: dict[str, object] = {}
    with grpc.insecure_channel(target) as channel:
        stub = rpc.ProvingNetworkServiceStub(channel)
        empty = stub.ComputeProof(
            pb.ComputeProofRequest(
                request_id="order-1",
                consumer_address="0x" + "09" * 20,
                consumer_image="dimazhornyk/gpn-test",
                data=b"\x00\xff data",
                signature=b"\x01\x02",
            ),
            timeout=10,
        )
        said["empty"] = empty.DESCRIPTOR.full_name
        proof = stub.GetProof(pb.GetProofRequest(request_id="order-1"), timeout=10)
        said["proof"] = [proof.proof_id, proof.proof.hex(), proof.timestamp]
        try:
            stub.GetProof(pb.GetProofRequest(request_id="other"), timeout=10)
        except grpc.RpcError as error:
            said["unknown"] = error.code().name
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
