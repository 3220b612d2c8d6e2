"""Why a node pauses, in words: what holds, and what ends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QDateTime

from gpn_desktop.core.gpus import Gpu
from gpn_desktop.core.pausing import Reason, Why
from gpn_desktop.ui.text import tr

if TYPE_CHECKING:
    from gpn_desktop.services.pausing import PauseView


def pause_line(view: PauseView) -> str:
    """One line: ``Paused: on battery. Resumes when plugged in.``; "" while it works."""
    pausing = view.pausing
    if not pausing:
        return ""
    held = tr("Paused: {reasons}.").format(reasons="; ".join(_what(reason) for reason in pausing))
    if len(pausing) == 1:
        return f"{held} {_end(pausing[0])}"
    if view.until is not None:
        return f"{held} {tr('Resumes {when}.').format(when=moment(view.until))}"
    return f"{held} {tr('Resumes when none of this holds.')}"


def gpu_lines(view: PauseView) -> list[str]:
    """A sentence for each GPU that is left alone for its heat."""
    return [
        tr("{gpu} is left alone at {hot} °C, until it has cooled to {cool} °C.").format(
            gpu=gpu_name(reason.args[0], view.gpus), hot=reason.args[1], cool=reason.args[2]
        )
        for reason in view.reasons
        if reason.why is Why.HOT
    ]


def gpu_name(uuid: str, gpus: Sequence[Gpu]) -> str:
    """Its name, with its number where there are several of that name."""
    found = next((gpu for gpu in gpus if gpu.uuid == uuid), None)
    if found is None:
        return uuid
    alike = sum(gpu.name == found.name for gpu in gpus) > 1
    return tr("{name} (GPU {n})").format(name=found.name, n=found.index) if alike else found.name


def cannot_tell(why: Why) -> str:
    """Why a rule has no effect on this machine."""
    return {
        Why.NO_IDLE: tr("This machine does not tell since when nobody has used it: the rule has no effect."),
        Why.NO_BATTERY: tr("This machine does not tell where its power comes from: the rule has no effect."),
        Why.NO_PROGRAMS: tr("This machine does not tell which programs run: the rule has no effect."),
        Why.NO_TEMPERATURE: tr("A GPU does not tell its temperature: the rule has no effect on it."),
    }[why]


def moment(unix: float) -> str:
    """A local time: ``at 15:30``, ``on Tuesday at 06:00``, or with its date when that is a week away."""
    then = QDateTime.fromSecsSinceEpoch(int(unix))
    now = QDateTime.currentDateTime()
    clock = then.toString("HH:mm")
    if then.date() == now.date():
        return tr("at {time}").format(time=clock)
    if 0 <= now.daysTo(then) < 7:
        return tr("on {day} at {time}").format(day=then.toString("dddd"), time=clock)
    return tr("on {day} at {time}").format(day=then.toString("d MMM"), time=clock)


def _what(reason: Reason) -> str:
    first = reason.args[0] if reason.args else ""
    return {
        Why.BY_HAND: tr("by you"),
        Why.SCHEDULE: tr("outside of its working hours"),
        Why.IN_USE: tr("this machine is in use"),
        Why.PROGRAM: tr("{program} is running").format(program=first),
        Why.BATTERY: tr("on battery"),
        Why.ALL_HOT: tr("every GPU is above {n} °C").format(n=first),
    }[reason.why]


def _end(reason: Reason) -> str:
    if reason.until is not None:
        return tr("Resumes {when}.").format(when=moment(reason.until))
    first = reason.args[0] if reason.args else ""
    return {
        Why.BY_HAND: tr("Stays so until you resume."),
        Why.SCHEDULE: tr("No working hours lie ahead."),
        Why.IN_USE: tr("Resumes after {n} min without keyboard and mouse.").format(n=first),
        Why.PROGRAM: tr("Resumes when it has ended."),
        Why.BATTERY: tr("Resumes when plugged in."),
        Why.ALL_HOT: tr("Resumes when one has cooled."),
    }[reason.why]
