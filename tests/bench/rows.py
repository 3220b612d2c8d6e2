"""One measured figure beside its target, as a table for people and as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """``baseline`` is the figure of the same run that ``value`` is a multiple of, or None.

    A target that begins with ``<=`` is compared with the value; others are for people. ``peers`` says what
    comparable systems take.
    """

    name: str
    value: float | None
    target: str
    unit: str
    baseline: float | None = None
    peers: str = ""

    @property
    def missed(self) -> bool:
        """Nothing was measured, or it is over a target that can be compared."""
        most = self.target.removeprefix("<= ")
        return self.value is None or (most != self.target and self.value > float(most.replace(",", "")))


def as_json(rows: Iterable[Row]) -> str:
    return json.dumps({"rows": [asdict(row) for row in rows]})


def as_table(rows: Iterable[Row]) -> str:
    lines = [f"{'what':<58}{'value':>12}  {'target':<12}{'baseline':>12}"]
    for row in rows:
        value = "none" if row.value is None else f"{row.value:g} {row.unit}"
        baseline = "" if row.baseline is None else f"{row.baseline:g}"
        lines.append(f"{row.name:<58}{value:>12}  {row.target:<12}{baseline:>12}  {row.peers}".rstrip())
    return "\n".join(lines)
