"""An image's life: every event in every state, strikes, and quarantine that ends."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.core.errors import ImageUnavailable, ProverFault
from gpn_desktop.core.images import (
    LONGEST,
    QUARANTINE,
    STRIKES,
    ImageEvent,
    ImageLife,
    ImageState,
    failed,
    pardoned,
    proved,
    step,
    struck,
)

E, S = ImageEvent, ImageState
FAULT = ProverFault("It answered nonsense.")


def after(*events: ImageEvent, life: ImageLife | None = None) -> ImageLife:
    life = life or ImageLife()
    for event in events:
        life = step(life, event)
    return life


def test_a_life_from_nothing_to_nothing() -> None:
    seen = [life := ImageLife()]
    for event in (
        *(E.PULL, E.PULLED, E.START, E.STARTED, E.CALL, E.CALL, E.RETURN, E.RETURN, E.STOP, E.STOPPED),
        E.GONE,
    ):
        seen.append(life := step(life, event))

    assert [life.state for life in seen] == [
        *(S.ABSENT, S.PULLING, S.READY, S.STARTING, S.SERVING, S.BUSY, S.BUSY, S.BUSY, S.SERVING),
        *(S.STOPPING, S.READY, S.ABSENT),
    ]


def test_a_container_that_is_lost_at_work_is_started_again_at_work() -> None:
    life = after(E.FOUND, E.START, E.STARTED, E.CALL, E.START)

    assert (life.state, life.calls) == (S.STARTING, 1)
    assert step(life, E.STARTED).state is S.BUSY
    assert after(E.RETURN, E.STARTED, life=life).state is S.SERVING


@pytest.mark.parametrize(
    "events",
    [(E.STARTED,), (E.PULLED,), (E.STOP,), (E.START,), (E.FOUND, E.STOPPED), (E.PULL, E.START), (E.RETURN,)],
)
def test_what_cannot_happen_is_refused(events: tuple[ImageEvent, ...]) -> None:
    with pytest.raises(ValueError, match=r"cannot|never began"):
        after(*events)


def test_a_failure_keeps_its_reason_until_the_next_try() -> None:
    life = failed(after(E.PULL), ImageUnavailable("There is no such image."))

    assert life.state is S.FAILED
    assert life.reason is not None
    assert life.reason.code == ImageUnavailable.code
    assert after(E.CALL, E.RETURN, life=life).reason == life.reason
    assert after(E.PULL, life=life).reason is None


def test_faults_in_a_row_put_it_aside_longer_each_time() -> None:
    life, now = after(E.FOUND, E.START, E.STARTED), 1000.0
    for _ in range(STRIKES - 1):
        life = struck(life, FAULT, now)
    assert life.state is S.SERVING
    lasting = []
    for _ in range(12):
        life = struck(life, FAULT, now)
        assert life.state is S.QUARANTINED
        lasting.append(life.until - now)
        assert pardoned(life, life.until - 1).state is S.QUARANTINED
        now = life.until
        life = pardoned(life, now)
        assert (life.state, life.reason) == (S.READY, None)

    assert lasting[:3] == [QUARANTINE, 2 * QUARANTINE, 4 * QUARANTINE]
    assert lasting[-1] == LONGEST


def test_a_proof_wipes_the_record_and_so_does_the_operator() -> None:
    life = after(E.FOUND, E.START, E.STARTED)
    for _ in range(10):
        life = proved(struck(struck(life, FAULT, 0.0), FAULT, 0.0))
    assert life.state is S.SERVING

    aside = struck(struck(struck(life, FAULT, 0.0), FAULT, 0.0), FAULT, 0.0)
    freed = pardoned(aside)
    assert (freed.state, freed.strikes) == (S.READY, 0)


@given(st.lists(st.sampled_from([*E, "fail", "strike", "prove", "pardon"]), max_size=60))
def test_calls_are_counted_right_whatever_happens(events: list[ImageEvent | str]) -> None:
    life, calls = ImageLife(), 0
    for event in events:
        before = life
        match event:
            case "fail":
                life = failed(life, FAULT)
            case "strike":
                life = struck(life, FAULT, 0.0)
            case "prove":
                life = proved(life)
            case "pardon":
                life = pardoned(life)
            case ImageEvent():
                with suppress(ValueError):
                    life = step(life, event)
                    calls += (event is E.CALL) - (event is E.RETURN)
        assert life.calls == calls >= 0
        assert (life.reason is not None) == (life.state in (S.FAILED, S.QUARANTINED))
        assert life.state is not S.BUSY or life.calls
        if before.state is S.QUARANTINED and event != "pardon":
            assert life.state is S.QUARANTINED
