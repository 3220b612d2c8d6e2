"""The application's mark and name, as the sidebar begins with them."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from gpn_desktop.ui.theme import Theme

NAME = "GPN Desktop"
# Of the sidebar's edge: left, top, right, bottom.
MARGINS = (8, 20, 8, 8)


class Brand(QWidget):
    def __init__(self, theme: Theme) -> None:
        super().__init__()
        fonts = theme.fonts
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 0, 0, 0)
        row.setSpacing(10)
        logo = QLabel("G")
        logo.setObjectName("logo")
        logo.setFont(fonts.make(14, fonts.strong.weight()))
        logo.setAlignment(Qt.AlignmentFlag.AlignCenter)
        logo.setFixedSize(fonts.px(24), fonts.px(24))
        row.addWidget(logo)
        name = QLabel(NAME)
        name.setFont(fonts.brand)
        row.addWidget(name)
        row.addStretch(1)
