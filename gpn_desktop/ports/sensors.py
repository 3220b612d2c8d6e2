"""The machine's GPUs, as their drivers tell of them."""

from __future__ import annotations

from typing import Protocol

from gpn_desktop.core.gpus import Gpu, GpuReading


class Sensors(Protocol):
    """Raises nothing: a machine without a GPU has none, and ``why`` says what was looked for."""

    async def gpus(self) -> tuple[Gpu, ...]:
        """All GPUs, also such as cannot be used. Asks the drivers the first time and after ``recheck``."""
        ...

    async def read(self) -> tuple[GpuReading, ...]:
        """A reading of each GPU whose driver tells; takes a few milliseconds."""
        ...

    def why(self) -> str:
        """In plain words why there is no GPU, or why one does not answer; "" when all is well."""
        ...

    async def recheck(self) -> None:
        """Forget what was found: the next question asks the drivers again."""
        ...

    async def aclose(self) -> None: ...
