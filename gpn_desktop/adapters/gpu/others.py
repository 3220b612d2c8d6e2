"""GPUs that the machine's bus lists, whatever drives them: so the operator is told why one is not used."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gpn_desktop.core.gpus import Gpu, Vendor

_VENDORS: Final = {"0x1002": Vendor.AMD, "0x8086": Vendor.INTEL, "0x10de": Vendor.NVIDIA}
_DISPLAY: Final = "0x03"  # PCI class of display controllers
_ACCELERATOR: Final = "0x12"  # AMD's GPUs without a display; Intel has other things there


def bus_gpus(sys: Path = Path("/sys")) -> tuple[Gpu, ...]:
    """From Linux' own list; elsewhere none are looked for. They have no ids: none can be given away."""
    found: list[Gpu] = []
    for device in sorted(sys.glob("bus/pci/devices/*")):
        vendor = _VENDORS.get(_read(device / "vendor"))
        kind = _read(device / "class")[:4]
        if vendor is not None and (kind == _DISPLAY or (vendor is Vendor.AMD and kind == _ACCELERATOR)):
            found.append(Gpu(len(found), "", f"at {device.name}", 0, "", vendor))
    return tuple(found)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
