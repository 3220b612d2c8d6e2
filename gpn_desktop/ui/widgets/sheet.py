"""A question inside the page: asks once, shows that it works on it, and ends in a plain word."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from gpn_desktop.ui import text
from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.asking import Asking
from gpn_desktop.ui.widgets.facts import Fact, FactList


@dataclass(frozen=True, slots=True)
class Question:
    """What a sheet asks, and what follows.

    Attributes:
        act: done when it is confirmed; what it returns is the closing line.
        facts: figures to decide by.
        able: False shows the facts, but it cannot be confirmed.
        safe: what holds where it fails, as in "Nothing was sent."
        failed: the title where it fails.
    """

    title: str
    words: str
    confirm: str
    act: Callable[[], Coroutine[Any, Any, str]]
    working: str
    facts: tuple[Fact, ...] = ()
    able: bool = True
    safe: str = ""
    tone: str = "text"
    failed: str = field(default_factory=lambda: tr("That did not work"))


class Sheet(Asking):
    def __init__(self, theme: Theme, tasks: Tasks) -> None:
        self._question: Question | None = None
        self.facts = FactList(theme, height=30)
        super().__init__(theme, tasks, self.facts)

    def ask(self, question: Question) -> None:
        if self.working:
            return
        self._question = question
        self._title(question.title, question.tone, "warn" if question.tone in ("warn", "bad") else "")
        self.words.setText(question.words)
        self.words.show()
        self.facts.show_facts(question.facts)
        self.facts.setVisible(bool(question.facts))
        self._name(question.confirm)
        self._mode(asking=question.able)
        self._open()
        (self.confirm if question.able else self.cancel).setFocus()

    def show_facts(self, title: str, words: str, facts: tuple[Fact, ...], tone: str) -> None:
        """Something to read, with nothing to decide."""
        if self.working:
            return
        self._question = None
        self._title(title, tone, "check" if tone == "good" else "warn")
        self.words.setText(words)
        self.words.show()
        self.facts.show_facts(facts)
        self.facts.setVisible(bool(facts))
        self._mode()
        self._open()
        self.cancel.setFocus()

    def _act(self) -> None:
        assert self._question is not None
        self.working = True
        self._title(self._question.working, "info", "proving")
        self._mode(working=True)
        self._tasks.start(self._work(self._question), self._failed)

    async def _work(self, question: Question) -> None:
        said = await question.act()
        self.working = False
        self._title(said, "good", "check")
        self.words.hide()
        self.facts.hide()
        self._mode()
        self.cancel.setFocus()

    def _failed(self, error: BaseException) -> None:
        self.working = False
        safe = self._question.safe if self._question is not None else ""
        self._title(self._question.failed if self._question is not None else "", "bad", "warn")
        self.words.setText(f"{text.explain(error)} {safe}".strip())
        self.words.show()
        self._name(tr("Try again"))
        self._mode(asking=True)
