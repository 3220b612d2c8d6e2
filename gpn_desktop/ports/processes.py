"""Other nodes on this machine, each a process: the demo and the tests start, watch and kill them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gpn_desktop.core.types import Address, Wei
from gpn_desktop.ports.localnet import LocalChain
from gpn_desktop.ports.secrets import NodeKey


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node of the local network. ``runtime`` is ``docker`` or ``builtin``; ``delay`` is the latter's, in s.

    ``cheat``: it announces false proofs and votes honestly. The key travels by pipe.
    """

    name: str
    key: NodeKey
    payout: Address
    data_dir: Path
    chain: LocalChain
    contract: Address
    consumers: tuple[Address, ...]
    bootstrap: tuple[str, ...]
    stake: Wei
    runtime: str
    delay: float = 0.0
    cheat: bool = False
    settle_batch: int = 10
    settle_age: int = 0  # seconds


NodeEvent = dict[str, object]
"""One line of a node's event stream: ``event`` and its fields; bytes as hex without 0x."""


class NodeProcess(Protocol):
    spec: NodeSpec

    def events(self) -> AsyncIterator[NodeEvent]:
        """What the node says, until its process has ended."""
        ...

    def kill(self) -> None:
        """SIGKILL: what a power failure leaves."""
        ...

    async def stop(self) -> None:
        """Ask it to end, insist after 10 s; idempotent."""
        ...


class Launcher(Protocol):
    async def launch(self, spec: NodeSpec) -> NodeProcess:
        """Returns when the process runs; its ``ready`` event says when it serves."""
        ...
