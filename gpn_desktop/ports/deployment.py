"""Deployments of the settlement contract, as this machine remembers them.

A network of provers is one deployment. Whoever deploys, or joins, should not have to carry its address from
file to file: the newest one of a chain is what is used where nothing else is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gpn_desktop.core.types import Address, Hash32
from gpn_desktop.ports.chain import ContractParams


@dataclass(frozen=True, slots=True)
class Deployment:
    """One contract. ``source_hash`` and ``compiler`` are the artifact's that it was made from."""

    chain_id: int
    contract: Address
    block: int
    tx: Hash32
    deployer: Address
    params: ContractParams
    source_hash: str
    compiler: str


class DeploymentBook(Protocol):
    """Nothing is ever taken out of it.

    Raises of all calls: StoreCorrupt, StoreFull, StoreLocked.
    """

    def deployments(self, chain_id: int) -> list[Deployment]:
        """All of one chain, the newest last."""
        ...

    def add(self, deployment: Deployment) -> None:
        """Put it last, on the disk when this returns; one that is there already stays as it is."""
        ...
