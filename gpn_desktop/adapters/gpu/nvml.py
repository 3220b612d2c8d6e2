"""NVIDIA's management library. All calls block, and a driver in trouble may never answer: see asking.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from gpn_desktop.core.gpus import Gpu, GpuReading

T = TypeVar("T")
NO_LIBRARY: Final = "There is no NVIDIA driver on this machine (libnvidia-ml was not found)."
_KNOWN: Final = {
    "NVMLError_LibraryNotFound": NO_LIBRARY,
    "NVMLError_DriverNotLoaded": "The NVIDIA driver is installed, but not loaded: restart the machine.",
    "NVMLError_NoPermission": "This user may not use the NVIDIA driver.",
    "NVMLError_LibRmVersionMismatch": "The NVIDIA driver was updated: restart the machine.",
}
_NOT_TOLD: Final = ("NVMLError_NotSupported", "NVMLError_FunctionNotFound", "NVMLError_NoPermission")


class NoDriver(Exception):
    """There is no NVIDIA driver here, or it does not work; the message is for people."""


@dataclass(frozen=True, slots=True)
class Found:
    """``trouble``: what is wrong with those that are not among ``gpus``, "" if nothing."""

    gpus: tuple[Gpu, ...]
    trouble: str


class Nvml:
    """A session with the driver.

    Args:
        library: the ``pynvml`` module, or one that behaves like it.
    """

    def __init__(self, library: Any) -> None:
        self._nvml = library
        # A driver under WSL has been seen to give names that are no UTF-8, which the library trips over.
        self._errors = (library.NVMLError, UnicodeDecodeError)
        try:
            library.nvmlInit()
        except library.NVMLError as error:
            raise NoDriver(_why(library, error)) from error

    def find(self) -> Found:
        """All that the driver lists; of a GPU that is divided, its instances in its place.

        Raises:
            NoDriver: it does not even tell how many there are.
        """
        nvml = self._nvml
        driver = _text(self._ask(nvml.nvmlSystemGetDriverVersion) or "")
        try:
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError as error:
            raise NoDriver(_why(nvml, error)) from error
        found: list[Gpu] = []
        trouble = []
        for index in range(count):
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                whole = self._gpu(index, handle, driver)
                parts = self._instances(index, handle, driver)
            except self._errors as error:
                trouble.append(f"GPU {index} does not answer: {error}.")
                continue
            found += [whole] if parts is None else parts
            if parts == []:
                trouble.append(
                    f"{whole.name} is to be divided (MIG), but has no instances: nvidia-smi mig -h."
                )
        return Found(tuple(found), " ".join(trouble))

    def readings(self, gpus: tuple[Gpu, ...]) -> tuple[GpuReading, ...]:
        return tuple(self._reading(gpu) for gpu in gpus)

    def close(self) -> None:
        self._ask(self._nvml.nvmlShutdown)

    def _gpu(self, index: int, handle: Any, driver: str) -> Gpu:
        nvml = self._nvml
        uuid = _text(nvml.nvmlDeviceGetUUID(handle))
        memory = self._memory(handle)
        name = _text(self._ask(nvml.nvmlDeviceGetName, handle) or "NVIDIA GPU")
        return Gpu(index, uuid, name, 0 if memory is None else int(memory.total), driver)

    def _instances(self, index: int, handle: Any, driver: str) -> list[Gpu] | None:
        """The parts of a GPU that is divided (MIG), with ids and memory of their own; None if it is not."""
        mode = self._ask(self._nvml.nvmlDeviceGetMigMode, handle)
        if mode is None or mode[0] == 0:
            return None
        return [self._gpu(index, part, driver) for part in self._parts(handle)]

    def _parts(self, handle: Any) -> Iterator[Any]:
        for place in range(self._ask(self._nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
            part = self._ask(self._nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, place)
            if part is not None:  # most places are free
                yield part

    def _reading(self, gpu: Gpu) -> GpuReading:
        nvml = self._nvml
        try:
            # By its id, not its number: numbers move when a device falls off the bus.
            handle = nvml.nvmlDeviceGetHandleByUUID(gpu.uuid)
            memory = self._memory(handle)
        except nvml.NVMLError as error:
            return GpuReading(gpu.uuid, error=f"{gpu.name} does not answer: {error}.")
        # Heat and power are the whole board's, also where an instance is asked about.
        board = (
            self._ask(nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle, handle) if _is_part(gpu) else handle
        )
        power = self._ask(nvml.nvmlDeviceGetPowerUsage, board)  # milliwatts
        use = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        return GpuReading(
            uuid=gpu.uuid,
            temperature=self._ask(nvml.nvmlDeviceGetTemperature, board, nvml.NVML_TEMPERATURE_GPU),
            power=None if power is None else power / 1000,
            utilisation=None if use is None else int(use.gpu),
            vram_used=None if memory is None else int(memory.used),
        )

    def _memory(self, handle: Any) -> Any:
        """None where it is the machine's own; raises what a lost device raises."""
        try:
            return self._nvml.nvmlDeviceGetMemoryInfo(handle)
        except self._nvml.NVMLError as error:
            if _is(self._nvml, error, _NOT_TOLD):
                return None
            raise

    def _ask(self, question: Callable[..., T], *arguments: object) -> T | None:
        """None where this device or driver does not know: older ones lack much."""
        try:
            return question(*arguments)
        except self._errors:
            return None


def _is_part(gpu: Gpu) -> bool:
    return gpu.uuid.startswith("MIG-")


def _text(value: str | bytes) -> str:
    """Older versions of the library give bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _is(library: Any, error: Exception, names: tuple[str, ...]) -> bool:
    return any(isinstance(error, getattr(library, name, ())) for name in names)


def _why(library: Any, error: Exception) -> str:
    said = (text for name, text in _KNOWN.items() if _is(library, error, (name,)))
    return next(said, f"The NVIDIA driver does not work: {error}.")
