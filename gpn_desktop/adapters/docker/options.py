"""What an operator may set about containers; the defaults are the measured, safe ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024 * 1024
GIB = 1024 * MIB


def _shipped_relays() -> Path:
    return Path(__file__).resolve().parents[3] / "resources" / "relay"


@dataclass(frozen=True, slots=True)
class DockerOptions:
    """Limits of one runtime. Sizes are bytes, times seconds."""

    host: str | None = None  # the engine's address; None: DOCKER_HOST, else the platform's default
    relays: Path = field(default_factory=_shipped_relays)  # the folder with relay-amd64 and relay-arm64
    memory: int = 4 * GIB  # of one prover container, without swap
    cpus: float = 0.0  # of one prover container; 0: all that the engine has
    gpus: int = 0  # given to the proving instance; -1: all
    pids: int = 128
    scratch: int = 64 * MIB  # size of /tmp, the only place a prover may write to
    max_image: int = 20 * GIB  # compressed while pulling, unpacked afterwards
    max_proof: int = 32 * MIB
    start_timeout: float = 60.0  # from creating a container to its first answer
    call_timeout: float = 60.0  # of one call to the engine
