"""An image's life on this node, as a state machine: from nothing to serving proofs, or to quarantine.

    absent → pulling → ready → starting → serving ⇄ busy → stopping → ready
                 ╲________________╲__________ failed (tried again when it is needed)
    any state in which it works, after repeated faults → quarantined → ready

An image is a stranger's program, and one that breaks each proof costs the machine more than it earns. So
faults in a row that only the image can be blamed for put it aside for a while, longer each time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from gpn_desktop.core.errors import GpnError

STRIKES: Final = 3  # faults in a row that quarantine an image
QUARANTINE: Final = 600.0  # seconds of the first time; doubles with each further one
LONGEST: Final = 24 * 3600.0


class ImageState(Enum):
    ABSENT = "absent"
    PULLING = "pulling"
    READY = "ready"  # on this machine, nothing of it runs
    STARTING = "starting"
    SERVING = "serving"  # containers answer, none is at work
    BUSY = "busy"
    STOPPING = "stopping"
    FAILED = "failed"
    QUARANTINED = "quarantined"


class ImageEvent(Enum):
    FOUND = "found"  # the engine has it
    PULL = "pull"
    PULLED = "pulled"
    START = "start"  # also again, when the containers were lost
    STARTED = "started"
    CALL = "call"  # a proof or a validation begins
    RETURN = "return"  # it ended, in whatever way
    STOP = "stop"
    STOPPED = "stopped"
    GONE = "gone"  # removed, or a pull was given up


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an image failed or is quarantined."""

    code: str
    message: str
    remedy: str

    @classmethod
    def of(cls, error: GpnError) -> Reason:
        return cls(error.code, error.message, error.remedy)


@dataclass(frozen=True, slots=True)
class ImageLife:
    """``calls`` at work; ``strikes`` in a row; ``until`` (in the caller's seconds) the quarantine lasts."""

    state: ImageState = ImageState.ABSENT
    reason: Reason | None = None
    calls: int = 0
    strikes: int = 0
    quarantines: int = 0
    until: float = 0.0


_S, _E = ImageState, ImageEvent
_ALIVE: Final = (_S.STARTING, _S.SERVING, _S.BUSY)
_NEXT: Final[dict[ImageEvent, dict[ImageState, ImageState]]] = {
    _E.FOUND: dict.fromkeys((_S.ABSENT, _S.FAILED, _S.READY), _S.READY),
    _E.PULL: dict.fromkeys((_S.ABSENT, _S.FAILED, _S.READY), _S.PULLING),
    _E.PULLED: {_S.PULLING: _S.READY},
    _E.START: dict.fromkeys((_S.READY, _S.FAILED, *_ALIVE), _S.STARTING),
    _E.STARTED: {_S.STARTING: _S.SERVING},
    _E.CALL: {s: s for s in _S},
    _E.RETURN: {s: s for s in _S},
    _E.STOP: dict.fromkeys((*_ALIVE, _S.FAILED, _S.READY), _S.STOPPING),
    _E.STOPPED: {_S.STOPPING: _S.READY},
    _E.GONE: dict.fromkeys((_S.PULLING, _S.READY, _S.FAILED, _S.ABSENT), _S.ABSENT),
}


def step(life: ImageLife, event: ImageEvent) -> ImageLife:
    """The life after ``event``. A quarantined image stays so, whatever its containers still do.

    Raises:
        ValueError: the event cannot happen in this state.
    """
    calls = life.calls + (event is _E.CALL) - (event is _E.RETURN)
    if calls < 0:
        raise ValueError("a call returned that never began")
    if life.state is _S.QUARANTINED:
        return replace(life, calls=calls)
    following = _NEXT[event].get(life.state)
    if following is None:
        raise ValueError(f"an image that is {life.state.value} cannot {event.value}")
    if following in (_S.SERVING, _S.BUSY):
        following = _S.BUSY if calls else _S.SERVING
    # What failed keeps its reason until it is tried again.
    reason = life.reason if following is _S.FAILED else None
    return replace(life, state=following, calls=calls, reason=reason)


def failed(life: ImageLife, error: GpnError) -> ImageLife:
    """Pulling or starting went wrong; the next need tries again."""
    if life.state in (_S.QUARANTINED, _S.STOPPING):
        return life
    return replace(life, state=_S.FAILED, reason=Reason.of(error))


def struck(life: ImageLife, error: GpnError, now: float) -> ImageLife:
    """A fault that only the image can be blamed for; the third in a row quarantines it."""
    strikes = life.strikes + 1
    if strikes < STRIKES or life.state is _S.QUARANTINED:
        return replace(life, strikes=strikes)
    lasting = min(QUARANTINE * 2**life.quarantines, LONGEST)
    return replace(
        life,
        state=_S.QUARANTINED,
        reason=Reason.of(error),
        strikes=strikes,
        quarantines=life.quarantines + 1,
        until=now + lasting,
    )


def proved(life: ImageLife) -> ImageLife:
    """A proof came out as it should: earlier faults are forgotten."""
    return replace(life, strikes=0, quarantines=0)


def pardoned(life: ImageLife, now: float | None = None) -> ImageLife:
    """Out of quarantine: by the operator (``now`` None), or because its time is over.

    One more fault puts it back: the strikes but one stand until it has proved something.
    """
    if life.state is not _S.QUARANTINED or (now is not None and now < life.until):
        return life
    return replace(life, state=_S.READY, reason=None, strikes=STRIKES - 1 if now is not None else 0)
