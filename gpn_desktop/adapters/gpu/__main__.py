"""``python -m gpn_desktop.adapters.gpu``: what the drivers tell, as lines of JSON, for reports of trouble."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict

from gpn_desktop.adapters.gpu.sensors import GpuSensors


async def main() -> None:
    sensors = GpuSensors()
    for gpu in await sensors.gpus():
        print(json.dumps(asdict(gpu) | {"vendor": gpu.vendor.value}))
    for reading in await sensors.read():
        print(json.dumps(asdict(reading)))
    print(json.dumps({"why": sensors.why()}))
    await sensors.aclose()


if __name__ == "__main__":
    asyncio.run(main())
