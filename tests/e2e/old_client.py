"""A client of the prototype, generated from ``proto/seed.proto`` alone: it knows nothing of ours.

``python old_client.py PROTO_FOLDER OUTPUT_FOLDER TARGET IMAGE COUNT`` orders proofs one after another, asks
for each until it is there, as the prototype's clients do, and prints what it got as JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from importlib.resources import files
from pathlib import Path

import grpc
from grpc_tools import protoc  # type: ignore[import-untyped]

PATIENCE = 60.0


def main(protos: str, out: str, target: str, image: str, count: str) -> None:
    well_known = str(files("grpc_tools") / "_proto")
    source = str(Path(protos) / "seed.proto")
    folders = [f"-I{protos}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}"]
    assert protoc.main(["protoc", *folders, source]) == 0
    sys.path.insert(0, out)
    pb, rpc = importlib.import_module("seed_pb2"), importlib.import_module("seed_pb2_grpc")
    with grpc.insecure_channel(target) as channel:
        stub = rpc.ProvingNetworkServiceStub(channel)
        proofs = []
        for number in range(int(count)):
            request = pb.ComputeProofRequest(
                request_id=f"job-{number}",
                consumer_address="0x" + "ab" * 20,
                consumer_image=image,
                data=b"input %d" % number,
                signature=b"what the prototype's clients put here",
            )
            stub.ComputeProof(request, timeout=30)
            proofs.append(poll(stub, pb, request.request_id))
        try:
            stub.GetProof(pb.GetProofRequest(request_id="never sent"), timeout=10)
        except grpc.RpcError as error:
            print(json.dumps({"proofs": proofs, "unknown": error.code().name}))


def poll(stub: object, pb: object, ref: str) -> list[object]:
    """The prototype's interface has no stream to wait on."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            got = stub.GetProof(pb.GetProofRequest(request_id=ref), timeout=10)  # type: ignore[attr-defined]
            return [got.proof_id, got.proof.hex(), got.timestamp]
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
