"""GPUs that cannot be given to containers here, so that the operator is told why they are not used."""

from __future__ import annotations

from pathlib import Path

from gpn_desktop.core.gpus import Gpu, Vendor

_VENDORS = {"0x1002": Vendor.AMD, "0x8086": Vendor.INTEL}
_DISPLAY = "0x03"  # PCI class of display controllers


def other_gpus(sys: Path = Path("/sys")) -> tuple[Gpu, ...]:
    """AMD's and Intel's, from Linux' own list; elsewhere none are looked for."""
    found: list[Gpu] = []
    for device in sorted(sys.glob("bus/pci/devices/*")):
        vendor = _VENDORS.get(_read(device / "vendor"))
        if vendor is not None and _read(device / "class").startswith(_DISPLAY):
            found.append(Gpu(len(found), "", f"at {device.name}", 0, "", vendor))
    return tuple(found)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
