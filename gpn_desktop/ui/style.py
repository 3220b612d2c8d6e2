"""The style sheet: shapes and colours by object name and property, from the theme's tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Colors(Protocol):
    @property
    def bg(self) -> str: ...
    @property
    def surface(self) -> str: ...
    @property
    def raised(self) -> str: ...
    @property
    def border(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def muted(self) -> str: ...
    @property
    def accent(self) -> str: ...
    @property
    def on_accent(self) -> str: ...
    @property
    def good(self) -> str: ...
    @property
    def warn(self) -> str: ...
    @property
    def bad(self) -> str: ...
    @property
    def info(self) -> str: ...


def stylesheet(c: Colors, scale: float, mono: str) -> str:
    """Fonts are set on the widgets, since a style sheet's font drops tabular figures; but a label that turns
    monospaced does so here, since restyling puts a font that was set later back."""

    def px(size: int) -> str:
        return f"{round(size * scale)}px"

    tones = "\n".join(
        f'QLabel[tone="{tone}"] {{ color: {getattr(c, tone)}; }}'
        for tone in ("text", "muted", "accent", "good", "warn", "bad", "info")
    )
    monospaced = f'QLabel[mono="true"] {{ font-family: "{mono}"; font-size: {px(12)}; }}'
    return "\n".join((_frame(c), tones, monospaced, _controls(c, px), _lists(c)))


def _frame(c: Colors) -> str:
    return f"""
QMainWindow, QWidget#content {{ background: {c.bg}; }}
QWidget#page, QScrollArea#scroll, QWidget#scrolled {{ background: transparent; border: none; }}
QWidget#sidebar {{ background: {c.surface}; border-right: 1px solid {c.border}; }}
QWidget#strip {{ background: {c.surface}; border-top: 1px solid {c.border}; }}
QFrame#card {{ background: {c.surface}; border: 1px solid {c.border}; border-radius: 8px; }}
QFrame#line {{ background: {c.border}; border: none; max-height: 1px; min-height: 1px; }}
QLabel {{ background: transparent; border: none; }}
QToolTip {{ background: {c.raised}; color: {c.text}; border: 1px solid {c.border}; padding: 4px; }}

"""


def _controls(c: Colors, px: Callable[[int], str]) -> str:
    return f"""
QPushButton {{ background: {c.surface}; color: {c.text}; border: 1px solid {c.border};
  border-radius: 6px; padding: 0 {px(14)}; min-height: {px(33)}; }}
QPushButton:hover {{ background: {c.raised}; }}
QPushButton:pressed {{ background: {c.border}; }}
QPushButton:focus {{ border: 2px solid {c.accent}; padding: 0 {px(13)}; min-height: {px(31)}; }}
QPushButton:checked {{ background: {c.raised}; border-color: {c.accent}; }}
QPushButton:disabled {{ color: {c.muted}; background: {c.raised}; }}
QPushButton[kind="primary"] {{ background: {c.accent}; color: {c.on_accent}; border-color: {c.accent}; }}
QPushButton[kind="primary"]:focus {{ border: 2px solid {c.text}; }}
QPushButton[kind="primary"]:disabled {{ background: {c.raised}; color: {c.muted}; border-color: {c.border}; }}
QPushButton[kind="link"] {{ background: transparent; color: {c.accent}; border: 2px solid transparent;
  padding: 0 4px; min-height: {px(20)}; }}
QPushButton[kind="link"]:focus {{ border: 2px solid {c.accent}; }}
QPushButton[kind="link"]:hover {{ background: {c.raised}; }}
QPushButton[kind="strip"] {{ background: transparent; border: 2px solid transparent; padding: 0 8px;
  min-height: {px(22)}; }}
QPushButton[kind="strip"]:hover {{ background: {c.raised}; }}
QPushButton[kind="strip"]:focus {{ border: 2px solid {c.accent}; }}

QLineEdit {{ background: {c.surface}; color: {c.text}; border: 1px solid {c.border};
  border-radius: 6px; padding: 0 {px(12)}; min-height: {px(33)};
  selection-background-color: {c.accent}; selection-color: {c.on_accent};
  placeholder-text-color: {c.muted}; }}
