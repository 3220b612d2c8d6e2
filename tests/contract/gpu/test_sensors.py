"""One suite for the sensors' port: an imagined machine, NVML with chosen GPUs, this machine's own drivers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from gpn_desktop.adapters.gpu import GpuSensors, MemorySensors
from gpn_desktop.core.gpus import Gpu, GpuReading, Vendor
from gpn_desktop.ports.sensors import Sensors
from tests.contract.gpu.library import MIB, Device, Library

ONE = Gpu(0, "GPU-1", "RTX 4090", 24_564 * MIB, "535.104.05")
TWO = Gpu(1, "GPU-2", "RTX 3060", 12_288 * MIB, "535.104.05")
AMD = Gpu(2, "", "at 0000:03:00.0", 0, "", Vendor.AMD)
READ = (GpuReading("GPU-1", 61, 215.5, 93, 7 * MIB), GpuReading("GPU-2", 61, 215.5, 93, 7 * MIB))


@dataclass
class Machine:
    """Sensors, and the hands on the hardware beneath."""

    sensors: Sensors
    lose: Callable[[str], None]
    find: Callable[[str], None]


def imagined(*gpus: Gpu) -> Machine:
    sensors = MemorySensors(gpus)
    for reading in READ:
        sensors.show(reading)
    return Machine(sensors, sensors.lose, sensors.find)


def nvml(*gpus: Gpu) -> Machine:
    library = Library(*(Device(gpu.uuid, gpu.name, gpu.vram // MIB) for gpu in gpus if gpu.uuid))
    library.not_loaded = not library.devices
    beside = tuple(gpu for gpu in gpus if not gpu.uuid)
    return Machine(GpuSensors(lambda: library, lambda: beside), library.lost.add, library.lost.discard)


MACHINES = pytest.mark.parametrize("machine", [imagined, nvml])


async def test_this_machine_is_read_without_trouble() -> None:
    """Whatever it has: each GPU has a reading, and where there is none a person is told why."""
    found = GpuSensors()
    gpus = await found.gpus()
    readings = await found.read()

    nvidia = [gpu for gpu in gpus if gpu.vendor is Vendor.NVIDIA and gpu.uuid]
    assert [reading.uuid for reading in readings] == [gpu.uuid for gpu in nvidia]
    assert all(gpu.driver and gpu.name for gpu in nvidia)
    assert all(reading.error or 0 <= (reading.vram_used or 0) <= 2**50 for reading in readings)
    assert bool(nvidia) or "NVIDIA" in found.why()
    await found.recheck()
    assert await found.gpus() == gpus
    await found.aclose()


@MACHINES
async def test_gpus_and_readings_come_in_our_units(machine: Callable[..., Machine]) -> None:
    found = machine(ONE, TWO, AMD).sensors

    assert await found.gpus() == (ONE, TWO, AMD)
    assert await found.read() == READ
    assert found.why() == ""
    await found.aclose()


@MACHINES
async def test_readings_need_no_question_before(machine: Callable[..., Machine]) -> None:
    found = machine(ONE).sensors

    assert await found.read() == READ[:1]
    await found.aclose()


@MACHINES
async def test_a_machine_without_gpus_has_none_and_a_reason(machine: Callable[..., Machine]) -> None:
    found = machine().sensors

    assert await found.gpus() == ()
    assert await found.read() == ()
    assert "NVIDIA" in found.why()
    await found.aclose()


@MACHINES
async def test_an_amd_gpu_is_seen_and_not_read(machine: Callable[..., Machine]) -> None:
    found = machine(AMD).sensors

    assert [(gpu.vendor, gpu.uuid) for gpu in await found.gpus()] == [(Vendor.AMD, "")]
    assert await found.read() == ()
    assert found.why()
    await found.aclose()


@MACHINES
async def test_a_gpu_that_falls_off_the_bus_is_told_and_the_others_go_on(
    machine: Callable[..., Machine],
) -> None:
    under = machine(ONE, TWO)
    found = under.sensors
    await found.gpus()
    under.lose("GPU-1")

    first, second = await found.read()

    assert "RTX 4090 does not answer" in first.error
    assert (first.temperature, first.vram_used) == (None, None)
    assert second == READ[1]
    assert await found.gpus() == (ONE, TWO)
    assert "RTX 4090" in found.why()
    under.find("GPU-1")
    assert await found.read() == READ
    assert found.why() == ""
    await found.aclose()


@MACHINES
async def test_a_gpu_that_is_lost_from_the_start_is_told_and_comes_back(
    machine: Callable[..., Machine],
) -> None:
    under = machine(ONE, TWO)
    found = under.sensors
    under.lose("GPU-1")

    assert await found.gpus() == (TWO,)
    assert await found.read() == READ[1:]
    assert "does not answer" in found.why()
    under.find("GPU-1")
    assert await found.gpus() == (TWO,)
    await found.recheck()
    assert await found.gpus() == (ONE, TWO)
    assert found.why() == ""
    await found.aclose()


@MACHINES
async def test_closing_twice_is_no_error_and_asking_again_no_harm(machine: Callable[..., Machine]) -> None:
    found = machine(ONE).sensors
    await found.gpus()

    await found.aclose()
    await found.aclose()

    assert await found.gpus() == (ONE,)
