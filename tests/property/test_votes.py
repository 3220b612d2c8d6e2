"""Verdicts from arbitrary votes: never two that contradict, and never dependent on the order of arrival."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from gpn_desktop.core import effects as fx
from gpn_desktop.core import events as ev
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.job import Job, step
from gpn_desktop.core.messages import possession
from gpn_desktop.core.types import Address
from tests.unit.core.world import T0, TIMEOUT, World, after

WORLDS = {size: World(size=size, quorum=(size - 1) // 2 + 1) for size in (2, 3, 4, 5, 6, 7)}


@st.composite
def elections(draw: st.DrawFn) -> tuple[World, list[ev.Event]]:
    """Everybody may vote on the proofs of the first two provers, for, against, or both ways."""
    w = WORLDS[draw(st.sampled_from(sorted(WORLDS)))]
    events: list[ev.Event] = []
    for prover in w.order[:2]:
        events.append(w.announced(prover, proof=bytes(prover)))
        for voter in w.order:
            for valid in draw(st.sampled_from([(), (True,), (False,), (True, False)])):
                events.append(w.voted(voter, prover, valid, proof=bytes(prover)))
    return w, events


def outcome(w: World, events: list[ev.Event]) -> tuple[Job, list[fx.Effect]]:
    job, effects = step(w.job(None), w.known(), T0)
    out = list(effects)
    for event in events:
        job, more = step(job, event, T0)
        out += more
    return job, out


@settings(max_examples=60, deadline=None)
@given(elections())
def test_a_proof_is_never_accepted_after_it_was_voted_down_by_honest_votes(
    election: tuple[World, list[ev.Event]],
) -> None:
    w, events = election
    _, out = outcome(w, events)
    accepted = [e for e in out if isinstance(e, fx.Accept)]
    down = {(e.prover, e.proof_hash) for e in out if isinstance(e, fx.VotedDown)}
    assert len(accepted) <= 1
    for accept in accepted:
        assert (accept.prover, accept.proof_hash) not in down


@settings(max_examples=60, deadline=None)
@given(elections(), st.randoms(use_true_random=False))
def test_the_tallies_do_not_depend_on_the_order_of_arrival(
    election: tuple[World, list[ev.Event]], shuffle: random.Random
) -> None:
    w, events = election
    mixed = list(events)
    shuffle.shuffle(mixed)
    first, _ = outcome(w, events)
    second, _ = outcome(w, mixed)
    for key, tally in first.tallies.items():
        assert tally.equivocators == second.tallies[key].equivocators
        assert set(tally.opinions) == set(second.tallies[key].opinions)


@settings(max_examples=60, deadline=None)
@given(elections(), st.integers(1, 10))
def test_repeating_everything_changes_nothing(election: tuple[World, list[ev.Event]], times: int) -> None:
    w, events = election
    once, out = outcome(w, events)
    again, more = outcome(w, events * times)
    assert again.tallies == once.tallies
    assert [e for e in more if isinstance(e, fx.Accept)] == [e for e in out if isinstance(e, fx.Accept)]


def cast_by(w: World, me: Address, heard: list[Address]) -> list[Address]:
    """The provers of whose proofs a member signs ``valid``, when it hears of all of them in this order."""
    late = after(len(heard) * TIMEOUT - 1)  # every prover's turn has begun
    job, _ = step(w.job(me), w.known(), T0)
    signed = []
    for prover in heard:
        job, _ = step(job, w.announced(prover, bytes(prover)), late)
    for prover in heard:
        proof = bytes(prover)
        result = ev.Validated(prover, keccak(proof), True, possession(me, proof))
        job, out = step(job, result, late) if prover != me else (job, ())
        signed += [e.vote.prover for e in out if isinstance(e, fx.Cast)]
    return signed


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(WORLDS)), st.randoms(use_true_random=False))
def test_honest_members_never_make_two_proofs_valid(size: int, chance: random.Random) -> None:
    """After a partition each may have heard of the proofs in an order of its own."""
    w = WORLDS[size]
    provers = list(w.order[: chance.randint(2, min(size, 3))])
    votes = []
    for me in w.order:
        chance.shuffle(provers)
        votes += cast_by(w, me, provers)
    verified = [prover for prover in provers if votes.count(prover) >= w.quorum]
    assert len(verified) <= 1
