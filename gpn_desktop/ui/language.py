"""The window's language: a catalogue of sentences from the English ones in the code to another language's.

Catalogues are JSON, one object of source and translation: they need no tool to be built, a translator's diff
can be read, and a test holds them to the code (``packaging/strings.py`` lists what a catalogue lacks).
"""

from __future__ import annotations

import json
import logging

from PySide6.QtCore import QLocale, QObject, QTranslator
from PySide6.QtWidgets import QApplication

from gpn_desktop.resources import RESOURCES

log = logging.getLogger("gpn.ui")

FOLDER = RESOURCES / "translations"
SOURCE = "en"


class Catalogue(QTranslator):
    """Looks a sentence up; one that is missing stays English."""

    def __init__(self, sentences: dict[str, str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._sentences = sentences

    def translate(
        self,
        context: str,
        sourceText: str,  # noqa: N803
        disambiguation: str | None = None,
        n: int = -1,
    ) -> str | None:
        return self._sentences.get(sourceText)

    def isEmpty(self) -> bool:  # noqa: N802
        return not self._sentences


def languages() -> tuple[str, ...]:
    """The codes that there are catalogues for, and the source's own."""
    return (SOURCE, *sorted(path.stem for path in FOLDER.glob("*.json")))


def name_of(code: str) -> str:
    """A language's name in itself: "Deutsch"."""
    return QLocale(code).nativeLanguageName().capitalize() or code


def read(code: str) -> dict[str, str]:
    """A catalogue; empty where it is missing or damaged, so that the window opens in English."""
    try:
        found = json.loads((FOLDER / f"{code}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        log.warning("the translation %s can't be read: %s", code, error)
        return {}
    return {str(source): str(words) for source, words in found.items() if words}


def use(app: QApplication, code: str = "") -> str:
    """Speak a language from now on ("": the system's, where there is one for it); the code that is spoken.

    Widgets that were made before keep their words.
    """
    wanted = code or QLocale.system().name().split("_")[0]
    for old in app.findChildren(Catalogue):
        app.removeTranslator(old)
        old.deleteLater()
    if wanted == SOURCE or wanted not in languages():
        return SOURCE
    app.installTranslator(Catalogue(read(wanted), app))
    return wanted
