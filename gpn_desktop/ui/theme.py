"""The one home of colours, fonts and spacing.

Qt's own colour schemes do nothing on bare X11, so both palettes are ours. Figures are set in tabular digits;
sizes follow the system's font setting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from PySide6.QtCore import QByteArray, QObject, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QFontInfo,
    QGuiApplication,
    QIcon,
    QPainter,
    QPalette,
    QPixmap,
)
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from gpn_desktop.resources import RESOURCES
from gpn_desktop.ui.style import stylesheet

GRID = 8
ICONS = RESOURCES / "icons"
BODY_PX = 13
# The frame, in pixels at the normal size of text: window, least window, width of sidebar, height of strip.
WINDOW = (1280, 800)
WINDOW_LEAST = (960, 600)
SIDEBAR = 208
STRIP = 32


@dataclass(frozen=True, slots=True)
class Tokens:
    """The colours of one theme; each text colour has at least 4.5:1 on bg, surface and raised."""

    name: str
    bg: str
    surface: str
    raised: str
    border: str
    text: str
    muted: str
    accent: str
    on_accent: str
    good: str
    warn: str
    bad: str
    info: str

    def color(self, tone: str) -> str:
        return str(getattr(self, tone))


DARK = Tokens(
    name="dark",
    bg="#0F1419",
    surface="#161C23",
    raised="#1E2630",
    border="#2C3744",
    text="#E7ECF2",
    muted="#9CAAB8",
    accent="#3CCFB0",
    on_accent="#06231D",
    good="#4CC38A",
    warn="#F0B64A",
    bad="#F27A76",
    info="#6AB0F9",
)
LIGHT = Tokens(
    name="light",
    bg="#F4F6F9",
    surface="#FFFFFF",
    raised="#EAEFF4",
    border="#D3DBE4",
    text="#15202B",
    muted="#536170",
    accent="#0B7563",
    on_accent="#FFFFFF",
    good="#1B7A49",
    warn="#8A5A00",
    bad="#B3261E",
    info="#1C5FBF",
)


class Theme(QObject):
    """The theme in force; widgets that paint by themselves read ``tokens`` and repaint on ``changed``."""

    changed = Signal()

    def __init__(self, app: QApplication, tokens: Tokens | None = None) -> None:
        super().__init__(app)
        self.app = app
        self._chosen = tokens is not None
        self.motion = True
        self.tokens = tokens or _system_tokens()
        self.fonts = Fonts(app.font())
        app.setStyle("Fusion")
        app.setFont(self.fonts.body)
        self._apply()
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._follow_system)

    def use(self, tokens: Tokens) -> None:
        if tokens is not self.tokens:
            self.tokens = tokens
            self._apply()
            self.changed.emit()

    def toggle(self) -> None:
        """The user's choice; the system's changes are not followed any more."""
        self._chosen = True
        self.use(LIGHT if self.tokens is DARK else DARK)

    def choose(self, name: str) -> None:
        """The user's choice: "light", "dark", or "system", whose changes are followed."""
        self._chosen = name != "system"
        self.use({"light": LIGHT, "dark": DARK}.get(name) or _system_tokens())

    def move(self, wanted: bool) -> None:
        """Whether things may move on the screen that do not have to."""
        if wanted != self.motion:
            self.motion = wanted
            for effect in (Qt.UIEffect.UI_AnimateMenu, Qt.UIEffect.UI_AnimateCombo):
                self.app.setEffectEnabled(effect, wanted)
            self.changed.emit()

    def color(self, tone: str) -> QColor:
        return _color(self.tokens.color(tone))

    def pixmap(self, name: str, tone: str, size: int = 14) -> QPixmap:
        ratio = self.app.devicePixelRatio()
        return _pixmap(name, self.tokens.color(tone), size, ratio)

    def icon(self, name: str, tone: str, size: int = 16) -> QIcon:
        return QIcon(self.pixmap(name, tone, size))

    def on_change(self, apply: Callable[[], None]) -> None:
        """Run ``apply`` now and after every change."""
        self.changed.connect(apply)
        apply()

    def _follow_system(self) -> None:
        if not self._chosen:
            self.use(_system_tokens())

    def _apply(self) -> None:
        self.app.setPalette(_palette(self.tokens))
        self.app.setStyleSheet(stylesheet(self.tokens, self.fonts.scale, self.fonts.mono.family()))


class Fonts:
    """The type scale, from the system's font: 13 px stands for the system's own size, and no less."""

    def __init__(self, system: QFont) -> None:
        self.scale = max(1.0, min(2.0, QFontInfo(system).pixelSize() / BODY_PX))
        self._base = QFont(system)
        if "Inter" in QFontDatabase.families():
            self._base.setFamilies(["Inter", system.family()])
        self._base.setFeature(QFont.Tag("tnum"), 1)
        # Inter would draw the x of 0x9e07 as a multiplication sign.
        self._base.setFeature(QFont.Tag("calt"), 0)
        self.body = self.make(13)
        self.strong = self.make(13, QFont.Weight.DemiBold)
        self.medium = self.make(13, QFont.Weight.Medium)
        self.label = self.make(12)
        self.badge = self.make(11, QFont.Weight.DemiBold)
        self.title = self.make(20, QFont.Weight.DemiBold)
        self.figure = self.make(22, QFont.Weight.DemiBold)
        self.brand = self.make(15, QFont.Weight.DemiBold)
        self.mono = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        self.mono.setPixelSize(round(12 * self.scale))

    def make(self, px: int, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
        font = QFont(self._base)
        font.setPixelSize(round(px * self.scale))
        font.setWeight(weight)
        return font

    def px(self, size: int) -> int:
        """A length that grows with the text, in pixels."""
        return round(size * self.scale)


def _system_tokens() -> Tokens:
    light = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Light
    return LIGHT if light else DARK


@lru_cache(maxsize=64)
def _color(code: str) -> QColor:
    return QColor(code)


@lru_cache(maxsize=256)
def _pixmap(name: str, color: str, size: int, ratio: float) -> QPixmap:
    svg = (ICONS / f"{name}.svg").read_text(encoding="utf-8").replace("currentColor", color)
    pixmap = QPixmap(round(size * ratio), round(size * ratio))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(0, 0, pixmap.width(), pixmap.height()))
    painter.end()
    pixmap.setDevicePixelRatio(ratio)
    return pixmap


def _palette(tokens: Tokens) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    for target, code in (
        (role.Window, tokens.bg),
        (role.Base, tokens.surface),
        (role.AlternateBase, tokens.raised),
        (role.Button, tokens.surface),
        (role.ToolTipBase, tokens.raised),
        (role.Highlight, tokens.accent),
        (role.HighlightedText, tokens.on_accent),
        (role.WindowText, tokens.text),
        (role.Text, tokens.text),
        (role.ButtonText, tokens.text),
        (role.ToolTipText, tokens.text),
        (role.PlaceholderText, tokens.muted),
        (role.Link, tokens.accent),
        (role.Mid, tokens.border),
        (role.Dark, tokens.border),
        (role.Light, tokens.raised),
    ):
        palette.setColor(target, QColor(code))
    for target in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, target, QColor(tokens.muted))
    return palette
