"""GPUs: what this machine has, what an image needs, and why the two do not fit. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gpn_desktop.core.errors import (
    GpuAbsent,
    GpuDriverTooOld,
    GpuMemoryTooSmall,
    GpuUnavailable,
    GpuUnsupported,
)

MIB: Final = 1024 * 1024


class Vendor(Enum):
    NVIDIA = "NVIDIA"
    AMD = "AMD"
    INTEL = "Intel"


@dataclass(frozen=True, slots=True)
class Gpu:
    """``vram`` in bytes; ``driver`` as in "535.104.05", "" if unknown; ``uuid`` as the engine takes it."""

    index: int
    uuid: str
    name: str
    vram: int
    driver: str
    vendor: Vendor = Vendor.NVIDIA


@dataclass(frozen=True, slots=True)
class GpuNeed:
    """Of an image: bytes of memory, and the oldest driver that will do ("" any)."""

    vram: int = 0
    driver: str = ""


@dataclass(frozen=True, slots=True)
class GpuReading:
    """A moment of one GPU: °C, watts, per cent, bytes; None where the device does not tell.

    ``error`` is what its driver says of a device that does not answer any more.
    """

    uuid: str
    temperature: int | None = None
    power: float | None = None
    utilisation: int | None = None
    vram_used: int | None = None
    error: str = ""


def fit(need: GpuNeed, gpus: tuple[Gpu, ...], runtime: bool = True) -> tuple[Gpu, ...]:
    """The GPUs that can serve an image.

    Args:
        runtime: whether the engine can give GPUs to containers at all.

    Raises:
        GpuAbsent, GpuUnsupported, GpuUnavailable (no GPU runtime), GpuDriverTooOld, GpuMemoryTooSmall
    """
    usable = [gpu for gpu in gpus if gpu.vendor is Vendor.NVIDIA]
    if not gpus:
        raise GpuAbsent("The image needs a GPU, and this machine has none that its driver knows.")
    if not usable:
        raise GpuUnsupported(f"The image needs an NVIDIA GPU; this machine has {_names(gpus)}.")
    if not runtime:
        raise GpuUnavailable("The Docker engine cannot give GPUs to containers.")
    current = [gpu for gpu in usable if version(gpu.driver) >= version(need.driver)]
    if not current:
        there = usable[0].driver or "an unknown one"
        raise GpuDriverTooOld(f"The image needs driver {need.driver} or newer; this machine has {there}.")
    large = tuple(gpu for gpu in current if gpu.vram >= need.vram)
    if not large:
        most = max(current, key=lambda gpu: gpu.vram)
        raise GpuMemoryTooSmall(
            f"The image needs {need.vram // MIB:,} MiB of GPU memory; {most.name} has {most.vram // MIB:,}."
        )
    return large


def version(text: str) -> tuple[int, ...]:
    """A driver's version for comparing; () of none, which is older than any."""
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _names(gpus: tuple[Gpu, ...]) -> str:
    return ", ".join(dict.fromkeys(f"{gpu.vendor.value} {gpu.name}".strip() for gpu in gpus))
