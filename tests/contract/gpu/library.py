"""What ``pynvml`` looks like from outside, with GPUs and troubles that a test chooses."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

MIB = 1024 * 1024


class NVMLError(Exception):
    pass


class NVMLError_DriverNotLoaded(NVMLError):  # noqa: N801 (the library's own name)
    pass


class NVMLError_GpuIsLost(NVMLError):  # noqa: N801
    pass


class Library:
    """``devices``: (uuid, name, MiB). What is in ``unknown`` this driver does not know."""

    NVMLError = NVMLError
    NVMLError_DriverNotLoaded = NVMLError_DriverNotLoaded
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, *devices: tuple[str, str, int], old: bool = False) -> None:
        self.devices = list(devices)
        self.lost: set[str] = set()
        self.unknown: set[str] = set()
        self.not_loaded = False
        self.hang = threading.Event()
        self.hang.set()
        self.calls = 0
        self._old = old  # gives bytes, as versions before 12 do

    def nvmlInit(self) -> None:  # noqa: N802
        self.calls += 1
        self.hang.wait(30)
        if self.not_loaded:
            raise NVMLError_DriverNotLoaded("Driver Not Loaded")

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.calls += 1

    def nvmlSystemGetDriverVersion(self) -> str | bytes:  # noqa: N802
        return b"535.104.05" if self._old else "535.104.05"

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:  # noqa: N802
        return self._alive(self.devices[index])

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any:  # noqa: N802
        self.calls += 1
        self.hang.wait(30)
        return self._alive(next(device for device in self.devices if device[0] == uuid))

    def nvmlDeviceGetUUID(self, handle: Any) -> str | bytes:  # noqa: N802
        return handle[0].encode() if self._old else handle[0]

    def nvmlDeviceGetName(self, handle: Any) -> str | bytes:  # noqa: N802
        return handle[1].encode() if self._old else handle[1]

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:  # noqa: N802
        self._alive(handle)
        return SimpleNamespace(total=handle[2] * MIB, used=7 * MIB)

    def nvmlDeviceGetTemperature(self, handle: Any, kind: int) -> int:  # noqa: N802
        return self._known("temperature", 61)

    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int:  # noqa: N802
        return self._known("power", 215_500)

    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any:  # noqa: N802
        return self._known("utilisation", SimpleNamespace(gpu=93, memory=40))

    def _alive(self, device: Any) -> Any:
        if device[0] in self.lost:
            raise NVMLError_GpuIsLost("GPU is lost")
        return device

    def _known(self, what: str, value: Any) -> Any:
        if what in self.unknown:
            raise NVMLError("Not Supported")
        return value
