"""What is on the screen, as pixels: the contrast that a text really has on the ground that it really has."""

from __future__ import annotations

from collections import Counter

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

SCALE = 3  # fine enough that the strokes of small text reach their full colour
EDGE = 3  # of a control, its border and corners
LEAST = 8  # pixels of one colour that are no accident of smoothing


def light(rgb: int) -> float:
    """Relative luminance of 0xRRGGBB, as WCAG 2.2 defines it."""
    parts = [(rgb >> shift & 255) / 255 for shift in (16, 8, 0)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: int, b: int) -> float:
    """Of two colours 0xRRGGBB, 1 to 21."""
    bright, dark = sorted((light(a), light(b)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def picture(window: QWidget) -> QImage:
    """The window as it is painted, each of its pixels as ``SCALE`` times ``SCALE``."""
    image = QImage(window.size() * SCALE, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(SCALE)
    image.fill(Qt.GlobalColor.magenta)
    window.render(image)
    return image


def strongest(image: QImage, box: QRect) -> float:
    """The highest contrast in a part of a picture with the colour that covers most of it.

    That is its text's: lines and icons of a control are no stronger than its text in this application.
    """
    inner = box.adjusted(EDGE, EDGE, -EDGE, -EDGE)
    if inner.isEmpty():
        inner = box
    part = image.copy(QRect(inner.topLeft() * SCALE, inner.size() * SCALE))
    colours = Counter(memoryview(part.constBits()).cast("I").tolist())
    ground = colours.most_common(1)[0][0] & 0xFFFFFF
    return max(contrast(rgb & 0xFFFFFF, ground) for rgb, count in colours.items() if count >= LEAST)
