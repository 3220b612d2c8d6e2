"""The log that people read in the window: the latest lines, in bounded memory, without a secret in them.

Secrets are cut out at the entrance, so that nothing behind it (window, export, bundle) can give them away.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from gpn_desktop.core.redaction import redact
from gpn_desktop.ports.health import LogLine

LINES = 50_000
CHARACTERS = 16_000_000
# Of one line; a library may log a whole message of megabytes.
LONGEST = 16_000
_CUT = " … ({n:,} characters more)"


class RingLogBook(logging.Handler):
    """``ports.health.LogBook`` as a handler of ``logging``: at most so many lines and characters in all."""

    def __init__(self, lines: int = LINES, characters: int = CHARACTERS, longest: int = LONGEST) -> None:
        super().__init__()
        self._size = lines
        self._most = characters
        self._longest = longest
        self._ring: list[LogLine | None] = [None] * lines
        self._first = 0
        self._following = 0
        self._held = 0
        self._watchers: tuple[Callable[[], None], ...] = ()
        # Beside the handler's own lock, which is held for as long as a line is made.
        self._turn = threading.Lock()
        self._plain = logging.Formatter()

    @property
    def first(self) -> int:
        return self._first

    @property
    def following(self) -> int:
        return self._following

    @property
    def characters(self) -> int:
        """Of all lines that are kept."""
        return self._held

    def since(self, number: int, limit: int) -> tuple[LogLine, ...]:
        with self._turn:
            start = max(number, self._first)
            end = min(start + limit, self._following)
            found = (self._ring[at % self._size] for at in range(start, end))
            return tuple(line for line in found if line is not None)

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        with self._turn:
            self._watchers = (*self._watchers, changed)

        def undo() -> None:
            with self._turn:
                self._watchers = tuple(w for w in self._watchers if w is not changed)

        return undo

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = self._text(record)
        except Exception:  # noqa: BLE001 - a record that can't be formatted is its author's mistake: told as such
            self.handleError(record)
            return
        self._keep(int(record.created * 1000), record.levelno, record.name, message)
        for watcher in self._watchers:
            watcher()

    def _text(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info or record.stack_info:
            message = self._plain.format(record)  # with the traceback
        if len(message) > self._longest:
            # Cut behind the redaction's reach would leave half a secret: so it is redacted before, in part.
            more = len(message) - self._longest
            return redact(message[: self._longest + 1000])[: self._longest] + _CUT.format(n=more)
        return redact(message)

    def _keep(self, time_ms: int, level: int, logger: str, message: str) -> None:
        with self._turn:
            number = self._following
            if number - self._first >= self._size:
                self._drop()
            self._ring[number % self._size] = LogLine(number, time_ms, level, logger, message)
            self._following = number + 1
            self._held += len(message)
            while self._held > self._most and self._first < number:
                self._drop()

    def _drop(self) -> None:
        at = self._first % self._size
        oldest = self._ring[at]
        self._ring[at] = None
        self._first += 1
        if oldest is not None:
            self._held -= len(oldest.message)
