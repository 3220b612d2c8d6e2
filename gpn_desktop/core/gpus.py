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
DRIVER_REMEDY: Final = "Install NVIDIA's driver and restart the machine; nvidia-smi lists the GPU then."


class Vendor(Enum):
    NVIDIA = "NVIDIA"
    AMD = "AMD"
    INTEL = "Intel"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU, or an instance of one that is divided (MIG), which then has the ``index`` of the whole.

    ``uuid`` is what the engine takes, "" of one that cannot be given away; ``vram`` bytes, 0 where the driver
    does not tell, as of GPUs that share the machine's memory; ``driver`` as in "535.104.05", "" if unknown.
    """

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


def fit(need: GpuNeed, gpus: tuple[Gpu, ...], runtime: bool = True, system: str = "linux") -> tuple[Gpu, ...]:
    """The GPUs that can serve an image. One whose memory is not known is given a try.

    Args:
        runtime: whether the engine can give GPUs to containers at all.
        system: the operating system as ``sys.platform`` names it, for the remedy.

    Raises:
        GpuAbsent, GpuUnsupported, GpuUnavailable (no GPU runtime), GpuDriverTooOld, GpuMemoryTooSmall
    """
    usable = [gpu for gpu in gpus if gpu.vendor is Vendor.NVIDIA and gpu.uuid]
    if not gpus:
        raise GpuAbsent("The image needs a GPU, and this machine has none that its driver knows.")
    if not usable and any(gpu.vendor is Vendor.NVIDIA for gpu in gpus):
        raise GpuAbsent(
            "The image needs a GPU, and this machine's NVIDIA GPU has no working driver.",
            remedy=DRIVER_REMEDY,
        )
    if not usable:
        raise GpuUnsupported(f"The image needs an NVIDIA GPU; this machine has {_names(gpus)}.")
    if not runtime:
        raise GpuUnavailable(
            "The Docker engine cannot give GPUs to containers.", remedy=runtime_remedy(system)
        )
    current = [gpu for gpu in usable if version(gpu.driver) >= version(need.driver)]
    if not current:
        there = usable[0].driver or "an unknown one"
        raise GpuDriverTooOld(f"The image needs driver {need.driver} or newer; this machine has {there}.")
    large = tuple(gpu for gpu in current if gpu.vram == 0 or gpu.vram >= need.vram)
    if not large:
        most = max(current, key=lambda gpu: gpu.vram)
        raise GpuMemoryTooSmall(
            f"The image needs {need.vram // MIB:,} MiB of GPU memory; {most.name} has {most.vram // MIB:,}."
        )
    return large


def runtime_remedy(system: str) -> str:
    """What to do where the engine has no GPU runtime; ``system`` as ``sys.platform`` names it."""
    if system == "win32":
        return (
            "Update the NVIDIA driver, run: wsl --update — and restart Docker Desktop, which has to use "
            "WSL 2. Or turn GPUs off in the settings."
        )
    if system == "darwin":
        return "Docker gives no GPUs to containers on macOS: turn GPUs off in the settings."
    return GpuUnavailable.remedy


def version(text: str) -> tuple[int, ...]:
    """A driver's version for comparing; () of none, which is older than any."""
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _names(gpus: tuple[Gpu, ...]) -> str:
    return ", ".join(dict.fromkeys(f"{gpu.vendor.value} {gpu.name}".strip() for gpu in gpus))
