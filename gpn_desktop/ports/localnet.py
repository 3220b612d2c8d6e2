"""A throw-away chain on this machine for the demo and the tests: it exists to be steered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gpn_desktop.core.types import Address, Wei
from gpn_desktop.ports.secrets import NodeKey


@dataclass(frozen=True, slots=True)
class LocalChain:
    """Where a running local chain answers. ``funded`` are its rich accounts, known to everybody."""

    http_url: str
    ws_url: str
    chain_id: int
    funded: tuple[NodeKey, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """``changes`` in wei for the accounts asked for and for all that sent or got a transaction, without the
    block producer's; ``gas`` is what all transactions paid for gas, in wei. Together they have to be zero."""

    changes: Mapping[Address, int]
    gas: int

    @property
    def difference(self) -> int:
        return sum(self.changes.values()) + self.gas


class Localnet(Protocol):
    async def start(self) -> LocalChain:
        """Start on free loopback ports; ChainUnreachable when the program is missing or does not answer."""
        ...

    async def deploy(self, deployer: NodeKey, window: int) -> Address:
        """Deploy the settlement contract with the given window (seconds); its address."""
        ...

    async def advance(self, seconds: int) -> None:
        """Move the chain's clock and mine a block."""
        ...

    async def fund(self, account: Address, amount: Wei) -> None:
        """Send ETH from a funded account."""
        ...

    async def audit(self, since: int, accounts: Iterable[Address]) -> Audit:
        """What money did after block ``since``, by the chain's own books."""
        ...

    async def aclose(self) -> None: ...
