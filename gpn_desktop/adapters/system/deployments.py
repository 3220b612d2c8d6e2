"""``ports.deployment.DeploymentBook`` as one JSON file for each chain, which people can read and pass on.

The file is replaced whole, under a lock, so that two programs at once lose nothing and a crash leaves either
the old or the new one. What can't be read is an error, never an empty list: it may name where money is.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from gpn_desktop.adapters.files import locked, replace_file
from gpn_desktop.core import jsontext
from gpn_desktop.core.errors import StoreCorrupt, StoreFull
from gpn_desktop.core.types import hex0x, parse_address, parse_hash
from gpn_desktop.ports.chain import ContractParams
from gpn_desktop.ports.deployment import Deployment

MAX_FILE: Final = 16 * 1024 * 1024
REMEDY: Final = "Correct the file or move it away, and name the contract with --contract-address."


class FileDeploymentBook:
    """``folder``/<chain id>.json"""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, chain_id: int) -> Path:
        return self._folder / f"{chain_id}.json"

    def deployments(self, chain_id: int) -> list[Deployment]:
        path = self.path(chain_id)
        try:
            with path.open("rb") as file:
                text = file.read(MAX_FILE)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreCorrupt(f"{path} can't be read: {error.strerror}.", remedy=REMEDY) from error
        try:
            listed = jsontext.parse(text)["deployments"]
            found = [_read(entry) for entry in listed]
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise StoreCorrupt(f"{path} is no list of deployments ({error!r}).", remedy=REMEDY) from error
        if any(entry.chain_id != chain_id for entry in found):
            raise StoreCorrupt(f"{path} has a deployment of another chain.", remedy=REMEDY)
        return found

    def add(self, deployment: Deployment) -> None:
        path = self.path(deployment.chain_id)
        try:
            with locked(self._folder):
                known = self.deployments(deployment.chain_id)
                if any(entry.contract == deployment.contract for entry in known):
                    return
                listed = [_write(entry) for entry in (*known, deployment)]
                replace_file(path, json.dumps({"deployments": listed}, indent=2) + "\n")
        except OSError as error:
            raise StoreFull(f"{path} can't be written: {error.strerror}.") from error


def _write(entry: Deployment) -> dict[str, Any]:
    return {
        "chainId": entry.chain_id,
        "contract": hex0x(entry.contract),
        "block": entry.block,
        "tx": hex0x(entry.tx),
        "deployer": hex0x(entry.deployer),
        # Wei are too large for what other programs take JSON's numbers for.
        "params": {name: str(value) for name, value in asdict(entry.params).items()},
        "sourceHash": entry.source_hash,
        "compiler": entry.compiler,
    }


def _read(entry: dict[str, Any]) -> Deployment:
    params = {field.name: int(entry["params"][field.name]) for field in fields(ContractParams)}
    return Deployment(
        chain_id=int(entry["chainId"]),
        contract=parse_address(entry["contract"]),
        block=int(entry["block"]),
        tx=parse_hash(entry["tx"]),
        deployer=parse_address(entry["deployer"]),
        params=ContractParams(**params),  # type: ignore[arg-type]  # Wei and Gwei are whole numbers
        source_hash=str(entry["sourceHash"]),
        compiler=str(entry["compiler"]),
    )
