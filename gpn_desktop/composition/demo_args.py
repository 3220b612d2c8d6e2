"""What a demo can be asked for. Apart from the demo itself, whose imports would hold up the window."""

from __future__ import annotations

from dataclasses import dataclass

from gpn_desktop.core.errors import ConfigError

MAX_BATCH = 60  # a settlement has at most 64 entries


@dataclass(frozen=True, slots=True)
class DemoArgs:
    nodes: int = 5
    requests: int = 5
    cheat: int = 0
    crash: bool = False
    builtin: bool = False
    keep: bool = False
    batch: bool = False
    absent: int = 0

    def check(self) -> None:
        """ConfigError for what can't be played."""
        if not 2 <= self.nodes <= 16:
            raise ConfigError(f"--nodes is {self.nodes}; 2 to 16 are possible.")
        if not 1 <= self.requests <= 100:
            raise ConfigError(f"--requests is {self.requests}; 1 to 100 are possible.")
        quorum = (self.nodes - 1) // 2 + 1
        if not 0 <= self.cheat < quorum:
            raise ConfigError(f"--cheat is {self.cheat}; it has to stay below the quorum, {quorum}.")
        if not 0 <= self.absent <= self.nodes - 1 - quorum:
            raise ConfigError(f"--absent is {self.absent}; a prover and {quorum} verifiers have to stay.")
        if self.absent and (self.cheat or self.crash):
            raise ConfigError("--absent goes with neither --cheat nor --crash: too few would be left.")
        if self.batch and (self.requests > MAX_BATCH or self.cheat or self.crash):
            raise ConfigError(f"--batch takes at most {MAX_BATCH} requests, and no --cheat or --crash.")
        if self.crash and self.nodes < 4:
            raise ConfigError("--crash needs 4 nodes: with fewer, a killed one blocks the quorum.")
