"""What the SDK raises, as our errors: each with what the operator can do about it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Final

import docker.errors  # type: ignore[import-untyped]

from gpn_desktop.core import errors, gpus
from gpn_desktop.core.errors import GpnError

_NO_DRIVER: Final = ("could not select device driver", "nvidia-container-cli", "unresolvable CDI devices")
_DENIED: Final = re.compile(
    r"unauthorized|authentication required|no basic auth credentials|access denied|denied:|\b401\b|\b403\b"
)
_DAMAGED: Final = re.compile(r"does not match digest|digest mismatch|filesystem layer verification failed|"
                             r"unexpected EOF|failed size validation|invalid checksum")  # fmt: skip
_FULL: Final = "no space left on device"


class NotThere(errors.EngineFault):
    """The engine knows no such image or container."""


def refused(explanation: str) -> GpnError:
    """An error that the engine answered with."""
    if any(mark in explanation for mark in _NO_DRIVER):
        remedy = gpus.runtime_remedy(sys.platform)
        return errors.GpuUnavailable("The engine has no GPU to give to a container.", remedy=remedy)
    if _FULL in explanation:
        return errors.EngineDiskFull("The Docker engine's disk is full.")
    return errors.EngineFault(f"The Docker engine refused: {explanation}")


def unpulled(image: str, explanation: str) -> GpnError:
    """An error that a pull, or a question to a registry, ended with."""
    said = explanation.strip()
    if _FULL in said:
        return errors.EngineDiskFull(f"{image} does not fit on the Docker engine's disk.")
    if _DAMAGED.search(said):
        return errors.ImageDamaged(f"{image} arrived damaged: {said}")
    if _DENIED.search(said):
        return errors.RegistryDenied(f"The registry of {image} asks for a login: {said}")
    return errors.ImageUnavailable(f"{image} could not be pulled: {said}")


def unreachable(error: BaseException, host: str) -> GpnError:
    """An engine that does not answer: why, as far as the chain of causes tells."""
    causes = list(_chain(error))
    if any(isinstance(cause, PermissionError) for cause in causes):
        return errors.EngineDenied(f"This user may not use the Docker engine at {host}.")
    if any(isinstance(cause, FileNotFoundError) for cause in causes):
        return errors.EngineMissing(
            f"There is no Docker engine at {host}.",
            remedy="Install Docker, or start it: sudo systemctl start docker (elsewhere: Docker Desktop).",
        )
    if any(isinstance(cause, ConnectionError) for cause in causes):
        return errors.EngineMissing(
            f"The Docker engine at {host} has stopped.",
            remedy="Start it: sudo systemctl start docker (elsewhere: Docker Desktop).",
        )
    return errors.EngineMissing(f"The Docker engine at {host} does not answer: {error}")


def of_api(error: docker.errors.APIError) -> GpnError:
    explanation = str(error.explanation)
    return NotThere(explanation) if isinstance(error, docker.errors.NotFound) else refused(explanation)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and everything behind it: the SDK and its HTTP library wrap causes in arguments too."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        behind = (found.__cause__, found.__context__, getattr(found, "reason", None), *found.args)
        waiting += [cause for cause in behind if isinstance(cause, BaseException)]
