"""What a demo can be asked for. Apart from the demo itself, whose imports would hold up the window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gpn_desktop.core.errors import ConfigError
from gpn_desktop.resources import RESOURCES

PROVERS: Final = RESOURCES / "provers"
TEMPLATE: Final = "template"  # for authors to begin with
MAX_BATCH: Final = 60  # a settlement has at most 64 entries
MAX_CONSUMERS: Final = 4  # every node runs the images of all of them


def reference_images() -> list[str]:
    """The images that this repository builds, by name."""
    found = (file.parent.name for file in PROVERS.glob("*/Dockerfile"))
    return sorted(name for name in found if name != TEMPLATE)


@dataclass(frozen=True, slots=True)
class DemoArgs:
    """``consumers``: each one's prover, by its image's name; none means one consumer, and what suits here."""

    nodes: int = 5
    requests: int = 5
    cheat: int = 0
    crash: bool = False
    builtin: bool = False
    keep: bool = False
    batch: bool = False
    absent: int = 0
    consumers: tuple[str, ...] = ()

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
        self._check_consumers()

    def _check_consumers(self) -> None:
        known = reference_images()
        for name in self.consumers:
            if name not in known:
                raise ConfigError(f"--consumers has {name!r}; possible are {', '.join(known) or 'none'}.")
        count = len(self.consumers)
        if count > MAX_CONSUMERS:
            raise ConfigError(f"--consumers has {count}; at most {MAX_CONSUMERS} are possible.")
        if count > self.requests:
            raise ConfigError(f"--requests is {self.requests}; each of {count} consumers needs one.")
        if count > 1 and self.batch:
            raise ConfigError("--batch goes with one consumer: a settlement is one committee's.")