QPlainTextEdit {{ background: {c.bg}; color: {c.text}; border: 1px solid {c.border}; border-radius: 6px;
  selection-background-color: {c.accent}; selection-color: {c.on_accent}; }}
QPlainTextEdit:focus {{ border: 2px solid {c.accent}; }}
QMenu {{ background: {c.surface}; color: {c.text}; border: 1px solid {c.border}; padding: 4px; }}
QMenu::item {{ padding: 6px 16px; border-radius: 4px; }}
QMenu::item:selected {{ background: {c.raised}; }}
QMenu::item:disabled {{ color: {c.muted}; }}
QMenu::separator {{ height: 1px; background: {c.border}; margin: 4px; }}
QLineEdit:focus {{ border: 2px solid {c.accent}; padding: 0 {px(11)}; min-height: {px(31)}; }}
QLineEdit[wrong="true"] {{ border-color: {c.bad}; }}
QLineEdit:disabled {{ background: {c.raised}; color: {c.muted}; }}

QComboBox {{ background: {c.surface}; color: {c.text}; border: 1px solid {c.border};
  border-radius: 6px; padding: 0 {px(12)}; min-height: {px(33)}; }}
QComboBox:focus {{ border: 2px solid {c.accent}; padding: 0 {px(11)}; min-height: {px(31)}; }}
QComboBox:disabled {{ background: {c.raised}; color: {c.muted}; }}
QComboBox::drop-down {{ border: none; width: {px(28)}; }}
QComboBox QAbstractItemView {{ background: {c.surface}; color: {c.text}; border: 1px solid {c.border};
  selection-background-color: {c.raised}; selection-color: {c.text}; outline: none; }}

QMenu {{ background: {c.surface}; color: {c.text}; border: 1px solid {c.border}; padding: {px(6)} 0; }}
QMenu::item {{ padding: {px(8)} {px(20)}; background: transparent; }}
QMenu::item:selected {{ background: {c.raised}; }}
QMenu::item:disabled {{ color: {c.muted}; }}
QMenu::separator {{ background: {c.border}; height: 1px; margin: {px(6)} 0; }}

QListWidget {{ background: transparent; border: none; outline: none; }}
QListWidget::item {{ color: {c.muted}; border: 2px solid transparent; border-radius: 6px;
  padding: 0 {px(8)}; min-height: {px(34)}; }}
QListWidget::item:hover {{ background: {c.raised}; }}
QListWidget::item:selected {{ background: {c.raised}; color: {c.text}; }}
QListWidget::item:selected:focus {{ border-color: {c.accent}; }}
"""


def _lists(c: Colors) -> str:
    return f"""
QTableView {{ background: transparent; border: none; outline: none; gridline-color: transparent;
  selection-background-color: transparent; }}
QHeaderView {{ background: transparent; border: none; }}
QSplitter::handle {{ background: transparent; image: none; }}
QProgressBar {{ background: {c.raised}; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }}
QProgressBar::chunk {{ background: {c.accent}; border-radius: 3px; }}

QScrollBar:vertical {{ background: transparent; width: 10px; margin: 2px; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 2px; }}
QScrollBar::handle {{ background: {c.border}; border-radius: 3px; min-height: 24px; min-width: 24px; }}
QScrollBar::handle:hover {{ background: {c.muted}; }}
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {{
  background: transparent; height: 0; width: 0; }}

QLabel#logo {{ background: {c.accent}; color: {c.on_accent}; border-radius: 5px; }}
QLabel#badge {{ border: 1px solid {c.warn}; color: {c.warn}; border-radius: 4px; padding: 1px 6px; }}
QLabel#badge[quiet="true"] {{ border-color: {c.border}; color: {c.muted}; }}
QFrame#banner {{ background: {c.surface}; border: 1px solid {c.border}; border-radius: 8px; }}
QFrame#banner[tone="warn"] {{ border-color: {c.warn}; }}
QFrame#banner[tone="bad"] {{ border-color: {c.bad}; }}
QFrame#banner[tone="info"] {{ border-color: {c.info}; }}
"""
