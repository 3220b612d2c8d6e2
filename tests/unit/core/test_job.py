"""The rules of protocol.md (Attempts, Announcement and votes), each on one node's state machine."""

from __future__ import annotations

from gpn_desktop.core import effects as fx
from gpn_desktop.core import events as ev
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.job import Job, next_wake, replay, step
from gpn_desktop.core.turns import TurnState
from gpn_desktop.core.types import Address, Millis
from tests.unit.core.world import PROOF, PROOF_HASH, T0, TIMEOUT, World, after


def run(job: Job, *events: ev.Event, at: Millis = T0) -> tuple[Job, list[fx.Effect]]:
    out: list[fx.Effect] = []
    for event in events:
        job, effects = step(job, event, at)
        out += effects
    return job, out


def kinds(effects: list[fx.Effect]) -> list[type]:
    return [type(e) for e in effects]


def test_the_first_in_the_order_proves_at_t0_and_nobody_else() -> None:
    w = World()
    for rank, member in enumerate(w.order):
        _, out = run(w.job(member), w.known())
        assert kinds(out) == ([fx.Prove] if rank == 0 else [])


def test_nobody_proves_before_t0_and_the_node_wakes_at_t0() -> None:
    w = World()
    job, out = run(w.job(w.order[0]), w.known(after(10)))
    assert out == []
    assert next_wake(job, T0) == after(10)
    _, out = run(job, ev.Tick(), at=after(10))
    assert out == [fx.Prove(0, Millis(after(10) + TIMEOUT * 1000))]


def test_the_next_takes_over_when_the_first_runs_out() -> None:
    w = World()
    job, _ = run(w.job(w.order[1]), w.known())
    assert next_wake(job, T0) == after(TIMEOUT)
    _, out = run(job, ev.Tick(), at=after(TIMEOUT))
    assert out == [fx.Prove(1, after(2 * TIMEOUT))]


def test_the_next_takes_over_at_once_after_a_decline() -> None:
    w = World()
    job, _ = run(w.job(w.order[1]), w.known())
    _, out = run(job, w.declined(w.order[0]), at=after(3))
    assert out == [fx.Prove(1, after(3 + TIMEOUT))]


def test_a_decline_in_anothers_name_changes_nothing() -> None:
    w = World()
    job, _ = run(w.job(w.order[1]), w.known())
    forged = ev.Declined(w.declined(w.order[2]).signed)
    same, out = run(job, forged, at=after(3))
    assert out == []
    assert same.turns(after(3))[0].state is TurnState.RUNNING


def test_an_announced_proof_is_verified_voted_on_and_accepted_at_quorum() -> None:
    w = World()
    me = w.order[1]
    prover = w.order[0]
    job, out = run(w.job(me), w.known(), w.announced(prover), at=after(1))
    assert kinds(out) == [fx.Verify]
    voted = w.voted(me, prover)
    job, out = run(job, ev.Validated(prover, PROOF_HASH, True, voted.cast.possession), at=after(2))
    assert out == [fx.Cast(voted.cast.signed.message, voted.cast.possession, w.seed)]
    job, out = run(job, voted, at=after(2))
    assert out == []
    job, out = run(job, w.voted(w.order[2], prover), at=after(2))
    assert out == [fx.Accept(prover, PROOF_HASH, 0)]
    assert job.over


def test_a_voted_down_proof_hands_the_turn_over_at_once() -> None:
    w = World()
    cheat = w.order[0]
    job, _ = run(w.job(w.order[1]), w.known(), w.announced(cheat), at=after(1))
    job, out = run(job, w.voted(w.order[2], cheat, valid=False), at=after(2))
    assert fx.VotedDown not in kinds(out)
    job, out = run(job, w.voted(w.order[3], cheat, valid=False), at=after(3))
    assert out == [fx.VotedDown(cheat, PROOF_HASH, 0), fx.Prove(1, after(3 + TIMEOUT))]


def test_a_valid_verdict_overrides_an_earlier_failure() -> None:
    w = World()
    prover = w.order[0]
    job, _ = run(w.job(None), w.known(), w.announced(prover))
    job, out = run(job, ev.Tick(), at=after(590))
    job, out = run(job, ev.Tick(), at=after(600))
    assert job.expired
    job, out = run(job, w.voted(w.order[1], prover), w.voted(w.order[2], prover), at=after(601))
    assert kinds(out) == [fx.Accept]
    assert not job.expired


