"""``ports.deployment.DeploymentBook`` as one JSON file for each chain, which people can read and pass on.

The file is replaced whole, under a lock, so that two programs at once lose nothing and a crash leaves either
the old or the new one. What can't be read is an error, never an empty list: it may name where money is.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from gpn_desktop.core import jsontext
from gpn_desktop.core.errors import StoreCorrupt, StoreFull
from gpn_desktop.core.types import hex0x, parse_address, parse_hash
from gpn_desktop.ports.chain import ContractParams
from gpn_desktop.ports.deployment import Deployment

MAX_FILE: Final = 16 * 1024 * 1024
REMEDY: Final = "Correct the file or move it away, and name the contract with --contract-address."

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)


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
            with self._locked():
                known = self.deployments(deployment.chain_id)
                if any(entry.contract == deployment.contract for entry in known):
                    return
                listed = [_write(entry) for entry in (*known, deployment)]
                _replace(path, json.dumps({"deployments": listed}, indent=2) + "\n")
        except OSError as error:
            raise StoreFull(f"{path} can't be written: {error.strerror}.") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            _lock(handle)  # released when it is closed, however this process ends
            yield
        finally:
            os.close(handle)


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


def _replace(path: Path, text: str) -> None:
    """Write beside the file, flush to the disk, and put it in its place in one step."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if sys.platform != "win32":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
