"""A failing plan cut down to what it takes: fewer requests and incidents, the same rule broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from gpn_desktop.simulation.faults import Fault, Habit
from gpn_desktop.simulation.plan import Plan
from gpn_desktop.simulation.report import Progress, run

T = TypeVar("T")

MAX_RUNS: Final = 200


@dataclass(frozen=True, slots=True)
class Shrunk:
    """``plan`` breaks ``rule`` as the first one did; ``runs`` is what it took to find out."""

    plan: Plan
    rule: str
    runs: int


class _Search:
    def __init__(self, rule: str, progress: Progress) -> None:
        self.runs = 0
        self._rule, self._progress = rule, progress

    def fails(self, plan: Plan) -> bool:
        """Whether the plan breaks the rule; False once all runs are used up."""
        if self.runs >= MAX_RUNS or not plan.orders:
            return False
        self.runs += 1
        broken = any(v.rule == self._rule for v in run(plan).violations)
        if broken:
            self._progress(f"{len(plan.orders)} requests and {len(plan.incidents)} incidents still fail")
        return broken


def shrink(plan: Plan, progress: Progress = lambda _: None) -> Shrunk | None:
    """The smallest plan found that breaks the rule which this one breaks first; None if it breaks none."""
    violations = run(plan).violations
    if not violations:
        return None
    search = _Search(violations[0].rule, progress)
    plan = replace(plan, orders=_fewest(plan.orders, lambda o: search.fails(replace(plan, orders=o))))
    incidents = _fewest(plan.incidents, lambda i: search.fails(replace(plan, incidents=i)))
    plan = _honest(_calm(replace(plan, incidents=incidents), search), search)
    return Shrunk(plan, violations[0].rule, search.runs + 1)


def _fewest(items: tuple[T, ...], fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """Delta debugging: leave out halves, quarters, and so on to single ones, while it still fails."""
    size = max(1, len(items) // 2)
    while items:
        kept = _without_chunks(items, size, fails)
        if size == 1 and len(kept) == len(items):
            return kept
        items, size = kept, max(1, size // 2)
    return items


def _without_chunks(items: tuple[T, ...], size: int, fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    start = 0
    while start < len(items):
        rest = items[:start] + items[start + size :]
        if fails(rest):
            items = rest
        else:
            start += size
    return items


def _calm(plan: Plan, search: _Search) -> Plan:
    """A better network, where that changes nothing."""
    better: tuple[Callable[[Plan], Plan], ...] = (
        lambda p: replace(p, loss=0.0),
        lambda p: replace(p, twice=0.0),
        lambda p: replace(p, latency_ms=(5, 10)),
        lambda p: replace(p, faults=p.faults - {Fault.REORDERING}),
    )
    for calm in better:
        calmer = calm(plan)
        if calmer != plan and search.fails(calmer):
            plan = calmer
    return plan


def _honest(plan: Plan, search: _Search) -> Plan:
    """Members of the committees that matter become honest, where that changes nothing."""
    wanted = {order.committee for order in plan.orders}
    seats = [n for c in plan.committees if c.number in wanted for n in c.members]
    for number in _unique(seats):
        member = plan.members[number]
        if member.habit is not Habit.HONEST:
            changed = list(plan.members)
            changed[number] = replace(member, habit=Habit.HONEST)
            better = replace(plan, members=tuple(changed))
            plan = better if search.fails(better) else plan
    return plan


def _unique(numbers: Sequence[int]) -> list[int]:
    return list(dict.fromkeys(numbers))
