"""How states look: one place for icon, word and colour of each phase, turn and image state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gpn_desktop.services.views import NodeView, Phase
from gpn_desktop.ui.text import tr


@dataclass(frozen=True, slots=True)
class Look:
    word: str
    tone: str
    icon: str


_PHASES = {
    Phase.WAITING: Look("Waiting", "muted", "waiting"),
    Phase.PROVING: Look("Proving", "info", "proving"),
    Phase.VERIFYING: Look("Verifying", "info", "verifying"),
    Phase.VERIFIED: Look("Verified", "good", "check"),
    Phase.SETTLED: Look("In window", "good", "window"),
    Phase.PAID: Look("Paid", "good", "done"),
    Phase.EXPIRED: Look("Expired", "warn", "warn"),
    Phase.CANCELLED: Look("Cancelled", "muted", "dash"),
    Phase.REFUSED: Look("Refused", "bad", "cross"),
}
_TURNS = {
    "waiting": Look("Waiting", "muted", "waiting"),
    "proving": Look("Proving", "info", "proving"),
    "announced": Look("Being verified", "info", "verifying"),
    "voted down": Look("Voted down", "bad", "cross"),
    "declined": Look("Declined", "warn", "dash"),
    "timed out": Look("Timed out", "warn", "warn"),
    "verified": Look("Verified", "good", "check"),
    "skipped": Look("Skipped", "muted", "dash"),
}
_IMAGES = {
    "absent": Look("Not on this machine", "muted", "waiting"),
    "pulling": Look("Pulling", "info", "proving"),
    "ready": Look("On this machine", "muted", "done"),
    "starting": Look("Starting", "info", "verifying"),
    "serving": Look("Ready", "good", "done"),
    "busy": Look("At work", "good", "proving"),
    "stopping": Look("Stopping", "muted", "waiting"),
    "failed": Look("Failed", "bad", "cross"),
    "quarantined": Look("Put aside", "bad", "warn"),
}
_TRANSACTIONS = {
    "queued": Look("Queued", "muted", "waiting"),
    "signed": Look("Signed", "info", "proving"),
    "sent": Look("Sent", "info", "proving"),
    "replaced": Look("Replaced", "muted", "dash"),
    "mined": Look("Mined", "good", "check"),
    "confirmed": Look("Confirmed", "good", "done"),
    "reverted": Look("Failed", "bad", "cross"),
}
RUNNING = frozenset({Phase.WAITING, Phase.PROVING, Phase.VERIFYING})


def running_jobs(view: NodeView) -> int:
    """Requests on their way, whoever proves them."""
    return sum(job.phase in RUNNING for job in view.jobs)


def phase_look(phase: Phase | str) -> Look:
    """Of a phase, or of its stored name; a name of a later version shows as it is."""
    try:
        look = _PHASES[Phase(phase)]
    except ValueError:
        return Look(str(phase), "muted", "dash")
    return Look(tr(look.word), look.tone, look.icon)


def turn_look(state: str) -> Look:
    look = _TURNS.get(state, Look(state, "muted", "dash"))
    return Look(tr(look.word), look.tone, look.icon)


def image_look(state: str) -> Look:
    look = _IMAGES.get(state, Look(state, "muted", "dash"))
    return Look(tr(look.word), look.tone, look.icon)


def verdict_look(valid: bool) -> Look:
    return Look(tr("Valid"), "good", "check") if valid else Look(tr("Invalid"), "bad", "cross")


def tx_look(state: Enum) -> Look:
    """Of a transaction's state (ports.chain.TxState)."""
    look = _TRANSACTIONS.get(str(state.value), Look(str(state.value), "muted", "dash"))
    return Look(tr(look.word), look.tone, look.icon)