def test_no_opinion_is_no_vote() -> None:
    w = World()
    me, prover = w.order[1], w.order[0]
    job, _ = run(w.job(me), w.known(), w.announced(prover))
    _, out = run(job, ev.Validated(prover, PROOF_HASH, None, PROOF_HASH))
    assert out == []


def test_who_found_one_proof_valid_signs_valid_for_no_other() -> None:
    w = World(size=5, quorum=3)
    me = w.order[4]
    first, second = w.order[0], w.order[1]
    job, _ = run(w.job(me), w.known(), w.announced(first), at=after(1))
    job, out = run(job, ev.Validated(first, PROOF_HASH, True, PROOF_HASH), at=after(1))
    assert kinds(out) == [fx.Cast]
    late = after(TIMEOUT + 31)
    job, out = run(job, w.announced(second, b"another"), at=late)
    verify = [e for e in out if isinstance(e, fx.Verify)]
    assert len(verify) == 1
    _, out = run(job, ev.Validated(second, verify[0].announcement.proof_hash, True, PROOF_HASH), at=late)
    assert out == []


def test_votes_that_do_not_count() -> None:
    w = World()
    prover = w.order[0]
    job, _ = run(w.job(None), w.known(), w.announced(prover))
    stranger = Address(bytes(20))
    voter = w.order[1]
    hostile = [
        w.voted(prover, prover),  # by the prover itself
        w.voted(stranger, prover),  # not of the committee
        w.voted(voter, prover, attempt=1),  # not the prover's rank
        w.voted(voter, prover, request_id=PROOF_HASH),  # another request
    ]
    same, out = run(job, *hostile)
    assert out == []
    assert same.tallies == {}
    once, _ = run(job, w.voted(voter, prover))
    twice, _ = run(once, w.voted(voter, prover))
    assert twice is once  # a repetition is dropped, so it is neither kept nor counted


def test_an_equivocator_counts_on_neither_side_and_leaves_evidence() -> None:
    w = World()
    prover, liar = w.order[0], w.order[1]
    job, _ = run(w.job(None), w.known(), w.announced(prover), w.voted(liar, prover))
    job, out = run(job, w.voted(liar, prover, valid=False))
    assert kinds(out) == [fx.Equivocation]
    job, out = run(job, w.voted(w.order[2], prover))
    assert out == []
    _, out = run(job, w.voted(w.order[3], prover))
    assert kinds(out) == [fx.Accept]


def test_announcements_that_do_not_fit_are_dropped() -> None:
    w = World()
    prover = w.order[0]
    job, _ = run(w.job(w.order[1]), w.known())
    for hostile in (
        w.announced(prover, attempt=1),
        w.announced(prover, seed=PROOF_HASH),
        w.announced(prover, request_id=PROOF_HASH),
    ):
        same, out = run(job, hostile)
        assert (same, out) == (job, [])


def test_two_hashes_of_one_prover_are_evidence_and_a_third_is_dropped() -> None:
    w = World()
    prover = w.order[0]
    job, _ = run(w.job(None), w.known(), w.announced(prover))
    job, out = run(job, w.announced(prover, b"second"))
    assert kinds(out) == [fx.DoubleAnnouncement]
    third, out = run(job, w.announced(prover, b"third"))
    assert third is job
    assert out == []


def test_an_early_announcement_is_held_until_its_turn() -> None:
    w = World()
    me, second = w.order[2], w.order[1]
    job, out = run(w.job(me), w.known(), w.announced(second), at=after(1))
    assert out == []
    _, out = run(job, w.declined(w.order[0]), at=after(2))
    assert kinds(out) == [fx.Verify]


def test_what_came_before_the_order_is_held_and_then_counts() -> None:
    w = World()
    prover = w.order[0]
    job, out = run(w.job(None), w.announced(prover), w.voted(w.order[1], prover), w.voted(w.order[2], prover))
    assert out == []
    _, out = run(job, w.known())
    assert kinds(out) == [fx.Accept]


def test_a_cancel_counts_only_before_t0_and_only_from_the_consumer() -> None:
    w = World()
    job, _ = run(w.job(w.order[0]), w.known(after(10)))
    same, _ = run(job, w.cancelled(by=w.secrets[w.order[1]]))
    assert not same.cancelled
    gone, out = run(job, w.cancelled())
    assert gone.cancelled
    _, out = run(gone, ev.Tick(), at=after(10))
    assert out == []
    running, _ = run(job, ev.Tick(), at=after(10))
    kept, out = run(running, w.cancelled(), at=after(11))
    assert not kept.cancelled


