"""Which GPU an image can use, and each reason why it cannot."""

from __future__ import annotations

import pytest

from gpn_desktop.core import errors
from gpn_desktop.core.gpus import MIB, Gpu, GpuNeed, Vendor, fit, runtime_remedy, version

SMALL = Gpu(0, "GPU-0", "GTX 1060", 6144 * MIB, "470.57.02")
LARGE = Gpu(1, "GPU-1", "RTX 4090", 24_564 * MIB, "535.104.05")
AMD = Gpu(2, "", "Radeon", 0, "", Vendor.AMD)
DRIVERLESS = Gpu(3, "", "at 0000:01:00.0", 0, "")
SHARED = Gpu(4, "GPU-4", "GB10", 0, "580.95.05")


def test_the_ones_that_suit_are_given() -> None:
    assert fit(GpuNeed(), (SMALL, LARGE, AMD)) == (SMALL, LARGE)
    assert fit(GpuNeed(vram=8192 * MIB), (SMALL, LARGE)) == (LARGE,)
    assert fit(GpuNeed(driver="470.57.02"), (SMALL, LARGE)) == (SMALL, LARGE)
    assert fit(GpuNeed(driver="525"), (SMALL, LARGE)) == (LARGE,)
    assert fit(GpuNeed(vram=90_000 * MIB), (LARGE, SHARED)) == (SHARED,)


@pytest.mark.parametrize(
    ("need", "gpus", "runtime", "error", "says"),
    [
        (GpuNeed(), (), True, errors.GpuAbsent, "none"),
        (GpuNeed(), (AMD,), True, errors.GpuUnsupported, "AMD Radeon"),
        (GpuNeed(), (DRIVERLESS, AMD), True, errors.GpuAbsent, "no working driver.*nvidia-smi"),
        (GpuNeed(), (SMALL,), False, errors.GpuUnavailable, "cannot give"),
        (GpuNeed(driver="550"), (SMALL, LARGE), True, errors.GpuDriverTooOld, "550 or newer.*470.57.02"),
        (
            GpuNeed(vram=80_000 * MIB),
            (SMALL, LARGE),
            True,
            errors.GpuMemoryTooSmall,
            "80,000.*RTX 4090.*24,564",
        ),
        (GpuNeed(vram=8000 * MIB, driver="470"), (SMALL,), True, errors.GpuMemoryTooSmall, "GTX 1060"),
    ],
)
def test_each_reason_has_its_own_error(
    need: GpuNeed, gpus: tuple[Gpu, ...], runtime: bool, error: type[errors.GpnError], says: str
) -> None:
    with pytest.raises(error, match=says) as raised:
        fit(need, gpus, runtime)
    codes = [errors.GpuAbsent, errors.GpuUnsupported, errors.GpuUnavailable, errors.GpuDriverTooOld]
    assert sum(kind.code == raised.value.code for kind in (*codes, errors.GpuMemoryTooSmall)) == 1


def test_versions_compare_as_numbers() -> None:
    assert version("535.9") < version("535.104.05") < version("1000")
    assert version("") == ()


@pytest.mark.parametrize(
    ("system", "says"),
    [("linux", "nvidia-ctk runtime configure"), ("win32", "wsl --update"), ("darwin", "macOS")],
)
def test_the_remedy_for_no_gpu_runtime_is_the_systems_own(system: str, says: str) -> None:
    with pytest.raises(errors.GpuUnavailable) as raised:
        fit(GpuNeed(), (LARGE,), runtime=False, system=system)

    assert says in raised.value.remedy == runtime_remedy(system)
    assert "turn GPUs off" in raised.value.remedy
