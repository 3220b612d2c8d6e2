"""Bringing a verified request to the chain and to its payout, whatever happens in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gpn_desktop.core.job import ProofKey
from gpn_desktop.core.messages import CastVote, VotesMessage
from gpn_desktop.simulation.case import Case
from gpn_desktop.simulation.chain import GRACE_MS, SETTLE_DELAY_MS, WINDOW_MS, Record, Settle

if TYPE_CHECKING:
    from gpn_desktop.simulation.node import Node

BATCH_MS: Final = 10_000  # for which a prover gathers requests and votes
LOOK_MS: Final = 45_000  # between two looks at what has become of a settlement
TURN_MS: Final = 15_000  # for which the others leave the next one alone, when the prover does not settle


def consider(node: Node, case: Case) -> None:
    """A verdict is there, or was before a crash: see to the settlement from here on."""
    if case.settling or node.address not in case.job.snapshot.members:
        return
    case.settling = True
    accepted = case.job.accepted
    credited = accepted is not None and accepted[0] == node.address
    node.later(case.chance.randint(500, BATCH_MS) if credited else LOOK_MS, lambda: _look(node, case))


def _look(node: Node, case: Case) -> None:
    request = case.job.request
    accepted = case.job.accepted
    if accepted is None or case.paid or node.now > request.deadline * 1000 + GRACE_MS:
        return
    if node.chain_up:
        record = node.world.chain.records.get(case.id)
        if record is None:
            _settle(node, case)
        elif record.paid:
            case.paid = True
            return
        else:
            _extend(node, case, record)
    node.later(LOOK_MS * case.chance.uniform(0.8, 1.2), lambda: _look(node, case))


def _settle(node: Node, case: Case) -> None:
    """The credited prover at once; the others in turn, once the contract tips them for it."""
    accepted = case.job.accepted
    assert accepted is not None
    turn = case.job.snapshot.members[node.address] * TURN_MS
    due = case.job.request.deadline * 1000 + SETTLE_DELAY_MS + turn
    if accepted[0] == node.address or node.now > due:
        _send(node, case, _valid_votes(node, case, accepted))


def _valid_votes(node: Node, case: Case, accepted: ProofKey) -> tuple[CastVote, ...]:
    """All that were journalled; also of voters that contradicted themselves since: the verdict was final."""
    casts = (
        cast
        for kept in node.journal.statements[case.id]
        if isinstance(kept.message, VotesMessage)
        for cast in kept.message.votes
    )
    return tuple(
        cast
        for cast in casts
        if cast.signed.message.valid
        and (cast.signed.message.prover, cast.signed.message.proof_hash) == accepted
    )


def _extend(node: Node, case: Case, record: Record) -> None:
    """A vote of this node that was left out is brought while the window is open."""
    accepted = case.job.accepted
    assert accepted is not None
    mine = case.job.tallies[accepted].opinions.get(node.address)
    left_out = mine is not None and mine.signed.message.valid and node.address not in record.voters
    if mine is not None and left_out and record.proof == accepted and node.now < record.at + WINDOW_MS:
        _send(node, case, (mine,))


def _send(node: Node, case: Case, votes: tuple[CastVote, ...]) -> None:
    """In the journal before it leaves, so that another life looks at the chain before it sends again."""
    accepted = case.job.accepted
    assert accepted is not None
    node.journal.settling.add(case.id)
    if node.conduct.settles:
        node.world.send(node, Settle(case.id, accepted, votes, node.address))
