"""The circuit of the ``ezkl`` image, and how its files were made: ``python circuit.py`` makes them again.

A small network with fixed weights, 16 inputs, 32 hidden units with ReLU, 4 outputs, in fixed point (7 bits
after the point). Beside it runs a tag of 8 numbers that goes through unchanged: it has no part in what is
computed, but being public it is part of what is proved, and binds a proof to its request.

Making it needs ``onnx`` and ``numpy`` besides ``ezkl``. The reference string is made anew each time, with a
secret that is thrown away: fit for development, and for nothing that is worth money. Proofs hold only for
the files that they were made with, so the files stand in the repository.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

import ezkl  # type: ignore[import-not-found]

HERE = Path(__file__).resolve().parent
INPUTS, HIDDEN, OUTPUTS, TAG = 16, 32, 4, 8
SCALE = 7  # bits after the point
LOGROWS = 11
FILES = ("network.onnx", "network.ezkl", "settings.json", "kzg.srs")


def make() -> None:
    network(HERE / "network.onnx")
    arguments = ezkl.PyRunArgs()
    arguments.input_visibility = arguments.output_visibility = "public"
    arguments.param_visibility = "fixed"
    arguments.input_scale = arguments.param_scale = SCALE
    arguments.decomp_base, arguments.decomp_legs = 64, 4
    arguments.logrows = LOGROWS
    model, compiled, settings = (str(HERE / name) for name in FILES[:3])
    assert ezkl.gen_settings(model, settings, arguments)
    assert ezkl.compile_circuit(model, compiled, settings)
    ezkl.gen_srs(str(HERE / "kzg.srs"), LOGROWS)
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps({"verifying key": setup(Path(scratch))}))


def setup(folder: Path) -> str:
    """Makes vk.key and pk.key from the files; gives the verifying key's sha256. The same on every machine."""
    verifying, proving = folder / "vk.key", folder / "pk.key"
    made = ezkl.setup(
        str(HERE / "network.ezkl"), str(verifying), str(proving), str(HERE / "kzg.srs"), None, False
    )
    if not made:
        raise RuntimeError("the keys could not be made")
    return hashlib.sha256(verifying.read_bytes()).hexdigest()


def network(path: Path) -> None:
    import numpy as np  # type: ignore[import-not-found]
    import onnx  # type: ignore[import-not-found]
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(7)

    def weights(*shape: int, spread: float) -> object:
        return np.round(random.normal(0, spread, shape), 3).astype(np.float32)

    fixed = {
        "w1": weights(INPUTS, HIDDEN, spread=0.4),
        "b1": weights(HIDDEN, spread=0.1),
        "w2": weights(HIDDEN, OUTPUTS, spread=0.4),
        "b2": weights(OUTPUTS, spread=0.1),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Gemm", ["active", "w2", "b2"], ["y"]),
        helper.make_node("Identity", ["tag"], ["bound"]),
    ]

    def tensor(name: str, length: int) -> object:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, length])

    graph = helper.make_graph(
        nodes,
        "mlp",
        [tensor("x", INPUTS), tensor("tag", TAG)],
        [tensor("y", OUTPUTS), tensor("bound", TAG)],
        [numpy_helper.from_array(array, name) for name, array in fixed.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


if __name__ == "__main__":
    make()