def test_an_operator_that_will_not_prove_declines_at_once() -> None:
    w = World()
    _, out = run(w.job(w.order[2]), ev.Willing("paused"), w.known())
    assert [e.reason for e in out if isinstance(e, fx.SignDecline)] == ["paused"]


def test_a_failed_proof_is_declined_with_its_code() -> None:
    w = World()
    job, _ = run(w.job(w.order[0]), w.known())
    _, out = run(job, ev.ProveFailed("GPN-1506"), at=after(1))
    assert [e.reason for e in out if isinstance(e, fx.SignDecline)] == ["GPN-1506"]


def test_a_verdict_stops_a_proof_in_the_making() -> None:
    w = World()
    me, prover = w.order[1], w.order[0]
    job, out = run(w.job(me), w.known())
    job, out = run(job, ev.Tick(), at=after(TIMEOUT))
    assert kinds(out) == [fx.Prove]
    job, out = run(job, w.voted(w.order[2], prover), w.voted(w.order[3], prover), at=after(TIMEOUT + 1))
    assert kinds(out) == [fx.StopProving, fx.Accept]


def test_a_reorg_changes_the_order_only_before_an_announcement() -> None:
    w = World()
    job, _ = run(w.job(None), w.known())
    other = ev.OrderKnown(PROOF_HASH, tuple(reversed(w.order)), T0)
    changed, _ = run(job, other)
    assert changed.order == other
    job, _ = run(job, w.announced(w.order[0]))
    kept, _ = run(job, other)
    assert kept.order == w.known()


def test_all_turns_used_up_ends_the_request() -> None:
    w = World()
    job, _ = run(w.job(None), w.known(), *(w.declined(p) for p in w.order))
    assert job.expired


def test_a_restart_replays_to_the_same_state_and_contradicts_nothing() -> None:
    w = World()
    me, prover = w.order[1], w.order[0]
    said = [w.known(), w.announced(prover), w.voted(me, prover)]
    live, _ = run(w.job(me), w.known(), w.announced(prover))
    live, _ = run(live, ev.Validated(prover, PROOF_HASH, True, PROOF_HASH), w.voted(me, prover))
    again = replay(w.job(me), [(e, T0) for e in said])
    assert again.tallies == live.tallies
    assert again.mine.voted == live.mine.voted
    assert again.mine.found_valid == live.mine.found_valid
    _, out = run(again, w.announced(prover), ev.Validated(prover, PROOF_HASH, False, PROOF_HASH))
    assert out == []


def test_a_node_killed_while_proving_lets_the_next_one_prove() -> None:
    w = World()
    job = replay(w.job(w.order[0], interrupted=True), [(w.known(), T0)])
    _, out = run(job, ev.Tick(), at=after(5))
    assert [e.reason for e in out if isinstance(e, fx.SignDecline)] == ["interrupted"]


def test_an_own_announcement_survives_a_restart_and_is_never_made_twice() -> None:
    w = World()
    me = w.order[0]
    job = replay(w.job(me), [(w.known(), T0), (w.announced(me), after(1))])
    _, out = run(job, ev.Tick(), ev.Proved(keccak(b"another"), 3), at=after(5))
    assert out == []


def silenced(job: Job, at: Millis = T0) -> tuple[Job, list[fx.Effect]]:
    return run(job, ev.Silenced(), at=at)


def test_a_node_that_may_contradict_itself_leaves_its_turn_to_the_next() -> None:
    w = World()
    job, _ = silenced(w.job(w.order[0]))
    _, out = run(job, w.known())
    assert [e.reason for e in out if isinstance(e, fx.SignDecline)] == ["silent"]
    proving, _ = run(w.job(w.order[0]), w.known())
    job, out = silenced(proving, after(1))
    assert kinds(out) == [fx.StopProving, fx.SignDecline]
    _, out = run(job, ev.Proved(PROOF_HASH, 9), at=after(2))
    assert out == []


