"""What drivers do: hang, answer too late, know less than others, divide a GPU, or be away."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import threading
from pathlib import Path
from typing import Any

import pynvml  # type: ignore[import-untyped]
import pytest

from gpn_desktop.adapters.gpu import GpuSensors
from gpn_desktop.adapters.gpu.others import bus_gpus
from gpn_desktop.core.gpus import Gpu, GpuReading, Vendor
from tests.contract.gpu.library import MIB, Device, Library

AMD = Gpu(0, "", "at 0000:03:00.0", 0, "", Vendor.AMD)
NVIDIA = Gpu(0, "", "at 0000:01:00.0", 0, "", Vendor.NVIDIA)


def one() -> Device:
    return Device("GPU-1", "RTX 4090", 24_564)


def sensors(library: Library, *bus: Gpu, timeout: float = 5.0) -> GpuSensors:
    return GpuSensors(lambda: library, lambda: bus, timeout)


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "gpu"}


def test_the_library_of_these_tests_is_called_as_the_real_one() -> None:
    for name, member in inspect.getmembers(Library, inspect.isfunction):
        if name.startswith("nvml"):
            mine = len(inspect.signature(member).parameters) - 1
            real = inspect.signature(getattr(pynvml, name)).parameters.values()
            assert mine == sum(each.default is each.empty for each in real), name
    errors = [name for name in vars(Library) if name.startswith("NVML")]
    assert len(errors) >= 6
    assert all(hasattr(pynvml, name) for name in errors)
    assert Library.NVML_TEMPERATURE_GPU == pynvml.NVML_TEMPERATURE_GPU


async def test_an_old_library_gives_bytes_and_knows_no_mig() -> None:
    found = sensors(Library(one(), old=True))

    assert await found.gpus() == (Gpu(0, "GPU-1", "RTX 4090", 24_564 * MIB, "535.104.05"),)


async def test_what_a_device_does_not_tell_is_unknown() -> None:
    library = Library(one())
    library.unknown = {"power", "utilisation", "temperature"}
    found = sensors(library)

    assert await found.read() == (GpuReading("GPU-1", None, None, None, 7 * MIB),)
    assert found.why() == ""


async def test_a_gpu_on_the_machines_own_memory_has_none_of_its_own() -> None:
    found = sensors(Library(Device("GPU-1", "GB10", None)))

    assert await found.gpus() == (Gpu(0, "GPU-1", "GB10", 0, "535.104.05"),)
    assert await found.read() == (GpuReading("GPU-1", 61, 215.5, 93, None),)


async def test_a_name_that_is_no_text_costs_the_name_only() -> None:
    found = sensors(Library(Device("GPU-1", "garbled", 8192)))

    assert [gpu.name for gpu in await found.gpus()] == ["NVIDIA GPU"]


async def test_a_divided_gpu_is_its_instances() -> None:
    parts = [Device("MIG-a", "A100 MIG 3g.20gb", 19_968), None, Device("MIG-b", "A100 MIG 1g.5gb", 4864)]
    library = Library(one(), Device("GPU-2", "A100", 40_960, parts))
    found = sensors(library)

    assert [(gpu.index, gpu.uuid, gpu.vram // MIB) for gpu in await found.gpus()] == [
        (0, "GPU-1", 24_564),
        (1, "MIG-a", 19_968),
        (1, "MIG-b", 4864),
    ]
    assert (await found.read())[1:] == (
        GpuReading("MIG-a", 61, 215.5, None, 7 * MIB),
        GpuReading("MIG-b", 61, 215.5, None, 7 * MIB),
    )
    assert found.why() == ""


async def test_a_gpu_that_is_to_be_divided_and_is_not_is_told() -> None:
    found = sensors(Library(Device("GPU-2", "A100", 40_960, [])), NVIDIA)

    assert await found.gpus() == ()
    assert await found.read() == ()
    assert found.why() == "A100 is to be divided (MIG), but has no instances: nvidia-smi mig -h."


async def test_a_driver_that_hangs_is_asked_no_more_until_a_recheck() -> None:
    library = Library(one())
    found = sensors(library, timeout=0.2)
    await found.gpus()
    library.hang.clear()

    async with asyncio.timeout(5):
        assert await found.read() == ()
        asked = library.calls
        assert await found.read() == ()
    assert library.calls == asked
    assert "not answered" in found.why()
    assert len(await found.gpus()) == 1

    library.hang.set()
    await found.recheck()
    assert len(await found.read()) == 1
    assert found.why() == ""


async def test_a_driver_that_hangs_from_the_start_hangs_nothing_else() -> None:
    library = Library(one())
    library.hang.clear()
    found = sensors(library, AMD, timeout=0.2)

    async with asyncio.timeout(5):
        assert await found.gpus() == (AMD,)
        await found.aclose()
    assert "not answered" in found.why()
    library.hang.set()


async def test_an_answer_that_comes_too_late_changes_nothing() -> None:
    library = Library(one())
    library.hang.clear()
    found = sensors(library, timeout=0.1)
    assert await found.gpus() == ()
    late = [thread for thread in threading.enumerate() if thread.name == "gpu"]

    library.hang.set()
    await asyncio.gather(*(asyncio.to_thread(thread.join, 5) for thread in late))

    assert library.open == 1  # the late answer was there
    assert await found.gpus() == ()
    assert await found.read() == ()
    assert "not answered" in found.why()
    await found.recheck()
    assert len(await found.read()) == 1


async def test_askers_who_do_not_wait_leave_one_thread_behind() -> None:
    library = Library(one())
    found = sensors(library, timeout=0.3)
    await found.gpus()
    before = threads()
    library.hang.clear()

    for _ in range(20):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(found.read(), 0.01)
    assert len(threads() - before) == 1  # one of before may have been about to end

    assert await found.read() == ()
    assert "not answered" in found.why()
    library.hang.set()


async def test_an_asker_who_did_not_wait_costs_the_next_nothing() -> None:
    library = Library(one())
    found = sensors(library)
    await found.gpus()
    library.hang.clear()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(found.read(), 0.01)

    library.hang.set()

    assert len(await found.read()) == 1
    assert found.why() == ""


async def test_each_session_with_the_driver_is_ended() -> None:
    library = Library(one())
    found = sensors(library)

    for _ in range(3):
        await found.gpus()
        assert library.open == 1
        await found.recheck()
    await found.gpus()
    await found.aclose()

    assert library.open == 0


async def test_a_driver_without_a_count_is_closed_and_told() -> None:
    library = Library(one())
    library.countless = True
    found = sensors(library)

    assert await found.gpus() == ()
    assert "does not work: Unknown Error" in found.why()
    assert library.open == 0


async def test_a_driver_that_lists_none_is_told() -> None:
    found = sensors(Library())

    assert await found.gpus() == ()
    assert "lists no GPU" in found.why()


async def test_no_driver_is_said_in_plain_words_beside_what_the_bus_lists() -> None:
    library = Library()
    library.not_loaded = True

    alone, amd, both = sensors(library), sensors(library, AMD), sensors(library, NVIDIA, AMD)

    assert await alone.gpus() == ()
    assert alone.why() == "The NVIDIA driver is installed, but not loaded: restart the machine."
    assert await amd.gpus() == (AMD,)
    assert "AMD GPU at 0000:03:00.0 is seen, but proving on it is not supported yet" in amd.why()
    assert [gpu.vendor for gpu in await both.gpus()] == [Vendor.NVIDIA, Vendor.AMD]
    assert "The NVIDIA GPU at 0000:01:00.0 has no working driver." in both.why()


async def test_a_working_driver_knows_its_gpus_better_than_the_bus() -> None:
    found = sensors(Library(one()), NVIDIA, AMD)

    assert [(gpu.index, gpu.vendor, gpu.uuid) for gpu in await found.gpus()] == [
        (0, Vendor.NVIDIA, "GPU-1"),
        (1, Vendor.AMD, ""),
    ]


async def test_a_missing_package_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    found = GpuSensors(bus=tuple)

    assert await found.gpus() == ()
    assert "nvidia-ml-py" in found.why()


def test_gpus_are_found_on_the_bus_by_their_class(tmp_path: Path) -> None:
    for name, vendor, kind in (
        ("0000:00:02.0", "0x8086", "0x030000"),
        ("0000:00:1f.3", "0x8086", "0x040300"),  # sound
        ("0000:00:0b.0", "0x8086", "0x120000"),  # a neural processor
        ("0000:01:00.0", "0x10de", "0x030200"),
        ("0000:03:00.0", "0x1002", "0x038000"),
        ("0000:04:00.0", "0x1002", "0x120000"),  # a GPU without a display
        ("0000:05:00.0", "0x1a03", "0x030000"),  # a server's console
    ):
        device = tmp_path / "bus/pci/devices" / name
        device.mkdir(parents=True)
        (device / "vendor").write_text(vendor + "\n")
        (device / "class").write_text(kind + "\n")
    (tmp_path / "bus/pci/devices/0000:06:00.0").mkdir()  # taken out while it was looked at

    found = bus_gpus(tmp_path)

    assert [gpu.vendor for gpu in found] == [Vendor.INTEL, Vendor.NVIDIA, Vendor.AMD, Vendor.AMD]
    assert {gpu.uuid for gpu in found} == {""}
    assert bus_gpus(tmp_path / "nowhere") == ()


async def test_the_report_is_lines_of_json() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gpn_desktop.adapters.gpu", stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        out, _ = await process.communicate()

    lines: list[dict[str, Any]] = [json.loads(line) for line in out.decode().splitlines()]
    assert process.returncode == 0
    assert "why" in lines[-1]
    assert all("uuid" in line for line in lines[:-1])
