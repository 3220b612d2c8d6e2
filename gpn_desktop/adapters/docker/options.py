"""What an operator may set about containers; the defaults are the measured, safe ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gpn_desktop.core.manifest import GIB as GIB
from gpn_desktop.core.manifest import MIB as MIB
from gpn_desktop.core.manifest import Limits
from gpn_desktop.resources import RESOURCES


def _shipped_relays() -> Path:
    return RESOURCES / "relay"


@dataclass(frozen=True, slots=True)
class DockerOptions:
    """Limits of one runtime. Sizes are bytes, times seconds.

    ``caps`` bound what an image's manifest may ask for, per container. ``gpus`` are the UUIDs of the GPUs
    that proving containers may get, or ("all",); with sensors each slot gets one of its own.
    """

    host: str | None = None  # the engine's address; None: DOCKER_HOST, else the platform's default
    relays: Path = field(default_factory=_shipped_relays)  # the folder with relay-amd64 and relay-arm64
    caps: Limits = field(default_factory=lambda: Limits(tmp=1 * GIB, pids=1024, gpu=True))
    gpus: tuple[str, ...] = ()
    slots: int = 1  # proofs of one image at a time
    max_image: int = 20 * GIB  # compressed while pulling, unpacked afterwards
    max_proof: int = 32 * MIB
    start_timeout: float = 60.0  # from creating a container to its first answer
    call_timeout: float = 60.0  # of one call to the engine
