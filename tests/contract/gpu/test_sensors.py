"""The GPU sensors: on this machine's own drivers, and on a library whose troubles are chosen."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gpn_desktop.adapters.gpu import GpuSensors
from gpn_desktop.adapters.gpu.others import other_gpus
from gpn_desktop.core.gpus import Gpu, GpuReading, Vendor
from tests.contract.gpu.library import MIB, Library

ONE, TWO = ("GPU-1", "RTX 4090", 24_564), ("GPU-2", "RTX 3060", 12_288)


def sensors(library: Library, *others: Gpu, timeout: float = 5.0) -> GpuSensors:
    return GpuSensors(lambda: library, lambda: others, timeout)


async def test_this_machine_is_read_without_trouble() -> None:
    """Whatever it has: each GPU has a reading, and where there is none a person is told why."""
    found = GpuSensors()
    gpus = await found.gpus()
    readings = await found.read()

    nvidia = [gpu.uuid for gpu in gpus if gpu.vendor is Vendor.NVIDIA]
    assert [reading.uuid for reading in readings] == nvidia
    assert bool(nvidia) or found.why().strip()
    await found.aclose()


@pytest.mark.parametrize("old", [False, True])
async def test_gpus_and_readings_come_in_our_units(old: bool) -> None:
    found = sensors(Library(ONE, TWO, old=old))

    assert await found.gpus() == (
        Gpu(0, "GPU-1", "RTX 4090", 24_564 * MIB, "535.104.05"),
        Gpu(1, "GPU-2", "RTX 3060", 12_288 * MIB, "535.104.05"),
    )
    assert await found.read() == (
        GpuReading("GPU-1", 61, 215.5, 93, 7 * MIB),
        GpuReading("GPU-2", 61, 215.5, 93, 7 * MIB),
    )
    assert found.why() == ""
    await found.aclose()


async def test_what_a_device_does_not_tell_is_unknown() -> None:
    library = Library(ONE)
    library.unknown = {"power", "utilisation", "temperature"}
    found = sensors(library)

    assert await found.read() == (GpuReading("GPU-1", None, None, None, 7 * MIB),)


async def test_a_gpu_that_falls_off_the_bus_is_told_and_the_others_go_on() -> None:
    library = Library(ONE, TWO)
    found = sensors(library)
    await found.gpus()
    library.lost = {"GPU-1"}

    first, second = await found.read()

    assert "RTX 4090 does not answer" in first.error
    assert first.temperature is None
    assert second.temperature == 61
    assert "RTX 4090" in found.why()
    library.lost = set()
    await found.read()
    assert found.why() == ""


async def test_a_driver_that_hangs_is_asked_no_more_until_a_recheck() -> None:
    library = Library(ONE)
    found = sensors(library, timeout=0.2)
    await found.gpus()
    library.hang.clear()

    async with asyncio.timeout(5):
        assert await found.read() == ()
        asked = library.calls
        assert await found.read() == ()
    assert library.calls == asked
    assert "not answered" in found.why()

    library.hang.set()
    await found.recheck()
    assert len(await found.read()) == 1
    assert found.why() == ""


async def test_a_driver_that_hangs_from_the_start_hangs_nothing_else() -> None:
    library = Library(ONE)
    library.hang.clear()
    found = sensors(library, timeout=0.2)

    async with asyncio.timeout(5):
        assert await found.gpus() == ()
        await found.aclose()
    assert found.why()
    library.hang.set()


async def test_no_driver_and_an_amd_gpu_are_said_in_plain_words() -> None:
    library = Library()
    library.not_loaded = True
    amd = Gpu(0, "", "at 0000:03:00.0", 0, "", Vendor.AMD)

    alone, beside = sensors(library), sensors(library, amd)

    assert await alone.gpus() == ()
    assert "restart the machine" in alone.why()
    assert await beside.gpus() == (amd,)
    assert "AMD" in beside.why()
    assert "NVIDIA" in beside.why()
    assert await beside.read() == ()


def test_other_gpus_are_found_by_their_pci_class(tmp_path: Path) -> None:
    for name, vendor, kind in (
        ("0000:00:02.0", "0x8086", "0x030000"),
        ("0000:03:00.0", "0x1002", "0x038000"),
        ("0000:00:1f.3", "0x8086", "0x040300"),  # sound
        ("0000:01:00.0", "0x10de", "0x030000"),  # NVIDIA's, which its driver tells of
    ):
        device = tmp_path / "bus/pci/devices" / name
        device.mkdir(parents=True)
        (device / "vendor").write_text(vendor + "\n")
        (device / "class").write_text(kind + "\n")

    assert [gpu.vendor for gpu in other_gpus(tmp_path)] == [Vendor.INTEL, Vendor.AMD]
    assert other_gpus(tmp_path / "nowhere") == ()
