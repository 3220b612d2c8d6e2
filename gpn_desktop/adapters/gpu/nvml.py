"""NVIDIA's management library. All calls block, and a driver in trouble may never answer: see sensors.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gpn_desktop.core.gpus import Gpu, GpuReading

T = TypeVar("T")


class NoDriver(Exception):
    """There is no NVIDIA driver here, or it does not work; the message is for people."""


class Nvml:
    """A session with the driver.

    Args:
        library: the ``pynvml`` module, or one that behaves like it.
    """

    def __init__(self, library: Any) -> None:
        self._nvml = library
        try:
            library.nvmlInit()
        except library.NVMLError as error:
            raise NoDriver(_why(library, error)) from error

    def gpus(self) -> tuple[Gpu, ...]:
        """All that the driver lists. One that does not answer is left out; ``readings`` tells of it."""
        nvml = self._nvml
        driver = _text(self._ask(nvml.nvmlSystemGetDriverVersion) or "")
        found = []
        for index in range(self._ask(nvml.nvmlDeviceGetCount) or 0):
            handle = self._ask(nvml.nvmlDeviceGetHandleByIndex, index)
            uuid = None if handle is None else self._ask(nvml.nvmlDeviceGetUUID, handle)
            memory = None if handle is None else self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
            if uuid is not None and memory is not None:
                name = _text(self._ask(nvml.nvmlDeviceGetName, handle) or "NVIDIA GPU")
                found.append(Gpu(index, _text(uuid), name, int(memory.total), driver))
        return tuple(found)

    def readings(self, gpus: tuple[Gpu, ...]) -> tuple[GpuReading, ...]:
        return tuple(self._reading(gpu) for gpu in gpus)

    def close(self) -> None:
        self._ask(self._nvml.nvmlShutdown)

    def _reading(self, gpu: Gpu) -> GpuReading:
        nvml = self._nvml
        try:
            # By its id, not its number: numbers move when a device falls off the bus.
            handle = nvml.nvmlDeviceGetHandleByUUID(gpu.uuid)
            nvml.nvmlDeviceGetMemoryInfo(handle)
        except nvml.NVMLError as error:
            return GpuReading(gpu.uuid, error=f"{gpu.name} does not answer: {error}")
        power = self._ask(nvml.nvmlDeviceGetPowerUsage, handle)  # milliwatts
        use = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
        return GpuReading(
            uuid=gpu.uuid,
            temperature=self._ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            power=None if power is None else power / 1000,
            utilisation=None if use is None else int(use.gpu),
            vram_used=None if memory is None else int(memory.used),
        )

    def _ask(self, question: Callable[..., T], *arguments: object) -> T | None:
        """None where this device or driver does not know: older ones lack much."""
        try:
            return question(*arguments)
        except self._nvml.NVMLError:
            return None


def _text(value: str | bytes) -> str:
    """Older versions of the library give bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _why(library: Any, error: Exception) -> str:
    known = {
        "NVMLError_LibraryNotFound": "There is no NVIDIA driver on this machine.",
        "NVMLError_DriverNotLoaded": "The NVIDIA driver is installed, but not loaded: restart the machine.",
        "NVMLError_NoPermission": "This user may not use the NVIDIA driver.",
        "NVMLError_LibRmVersionMismatch": "The NVIDIA driver was updated: restart the machine.",
    }
    for name, text in known.items():
        kind = getattr(library, name, None)
        if kind is not None and isinstance(error, kind):
            return text
    return f"The NVIDIA driver does not work: {error}"
