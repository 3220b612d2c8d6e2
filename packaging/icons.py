"""The application's icon in the forms that systems want: ``python packaging/icons.py FOLDER``.

Drawn from ``resources/icons/app.svg`` by Qt: PNGs for Linux, an .ico and an .icns, both of which are
containers of PNGs.
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QBuffer, QIODevice, QRectF, Qt
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

SOURCE = Path(__file__).resolve().parents[1] / "resources" / "icons" / "app.svg"
SIZES = (16, 22, 24, 32, 48, 64, 128, 256, 512)
ICO_SIZES = (16, 24, 32, 48, 64, 128, 256)
# What each type of an .icns holds.
ICNS_TYPES = {b"icp4": 16, b"icp5": 32, b"icp6": 64, b"ic07": 128, b"ic08": 256, b"ic09": 512}


def draw(renderer: QSvgRenderer, size: int) -> bytes:
    """The icon as a PNG."""
    image = QImage(size, size, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]  # the stubs know only file names
    return bytes(buffer.data().data())


def ico(pngs: dict[int, bytes]) -> bytes:
    """Windows' container: a directory of 16 bytes an entry, then the pictures. 0 stands for 256."""
    head = struct.pack("<HHH", 0, 1, len(pngs))
    offset = len(head) + 16 * len(pngs)
    entries = b""
    for size, png in pngs.items():
        entries += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(png), offset)
        offset += len(png)
    return head + entries + b"".join(pngs.values())


def icns(pngs: dict[bytes, bytes]) -> bytes:
    """macOS' container: a type and a length before each picture, both counted in."""
    body = b"".join(kind + struct.pack(">I", len(png) + 8) + png for kind, png in pngs.items())
    return b"icns" + struct.pack(">I", len(body) + 8) + body


def main(folder: Path) -> None:
    app = QGuiApplication([])
    renderer = QSvgRenderer(str(SOURCE))
    if not renderer.isValid():
        raise SystemExit(f"icons: {SOURCE.name} cannot be drawn")
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {size: draw(renderer, size) for size in SIZES}
    for size, png in drawn.items():
        (folder / f"{size}.png").write_bytes(png)
    (folder / "app.svg").write_bytes(SOURCE.read_bytes())
    (folder / "app.ico").write_bytes(ico({size: drawn[size] for size in ICO_SIZES}))
    (folder / "app.icns").write_bytes(icns({kind: drawn[size] for kind, size in ICNS_TYPES.items()}))
    app.quit()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