def test_a_node_that_may_contradict_itself_casts_no_vote() -> None:
    w = World()
    job, _ = run(w.job(w.order[2]), w.known())
    verifying, out = run(job, w.announced(w.order[0]), at=after(1))
    assert kinds(out) == [fx.Verify]
    job, _ = silenced(verifying, after(2))
    _, out = run(job, ev.Validated(w.order[0], PROOF_HASH, True, PROOF_HASH), at=after(3))
    assert fx.Cast not in kinds(out)
    job, _ = silenced(w.job(w.order[2]))
    _, out = run(job, w.known(), w.announced(w.order[0]), at=after(1))
    assert kinds(out) == [fx.SignDecline]


def test_what_it_said_before_counts_all_the_same() -> None:
    w = World()
    job, _ = silenced(w.job(w.order[0]))
    job, _ = run(job, w.known())
    job, _ = run(job, w.announced(w.order[0]), at=after(1))
    assert job.mine.announced


def two_with_a_proof(w: World, me: Address) -> Job:
    """The first announced after its time, when the second had announced as well; both are to be checked."""
    job, _ = run(w.job(me), w.known())
    job, _ = run(job, ev.Tick(), at=after(TIMEOUT))
    if me in w.order[:2]:
        job, _ = run(job, ev.Proved(OTHER_HASH if me == w.order[1] else PROOF_HASH, 9), at=after(TIMEOUT + 1))
    second = w.announced(w.order[1], OTHER)
    job, _ = run(job, w.announced(w.order[0]), second, at=after(TIMEOUT + 2))
    return job


OTHER = b"other proof"
OTHER_HASH = keccak(OTHER)


def checked(w: World, voter: Address, prover: Address, proof: bytes, valid: bool = True) -> ev.Validated:
    shown = w.voted(voter, prover, valid, proof).cast.possession
    return ev.Validated(prover, keccak(proof), valid, shown)


def test_of_two_provers_with_a_proof_only_the_later_signs_for_the_other() -> None:
    """Else B and C could verify A's proof while A and D verify B's: two verdicts, and nobody lied."""
    w = World()
    first, second = w.order[:2]
    _, out = run(two_with_a_proof(w, first), checked(w, first, second, OTHER), at=after(62))
    assert out == []
    _, out = run(two_with_a_proof(w, second), checked(w, second, first, PROOF), at=after(62))
    assert kinds(out) == [fx.Cast]


def test_the_earlier_prover_signs_once_its_own_proof_cannot_be_verified_any_more() -> None:
    w = World()
    first, second, *others = w.order
    job, _ = run(two_with_a_proof(w, first), checked(w, first, second, OTHER), at=after(62))
    job, out = run(job, w.voted(others[0], first, valid=False), at=after(63))
    assert out == []
    job, out = run(job, w.voted(others[1], first, valid=False), at=after(63))
    assert kinds(out) == [fx.VotedDown, fx.Cast]
    assert out[1].vote.prover == second  # type: ignore[union-attr]
    assert job.mine.held_back == ()


def test_the_earlier_prover_signs_for_the_later_ones_proof_once_it_is_verified() -> None:
    w = World()
    first, second, *others = w.order
    job, _ = run(two_with_a_proof(w, first), checked(w, first, second, OTHER), at=after(62))
    votes = [w.voted(voter, second, proof=OTHER) for voter in others]
    job, out = run(job, *votes, at=after(63))
    assert kinds(out) == [fx.Accept, fx.Cast]
    assert out[1].vote.prover == second  # type: ignore[union-attr]


def test_a_refutation_is_never_held_back() -> None:
    w = World()
    first, second = w.order[:2]
    false = checked(w, first, second, OTHER, valid=False)
    _, out = run(two_with_a_proof(w, first), false, at=after(62))
    assert kinds(out) == [fx.Cast]


def test_a_prover_that_signed_for_a_later_one_announces_nothing_of_its_own() -> None:
    w = World()
    first, second = w.order[:2]
    job, _ = run(w.job(first), w.known())
    job, _ = run(job, ev.Tick(), at=after(TIMEOUT))
    second_announced = w.announced(second, OTHER)
    job, _ = run(job, second_announced, at=after(TIMEOUT + 1))
    job, out = run(job, checked(w, first, second, OTHER), at=after(TIMEOUT + 2))
    assert kinds(out) == [fx.Cast]
    _, out = run(job, ev.Proved(PROOF_HASH, len(PROOF)), at=after(TIMEOUT + 3))
    assert out == []
