"""``ports.sensors.Sensors`` on the drivers of this machine.

A driver in trouble may hang for good. So each question has a thread and a time limit; when that is over, the
thread is given up and the driver is not asked again before ``recheck``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from gpn_desktop.adapters.gpu.nvml import NoDriver, Nvml
from gpn_desktop.adapters.gpu.others import other_gpus
from gpn_desktop.core.gpus import Gpu, GpuReading

T = TypeVar("T")
TIMEOUT = 5.0


def _pynvml() -> Any:
    import pynvml  # type: ignore[import-untyped]

    return pynvml


class GpuSensors:
    """Args:
    library: gives the ``pynvml`` module; called on the driver's thread.
    others: GPUs that only have to be named.
    """

    def __init__(
        self,
        library: Callable[[], Any] = _pynvml,
        others: Callable[[], tuple[Gpu, ...]] = other_gpus,
        timeout: float = TIMEOUT,
    ) -> None:
        self._library = library
        self._others = others
        self._timeout = timeout
        self._turn = asyncio.Lock()
        self._nvml: Nvml | None = None
        self._gpus: tuple[Gpu, ...] | None = None
        self._why = ""
        self._given_up = False

    async def gpus(self) -> tuple[Gpu, ...]:
        async with self._turn:
            if self._gpus is None:
                none: tuple[Gpu, ...] = ()
                self._gpus = await self._driver(self._find, none)
            return self._gpus

    async def read(self) -> tuple[GpuReading, ...]:
        known = await self.gpus()
        async with self._turn:
            nvml = self._nvml
            if nvml is None or self._given_up:
                return ()
            mine = tuple(gpu for gpu in known if gpu.uuid)
            none: tuple[GpuReading, ...] = ()
            readings = await self._driver(lambda: nvml.readings(mine), none)
        if not self._given_up:
            self._why = next((reading.error for reading in readings if reading.error), "")
        return readings

    def why(self) -> str:
        return self._why

    async def recheck(self) -> None:
        async with self._turn:
            self._nvml, self._gpus, self._why, self._given_up = None, None, "", False

    async def aclose(self) -> None:
        async with self._turn:
            nvml, self._nvml = self._nvml, None
            if nvml is not None and not self._given_up:
                await self._driver(nvml.close, None)

    def _find(self) -> tuple[Gpu, ...]:
        others = self._others()
        try:
            self._nvml = Nvml(self._library())
            found = (*self._nvml.gpus(), *others)
            self._why = "" if found else "The NVIDIA driver lists no GPU."
        except NoDriver as error:
            found = others
            seen = ", ".join(f"{gpu.vendor.value} GPU {gpu.name}" for gpu in others)
            self._why = f"{seen}: only NVIDIA GPUs can be used so far." if others else str(error)
        return found

    async def _driver(self, ask: Callable[[], T], otherwise: T) -> T:
        """The driver's answer, or ``otherwise`` if it takes too long. A daemon thread may be left behind."""
        if self._given_up:
            return otherwise
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def deliver(result: T | None, error: BaseException | None) -> None:
            if not answer.done():
                if error is None:
                    answer.set_result(result)  # type: ignore[arg-type]
                else:
                    answer.set_exception(error)

        def work() -> None:
            result, error = None, None
            try:
                result = ask()
            except BaseException as raised:  # noqa: BLE001 (it is raised where the answer is waited for)
                error = raised
            if not loop.is_closed():
                loop.call_soon_threadsafe(deliver, result, error)

        threading.Thread(target=work, name="gpu", daemon=True).start()
        try:
            return await asyncio.wait_for(answer, self._timeout)
        except TimeoutError:
            self._given_up = True
            self._why = f"The GPU's driver has not answered for {self._timeout:g} s: restart the machine."
            return otherwise
