"""Deployments of the settlement contract, as this machine remembers them.

A network of provers is one deployment. Whoever deploys, or joins, should not have to carry its address from
file to file: the newest one of a chain is what is used where nothing else is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gpn_desktop.core.types import Address, Gwei, Hash32, Wei
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


@dataclass(frozen=True, slots=True)
class Quote:
    """What a transaction costs: gas, wei at the present price, wei at the most, and what the account has."""

    gas: int
    expected: Wei
    most: Wei
    balance: Wei


@dataclass(frozen=True, slots=True)
class CodeCheck:
    """One code on chain beside the artifact's. ``differs_at``: the first byte that does, None if none does.

    ``settings_follow``: whether the immutables in the code are what a deployment with the contract's terms
    puts there; None when that could not be found out.
    """

    name: str
    address: Address
    size: int
    masked: int  # bytes of immutables
    differs_at: int | None
    settings_follow: bool | None

    @property
    def matches(self) -> bool:
        return self.differs_at is None and self.settings_follow is not False


@dataclass(frozen=True, slots=True)
class ContractState:
    """A contract as a whole: what it was made with, and what it holds."""

    params: ContractParams
    registry: Address
    balance: Wei
    burned: Gwei
    consumers: int
    provers: int
    staked: Wei
    deposited: Gwei
