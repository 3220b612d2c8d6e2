"""Sentences with figures in them, which a window can say again in its own language.

Such a sentence is an ordinary English string for everybody else: for the log, for JSON, for a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self


class Said(str):
    """A string that still knows its ``template`` (with places as for ``str.format``) and what fills it."""

    template: str
    values: dict[str, str]

    def __new__(cls, template: str, **values: object) -> Self:
        filled = {name: value if isinstance(value, str) else str(value) for name, value in values.items()}
        made = super().__new__(cls, template.format(**filled))
        made.template, made.values = template, filled
        return made


def said(template: str, **values: object) -> Said:
    """The template, filled. Values that are sentences of this kind are translated with it."""
    return Said(template, **values)


def joined(parts: Iterable[str], between: str = "; ") -> Said:
    """Several of them as one."""
    listed = list(parts)
    places = between.join(f"{{p{number}}}" for number in range(len(listed)))
    return Said(places, **{f"p{number}": part for number, part in enumerate(listed)})
