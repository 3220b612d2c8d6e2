"""The sensors of an imagined machine, for tests and for showing the window without its hardware."""

from __future__ import annotations

from collections.abc import Iterable

from gpn_desktop.core.gpus import Gpu, GpuReading, Vendor


class MemorySensors:
    """Args:
    gpus: what the machine has; each that has an id is read.
    """

    def __init__(self, gpus: Iterable[Gpu] = ()) -> None:
        self._machine = tuple(gpus)
        self._gpus: tuple[Gpu, ...] | None = None
        self._readings: dict[str, GpuReading] = {}
        self._lost: set[str] = set()
        self._missing = ""
        self._trouble = ""

    def change(self, gpus: Iterable[Gpu]) -> None:
        """Other hardware from the next ``recheck`` on."""
        self._machine = tuple(gpus)

    def show(self, reading: GpuReading) -> None:
        """What its GPU says from now on."""
        self._readings[reading.uuid] = reading

    def lose(self, uuid: str) -> None:
        """The GPU falls off the bus; ``find`` brings it back."""
        self._lost.add(uuid)

    def find(self, uuid: str) -> None:
        self._lost.discard(uuid)

    async def gpus(self) -> tuple[Gpu, ...]:
        if self._gpus is None:
            self._gpus = tuple(gpu for gpu in self._machine if gpu.uuid not in self._lost)
            gone = [f"{gpu.name} does not answer." for gpu in self._machine if gpu.uuid in self._lost]
            none = not any(gpu.vendor is Vendor.NVIDIA and gpu.uuid for gpu in self._gpus)
            self._missing = " ".join(gone) or ("There is no NVIDIA GPU." if none else "")
        return self._gpus

    async def read(self) -> tuple[GpuReading, ...]:
        readings = tuple(self._reading(gpu) for gpu in await self.gpus() if gpu.uuid)
        self._trouble = " ".join(reading.error for reading in readings if reading.error)
        return readings

    def why(self) -> str:
        return f"{self._missing} {self._trouble}".strip()

    async def recheck(self) -> None:
        self._gpus, self._missing, self._trouble = None, "", ""

    async def aclose(self) -> None:
        """Nothing is held."""

    def _reading(self, gpu: Gpu) -> GpuReading:
        if gpu.uuid in self._lost:
            return GpuReading(gpu.uuid, error=f"{gpu.name} does not answer.")
        return self._readings.get(gpu.uuid, GpuReading(gpu.uuid))
