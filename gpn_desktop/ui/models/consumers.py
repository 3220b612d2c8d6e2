"""Consumers as lines: what each asks for, how its image does here, and the one thing to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpn_desktop.core.types import hex0x, short
from gpn_desktop.services.views import ConsumerView
from gpn_desktop.ui import text
from gpn_desktop.ui.models.phases import Look, image_look
from gpn_desktop.ui.models.table import Cell, Column
from gpn_desktop.ui.text import tr

if TYPE_CHECKING:
    from gpn_desktop.ports.runtime import PullProgress
    from gpn_desktop.services.trials import TrialView


@dataclass(frozen=True, slots=True)
class ConsumerLine:
    """``countdown``: seconds until a commitment is sent that can still be called off; 0 if none waits."""

    view: ConsumerView
    progress: PullProgress | None = None
    trial: TrialView | None = None
    can_try: bool = True
    can_commit: bool = True
    countdown: int = 0

    @property
    def image(self) -> str:
        digest = self.view.image_digest.hex()
        return f"{self.view.image_name}@sha256:{digest[:4]}…{digest[-2:]}"


def action_of(line: ConsumerLine) -> str:
    """ "stop", "try", "commit", "manage", or nothing to do."""
    view, trial = line.view, line.trial
    if line.countdown or (trial is not None and trial.running):
        return "stop"
    if view.leaving:
        return ""
    if view.served:
        return "manage"
    tried = trial is not None and trial.verdict is not None and trial.verdict.go
    if line.can_commit and not view.exiting and (tried or not line.can_try):
        return "commit"
    return "try" if line.can_try else ""


def state_look(line: ConsumerLine) -> tuple[Look, str]:
    """The state on this machine, and a quiet figure behind it."""
    view, trial = line.view, line.trial
    if line.countdown:
        return Look(tr("Committing"), "info", "waiting"), tr("in {n} s").format(n=line.countdown)
    if trial is not None and trial.running:
        return _running(trial)
    if view.leaving:
        return Look(tr("Leaving"), "warn", "dash"), tr("ends the requests on its seat")
    if view.served:
        return _served(line)
    if view.exiting:
        return Look(tr("Leaves the network"), "muted", "dash"), ""
    if trial is not None:
        return _tried(trial)
    return image_look(view.image_state), ""


def _running(trial: TrialView) -> tuple[Look, str]:
    progress = trial.progress
    if progress is not None and progress.total:
        figure = tr("{done} of {total}").format(
            done=text.size(progress.done), total=text.size(progress.total)
        )
        return Look(tr("Pulling"), "info", "proving"), figure
    return Look(tr("Trying"), "info", "verifying"), trial.step


def _served(line: ConsumerLine) -> tuple[Look, str]:
    view = line.view
    image = image_look(view.image_state)
    if view.image_state in ("failed", "quarantined"):
        return Look(tr("Committed, image: {state}").format(state=image.word), "bad", "warn"), ""
    if line.progress is not None and view.image_state == "pulling":
        figure = tr("{done} of {total}").format(
            done=text.size(line.progress.done), total=text.size(line.progress.total)
        )
        return Look(tr("Pulling"), "info", "proving"), figure
    if not view.committed:
        return Look(tr("Waiting for a seat"), "info", "waiting"), tr("image: {state}").format(
            state=image.word
        )
    return Look(tr("Committed"), "good", "done"), _measured(line.trial) or image.word


def _tried(trial: TrialView) -> tuple[Look, str]:
    if trial.error:
        return Look(tr("Did not run"), "bad", "cross"), trial.error
    if trial.verdict is None:
        return Look(tr("Trial cancelled"), "muted", "dash"), ""
    if trial.verdict.go:
        return Look(tr("Tried: go"), "good", "check"), _measured(trial)
    why = next((text.say(finding.text) for finding in trial.verdict.findings if not finding.good), "")
    return Look(tr("Tried: no go"), "warn", "warn"), why


def _measured(trial: TrialView | None) -> str:
    if trial is None or trial.measured is None or trial.measured.prove is None:
        return ""
    parts = [tr("{time} median").format(time=text.took(round(trial.measured.prove.median * 1000)))]
    if trial.measured.peak_memory:
        parts.append(text.size(trial.measured.peak_memory))
    return ", ".join(parts)


def bar_of(line: ConsumerLine) -> int | None:
    """How far a pull is, in thousandths."""
    trial = line.trial
    progress = trial.progress if trial is not None and trial.running else None
    if progress is None and line.view.image_state == "pulling":
        progress = line.progress
    return progress.done * 1000 // progress.total if progress is not None and progress.total else None


# columns ----------------------------------------------------------------------------------------------


def _name_cell(line: ConsumerLine) -> Cell:
    view = line.view
    tip = f"{hex0x(view.address)}\n{view.image_name}\nsha256:{view.image_digest.hex()}"
    return Cell(short(view.address), sub=line.image, mono=True, strong=True, tip=tip)


def _state_cell(line: ConsumerLine) -> Cell:
    look, figure = state_look(line)
    tip = f"{look.word} {figure}".strip()
    return Cell(look.word, tone=look.tone, icon=look.icon, bar=bar_of(line), after=figure, tip=tip)


def _reward_cell(line: ConsumerLine) -> Cell:
    if line.view.reward is None:
        return Cell("–", tone="muted", tip=tr("No request of this consumer was seen yet."))
    tip = tr("Of its latest request: {exact}").format(exact=text.exact_gwei(line.view.reward))
    return Cell(text.eth(line.view.reward), tip=tip)


def _turn_cell(line: ConsumerLine) -> Cell:
    seconds = line.view.turn_seconds
    if seconds is None:
        return Cell("–", tone="muted", tip=tr("No request of this consumer was seen yet."))
    return Cell(text.span(seconds), tip=tr("What its latest request gave a prover for its turn."))


def _committee_cell(line: ConsumerLine) -> Cell:
    return Cell(str(line.view.committee), tip=tr("Committee {n}").format(n=line.view.snapshot_id))


def consumer_columns() -> list[Column[ConsumerLine]]:
    return [
        Column(tr("Consumer"), _name_cell, 216),
        Column(tr("Reward, ETH"), _reward_cell, 104, right=True),
        Column(tr("Turn"), _turn_cell, 64, right=True),
        Column(tr("Committee"), _committee_cell, 92, right=True),
        Column(tr("On this machine"), _state_cell, 0),
        Column("", lambda line: Cell(""), 216),
    ]
