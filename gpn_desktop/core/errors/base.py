"""The root of the tree."""

from __future__ import annotations


class GpnError(Exception):
    """An error with a stable code (``GPN-1203``), a message for people and a remedy.

    Subclasses fix ``code`` and ``remedy``; the message says what happened in this case.
    """

    code: str = "GPN-1000"
    remedy: str = "See the log for details."

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if remedy is not None:
            self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy} [{self.code}]"
