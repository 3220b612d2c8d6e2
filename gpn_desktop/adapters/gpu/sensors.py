"""``ports.sensors.Sensors`` on the drivers of this machine.

A driver that has not answered in time is not asked again before ``recheck``: whoever shows readings asks
every second, and must not wait every time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from gpn_desktop.adapters.gpu.asking import Asking
from gpn_desktop.adapters.gpu.nvml import Found, NoDriver, Nvml
from gpn_desktop.adapters.gpu.others import bus_gpus
from gpn_desktop.core.gpus import Gpu, GpuReading, Vendor

T = TypeVar("T")
TIMEOUT = 5.0


def _pynvml() -> Any:
    try:
        import pynvml  # type: ignore[import-untyped]
    except ImportError as error:
        raise NoDriver("NVIDIA GPUs cannot be asked: the Python package nvidia-ml-py is missing.") from error
    return pynvml


class GpuSensors:
    """Args:
    library: gives the ``pynvml`` module; called on the driver's thread.
    bus: the GPUs that the machine's bus lists.
    """

    def __init__(
        self,
        library: Callable[[], Any] = _pynvml,
        bus: Callable[[], tuple[Gpu, ...]] = bus_gpus,
        timeout: float = TIMEOUT,
    ) -> None:
        self._library = library
        self._bus = bus
        self._timeout = timeout
        self._asking = Asking()
        self._turn = asyncio.Lock()
        self._nvml: Nvml | None = None
        self._gpus: tuple[Gpu, ...] | None = None
        self._missing = ""  # why a GPU is not among those found
        self._trouble = ""  # what the last reading said
        self._hangs = False

    async def gpus(self) -> tuple[Gpu, ...]:
        async with self._turn:
            return await self._known()

    async def read(self) -> tuple[GpuReading, ...]:
        async with self._turn:
            mine = tuple(gpu for gpu in await self._known() if gpu.uuid)
            nvml = self._nvml
            if nvml is None or not mine:
                return ()
            readings = await self._driver(lambda: nvml.readings(mine))
            if readings is None:
                return ()
            self._trouble = " ".join(reading.error for reading in readings if reading.error)
            return readings

    def why(self) -> str:
        if self._hangs:
            return f"The GPU's driver has not answered for {self._timeout:g} s: restart the machine."
        return f"{self._missing} {self._trouble}".strip()

    async def recheck(self) -> None:
        async with self._turn:
            await self._close()
            self._gpus, self._missing, self._trouble, self._hangs = None, "", "", False

    async def aclose(self) -> None:
        async with self._turn:
            await self._close()

    async def _known(self) -> tuple[Gpu, ...]:
        if self._gpus is not None:
            return self._gpus
        bus = await asyncio.to_thread(self._bus)
        answer = await self._driver(self._find)
        # What comes too late is left aside: state is set here alone, never on the driver's thread.
        self._nvml, found = answer or (None, Found((), ""))
        if self._nvml is not None:  # it knows NVIDIA's better than the bus does
            bus = tuple(gpu for gpu in bus if gpu.vendor is not Vendor.NVIDIA)
        said = () if found.gpus else map(_unusable, bus)
        self._missing = " ".join((found.trouble, *said)).strip()
        beside = (replace(gpu, index=len(found.gpus) + place) for place, gpu in enumerate(bus))
        self._gpus = (*found.gpus, *beside)
        return self._gpus

    def _find(self) -> tuple[Nvml | None, Found]:
        try:
            nvml = Nvml(self._library())
        except NoDriver as error:
            return None, Found((), str(error))
        try:
            found = nvml.find()
        except NoDriver as error:
            nvml.close()
            return None, Found((), str(error))
        return nvml, found if found.gpus or found.trouble else Found((), "The NVIDIA driver lists no GPU.")

    async def _close(self) -> None:
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            await self._driver(nvml.close)

    async def _driver(self, question: Callable[[], T]) -> T | None:
        """None if the driver hangs."""
        if self._hangs:
            return None
        try:
            return await self._asking.ask(question, self._timeout)
        except TimeoutError:
            self._hangs = True
            return None


def _unusable(gpu: Gpu) -> str:
    if gpu.vendor is Vendor.NVIDIA:
        return f"The NVIDIA GPU {gpu.name} has no working driver."
    return f"{gpu.vendor.value} GPU {gpu.name} is seen, but proving on it is not supported yet."
