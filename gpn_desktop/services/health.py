"""The doctor: many checks side by side, none of which can hold up, or bring down, the others or the program.

A check that hangs, or fails by a mistake of its own, is a finding too: what is not known is said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gpn_desktop.core.errors import GpnError
from gpn_desktop.core.health import Finding, undecided

if TYPE_CHECKING:
    from gpn_desktop.services.facade import Facade

log = logging.getLogger("gpn.health")

Changed = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One question. ``run`` gets the running node, or None; ``within`` bounds it in seconds."""

    key: str
    title: str
    run: Callable[[Facade | None], Awaitable[Finding]]
    within: float = 8.0


class Health:
    """The checks and their latest findings. Works without a node; ``attach`` tells of one that runs."""

    def __init__(self, checks: Iterable[Check]) -> None:
        self.checks = tuple(checks)
        self.findings: dict[str, Finding] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._watchers: set[Changed] = set()
        self._facade: Facade | None = None

    @property
    def running(self) -> frozenset[str]:
        """The keys of the checks that are under way."""
        return frozenset(self._running)

    def attach(self, facade: Facade | None) -> None:
        """The node that runs from now on, None when there is none; what was found before stays until then."""
        self._facade = facade

    def subscribe(self, changed: Changed) -> Callable[[], None]:
        """Call ``changed`` whenever a check begins or ends; returns the undo."""
        self._watchers.add(changed)
        return lambda: self._watchers.discard(changed)

    def in_order(self) -> tuple[Finding, ...]:
        """All findings so far, in the order of the checks."""
        return tuple(self.findings[check.key] for check in self.checks if check.key in self.findings)

    async def recheck(self, key: str | None = None) -> tuple[Finding, ...]:
        """Carry out one check or all of them; all findings so far. A check under way is not begun twice."""
        chosen = [check for check in self.checks if key in (None, check.key)]
        for check in chosen:
            if check.key not in self._running:
                task = asyncio.get_running_loop().create_task(self._carry_out(check))
                self._running[check.key] = task
                task.add_done_callback(partial(self._ended, check.key))
        self._changed()
        waiting = [self._running[check.key] for check in chosen if check.key in self._running]
        # Shielded by wait: who stops waiting does not stop a check that another one waits for.
        if waiting:
            await asyncio.wait(waiting)
        return self.in_order()

    async def aclose(self) -> None:
        """End the checks under way."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _carry_out(self, check: Check) -> None:
        self.findings[check.key] = await self._find(check)

    def _ended(self, key: str, task: asyncio.Task[None]) -> None:
        """Also of one that was cancelled before it began."""
        del self._running[key]
        self._changed()

    async def _find(self, check: Check) -> Finding:
        try:
            async with asyncio.timeout(check.within):
                return await check.run(self._facade)
        except TimeoutError:
            why = f"No answer within {check.within:g} s"
            return undecided(check.key, check.title, why, "Check again; restart what does not answer.")
        except GpnError as error:
            return undecided(check.key, check.title, f"{error.message} [{error.code}]", error.remedy)
        except Exception as error:  # a mistake in one check must not hide what the others found
            log.exception("the check %s failed", check.key)
            return undecided(check.key, check.title, f"The check failed: {type(error).__name__}: {error}")

    def _changed(self) -> None:
        for watcher in list(self._watchers):
            watcher()
