"""Plans as JSON: a failing run is kept in a file and run again from it, here or elsewhere."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from enum import Enum
from typing import Any, Final, TypeVar

from gpn_desktop.simulation.faults import Fault, Habit
from gpn_desktop.simulation.plan import Committee, Incident, Kind, Member, OrderPlan, Plan, Trouble

VERSION: Final = 1
MAX_CHARACTERS: Final = 64 * 1024 * 1024
NAMED: Final[dict[str, type[Enum]]] = {"habit": Habit, "kind": Kind, "trouble": Trouble}

T = TypeVar("T", Member, Committee, OrderPlan, Incident)


def to_text(plan: Plan) -> str:
    whole = asdict(plan)
    whole["faults"] = sorted(fault.value for fault in plan.faults)
    return json.dumps({"version": VERSION, **whole}, default=_plain, indent=1)


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} has no place in a plan")


def from_text(text: str) -> Plan:
    """The plan in a text; ValueError, which says where, for anything else."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"a plan has at most {MAX_CHARACTERS} characters")
    try:
        whole = json.loads(text)
        if whole.pop("version") != VERSION:
            raise ValueError("it is of another version")
        plan = Plan(
            int(whole["seed"]),
            frozenset(Fault(name) for name in whole["faults"]),
            _rows(Member, whole["members"]),
            _rows(Committee, whole["committees"]),
            _rows(OrderPlan, whole["orders"]),
            _rows(Incident, whole["incidents"]),
            (int(whole["latency_ms"][0]), int(whole["latency_ms"][1])),
            float(whole["loss"]),
            float(whole["twice"]),
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"not a plan: {error!r}") from error
    _check(plan)
    return plan


def _rows(kind: type[T], rows: list[dict[str, Any]]) -> tuple[T, ...]:
    return tuple(kind(**{f.name: _value(f.name, row[f.name]) for f in fields(kind)}) for row in rows)


def _value(name: str, raw: Any) -> Any:
    if name in NAMED:
        return NAMED[name](raw)
    if isinstance(raw, list):
        return tuple(int(one) for one in raw)
    if not isinstance(raw, int):
        raise ValueError(f"{name} is a number, not {raw!r}")
    return raw


def _check(plan: Plan) -> None:
    """Refuse what would make a run fail for want of sense."""
    nodes = range(len(plan.members))
    if not plan.members or not plan.committees or not plan.orders:
        raise ValueError("a plan has members, committees and orders")
    if [member.number for member in plan.members] != list(nodes):
        raise ValueError("the members are numbered from 0")
    for place, committee in enumerate(plan.committees):
        sound = len(committee.members) == len(committee.weights) > committee.quorum > 0
        if committee.number != place or not sound or not set(committee.members) <= set(nodes):
            raise ValueError(f"committee {place} does not fit together")
    for order in plan.orders:
        if order.committee not in range(len(plan.committees)) or order.gateway not in nodes:
            raise ValueError(f"order {order.number} is for nobody")
    if any(incident.node not in nodes for incident in plan.incidents):
        raise ValueError("an incident meets nobody")
