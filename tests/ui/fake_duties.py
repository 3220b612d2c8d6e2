"""Commitments and trials without a chain and without containers, for the window's tests."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from gpn_desktop.adapters.builtin.runtime import BuiltinRuntime
from gpn_desktop.adapters.sqlite.memory import MemoryStore
from gpn_desktop.adapters.system.clock import SystemClock
from gpn_desktop.core.errors import GpnError
from gpn_desktop.core.manifest import MIB, Limits
from gpn_desktop.core.trial import Finding, Measured, Times, Verdict
from gpn_desktop.core.types import Address, Wei
from gpn_desktop.ports.chain import ProverInfo
from gpn_desktop.ports.runtime import ImageRef
from gpn_desktop.services.membership import CommitCost
from gpn_desktop.services.trials import Stage, Trials, TrialView

ETHER = 10**18


@dataclass
class FakeMembership:
    """``asked`` are the commands that came, ``error`` what the next one ends with."""

    me: ProverInfo | None = None
    balance: Wei = Wei(3 * ETHER)
    asked: list[tuple[str, Address | None]] = field(default_factory=list)
    error: GpnError | None = None

    async def look(self) -> None:
        return None

    async def cost(self, consumer: Address) -> CommitCost:
        stake = Wei(0) if self.me is not None else Wei(ETHER // 2)
        return CommitCost(stake, Wei(680_000_000_000_000), self.balance)

    async def commit(self, consumer: Address) -> None:
        self._ask("commit", consumer)

    async def uncommit(self, consumer: Address) -> None:
        self._ask("uncommit", consumer)

    async def unbond(self) -> int:
        self._ask("unbond", None)
        return int(time.time()) + 9 * 24 * 3600

    def _ask(self, what: str, consumer: Address | None) -> None:
        self.asked.append((what, consumer))
        if self.error is not None:
            raise self.error


class OpenStore(MemoryStore):
    """Facts without an ``open`` before."""

    async def get(self, name: str) -> bytes | None:
        return None


def trials() -> Trials:
    return Trials(BuiltinRuntime(), SystemClock(), OpenStore(), Limits())


def tried(image: ImageRef, go: bool) -> TrialView:
    worst = 0.6 if go else 71.4
    findings = (
        Finding(True, "3 of 3 proofs were made and verified."),
        Finding(go, f"The slowest proof, {worst:.2f} s, and 25% to spare are "
                    f"{'within' if go else 'over'} the turn's 60 s."),
        Finding(True, "It used 214 MiB of the 4,096 MiB that it may."),
        Finding(True, "A proof brings 0.001284 ETH after gas (2 gwei, 10 to a settlement)."),
    )  # fmt: skip
    measured = Measured(
        3, 1.62, Times(worst * 0.9, worst), Times(0.031, 0.036), 288, 214 * MIB, None, 11, Limits()
    )
    return TrialView(image, Stage.DONE, measured=measured, verdict=Verdict(go, findings, Wei(1)),
                     ended_ms=int(time.time() * 1000))  # fmt: skip
