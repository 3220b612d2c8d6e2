"""What ``pynvml`` looks like from outside, with GPUs and troubles that a test chooses."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

MIB = 1024 * 1024


class NVMLError(Exception):
    pass


class NVMLError_DriverNotLoaded(NVMLError):  # noqa: N801 (the library's own name)
    pass


class NVMLError_GpuIsLost(NVMLError):  # noqa: N801
    pass


class NVMLError_NotSupported(NVMLError):  # noqa: N801
    pass


class NVMLError_FunctionNotFound(NVMLError):  # noqa: N801
    pass


class NVMLError_InvalidArgument(NVMLError):  # noqa: N801
    pass


class NVMLError_NotFound(NVMLError):  # noqa: N801
    pass


class NVMLError_Unknown(NVMLError):  # noqa: N801
    pass


@dataclass(eq=False)
class Device:
    """``mib`` None where the memory is the machine's own; ``parts`` None of one that cannot be divided."""

    uuid: str
    name: str
    mib: int | None
    parts: list[Device | None] | None = None
    whole: Device | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for part in self.parts or ():
            if part is not None:
                part.whole = self


class Library:
    """Refuses as the real one does. What is in ``unknown`` this driver does not know.

    ``hang``: clear it, and every question waits until it is set. ``calls`` counts the questions, and ``open``
    the sessions that nobody has ended.
    """

    NVMLError = NVMLError
    NVMLError_DriverNotLoaded = NVMLError_DriverNotLoaded
    NVMLError_GpuIsLost = NVMLError_GpuIsLost
    NVMLError_NotSupported = NVMLError_NotSupported
    NVMLError_FunctionNotFound = NVMLError_FunctionNotFound
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, *devices: Device, old: bool = False) -> None:
        self.devices = list(devices)
        self.lost: set[str] = set()
        self.unknown: set[str] = set()
        self.not_loaded = False
        self.countless = False
        self.hang = threading.Event()
        self.hang.set()
        self.calls = 0
        self.open = 0
        self._old = old  # gives bytes, as versions before 12 do, and has no MIG

    def nvmlInit(self) -> None:  # noqa: N802
        self._asked()
        if self.not_loaded:
            raise NVMLError_DriverNotLoaded("Driver Not Loaded")
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self._asked()
        self.open -= 1

    def nvmlSystemGetDriverVersion(self) -> str | bytes:  # noqa: N802
        return b"535.104.05" if self._old else "535.104.05"

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        if self.countless:
            raise NVMLError_Unknown("Unknown Error")
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Device:  # noqa: N802
        return self._alive(self.devices[index])

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Device:  # noqa: N802
        self._asked()
        parts = [part for device in self.devices for part in device.parts or () if part is not None]
        found = [device for device in (*self.devices, *parts) if device.uuid == uuid]
        if not found:
            raise NVMLError_NotFound("Not Found")
        return self._alive(found[0])

    def nvmlDeviceGetUUID(self, handle: Device) -> str | bytes:  # noqa: N802
        return handle.uuid.encode() if self._old else handle.uuid

    def nvmlDeviceGetName(self, handle: Device) -> str | bytes:  # noqa: N802
        if handle.name == "garbled":
            b"\xf8".decode()
        return handle.name.encode() if self._old else handle.name

    def nvmlDeviceGetMemoryInfo(self, handle: Device) -> Any:  # noqa: N802
        self._alive(handle)
        if handle.mib is None:
            raise NVMLError_NotSupported("Not Supported")
        return SimpleNamespace(total=handle.mib * MIB, used=7 * MIB)

    def nvmlDeviceGetTemperature(self, handle: Device, sensor: int) -> int:  # noqa: N802
        return self._board(handle, "temperature", 61)

    def nvmlDeviceGetPowerUsage(self, handle: Device) -> int:  # noqa: N802
        return self._board(handle, "power", 215_500)

    def nvmlDeviceGetUtilizationRates(self, handle: Device) -> Any:  # noqa: N802
        if handle.whole is not None:
            raise NVMLError_NotSupported("Not Supported")
        return self._known("utilisation", SimpleNamespace(gpu=93, memory=40))

    def nvmlDeviceGetMigMode(self, handle: Device) -> list[int]:  # noqa: N802
        if self._old:
            raise NVMLError_FunctionNotFound("Function Not Found")
        if handle.parts is None:
            raise NVMLError_NotSupported("Not Supported")
        return [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Device) -> int:  # noqa: N802
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Device, index: int) -> Device:  # noqa: N802
        parts = handle.parts or []
        part = parts[index] if index < len(parts) else None
        if part is None:
            raise NVMLError_NotFound("Not Found")
        return part

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, handle: Device) -> Device:  # noqa: N802
        assert handle.whole is not None, "asked only of instances"
        return handle.whole

    def _asked(self) -> None:
        self.calls += 1
        self.hang.wait(30)

    def _alive(self, device: Device) -> Device:
        if device.uuid in self.lost:
            raise NVMLError_GpuIsLost("GPU is lost")
        return device

    def _board(self, handle: Device, what: str, value: int) -> int:
        if handle.whole is not None:
            raise NVMLError_InvalidArgument("Invalid Argument")
        return int(self._known(what, value))

    def _known(self, what: str, value: Any) -> Any:
        if what in self.unknown:
            raise NVMLError_NotSupported("Not Supported")
        return value
