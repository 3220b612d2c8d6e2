"""One measured figure beside its target, as a table for people and as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """``baseline`` is the figure of the same run that ``value`` is a multiple of, or None."""

    name: str
    value: float | None
    target: str
    unit: str
    baseline: float | None = None


def as_json(rows: Iterable[Row]) -> str:
    return json.dumps({"rows": [asdict(row) for row in rows]})


def as_table(rows: Iterable[Row]) -> str:
    lines = [f"{'what':<58}{'value':>12}  {'target':<12}{'baseline':>12}"]
    for row in rows:
        value = "none" if row.value is None else f"{row.value:g} {row.unit}"
        baseline = "" if row.baseline is None else f"{row.baseline:g}"
        lines.append(f"{row.name:<58}{value:>12}  {row.target:<12}{baseline:>12}")
    return "\n".join(lines)
