"""What is worth a notification: derived from two views of the node, and never more than people can read.

A notification never carries the only copy: everything it says stands on a page as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gpn_desktop.core.types import Gwei, short
from gpn_desktop.services.views import JobView, NodeView, Phase
from gpn_desktop.ui import text
from gpn_desktop.ui.text import plural, tr

EACH_SECONDS = 10.0  # between two of one kind
MINUTE = 60.0
MOST_A_MINUTE = 4


@dataclass(frozen=True, slots=True)
class Note:
    """``kind``: "paid", "lost", "alert" or "chain"; settings turn them off. A click opens ``page``."""

    kind: str
    title: str
    words: str
    page: str


class Notifier:
    """``show`` gets what passes the limits; what does not is counted and told with the next one."""

    def __init__(
        self, show: Callable[[Note], None], now: Callable[[], float], wanted: Callable[[str], bool]
    ) -> None:
        self._show, self._now, self._wanted = show, now, wanted
        self._before: NodeView | None = None
        self._last: dict[str, float] = {}
        self._shown: deque[float] = deque()
        self.held_back = 0

    def see(self, view: NodeView) -> None:
        before, self._before = self._before, view
        if before is None:
            return  # what was there at the start is no news
        for note in _notes(before, view):
            if self._wanted(note.kind):
                self._offer(note)

    def _offer(self, note: Note) -> None:
        now = self._now()
        while self._shown and now - self._shown[0] >= MINUTE:
            self._shown.popleft()
        too_soon = now - self._last.get(note.kind, -EACH_SECONDS) < EACH_SECONDS
        if too_soon or len(self._shown) >= MOST_A_MINUTE:
            self.held_back += 1
            return
        self._last[note.kind] = now
        self._shown.append(now)
        words = note.words
        if self.held_back:
            more = plural(self.held_back, tr("notification was"), tr("notifications were"))
            words = f"{words} {tr('{more} held back.').format(more=more)}"
            self.held_back = 0
        self._show(Note(note.kind, note.title, words, note.page))


def _notes(before: NodeView, view: NodeView) -> Iterator[Note]:
    known = {job.request_id: job for job in before.jobs}
    paid = [job for job in view.jobs if _became(job, known.get(job.request_id), Phase.PAID) and job.earned]
    if paid:
        earned = text.eth(Gwei(sum(job.earned for job in paid)))
        yield Note("paid", tr("Paid"), tr("{eth} ETH for {requests}.").format(
            eth=earned, requests=plural(len(paid), tr("request"), tr("requests"))), "earnings")  # fmt: skip
    for job in view.jobs:
        if (why := _lost(job)) and not _lost(known.get(job.request_id)):
            yield Note("lost", tr("A turn was lost"), f"{short(job.request_id)}: {why}", "jobs")
    for alert in view.alerts:
        if alert not in before.alerts:
            yield Note("alert", tr("Needs attention"), alert, "home")
    if before.chain_up and not view.chain_up:
        yield Note(
            "chain", tr("The chain cannot be reached"), tr("Nothing is settled until it is back."), "home"
        )


def _became(job: JobView, before: JobView | None, phase: Phase) -> bool:
    return job.phase is phase and before is not None and before.phase is not phase


def _lost(job: JobView | None) -> str:
    """Why this node's own turn came to nothing, or nothing."""
    mine = next((turn for turn in job.turns if turn.mine), None) if job is not None else None
    if mine is not None and mine.state == "voted down":
        return tr("the proof was voted down.")
    if mine is not None and mine.state == "timed out":
        return tr("no proof in time.")
    return ""
