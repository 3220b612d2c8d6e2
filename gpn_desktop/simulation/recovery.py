"""A node's next life: everything that it signed comes out of the journal before it does anything new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpn_desktop.core import events as ev
from gpn_desktop.core.job import open_job, replay
from gpn_desktop.core.messages import (
    AnnouncementMessage,
    CancelMessage,
    DeclineMessage,
    VotesMessage,
)
from gpn_desktop.core.types import Hash32, Millis
from gpn_desktop.simulation import settler
from gpn_desktop.simulation.case import Case
from gpn_desktop.simulation.journal import Kept, Statement

if TYPE_CHECKING:
    from gpn_desktop.simulation.node import Node


def pin(node: Node, case: Case) -> None:
    """Keep the order under which something is announced or signed (see ``services.marks``)."""
    if case.job.order is not None:
        node.journal.orders.setdefault(case.id, case.job.order)


def restore(node: Node) -> None:
    """All requests of the journal of which something can still come."""
    node.unrestored = list(node.journal.requests)
    restore_rest(node)


def restore_rest(node: Node) -> None:
    """Those that could not be restored before, since the chain did not answer."""
    for request_id in list(node.unrestored):
        if node.chain_up or request_id in node.journal.orders:
            node.unrestored.remove(request_id)
            _restore(node, request_id)


def _restore(node: Node, request_id: Hash32) -> None:
    message, received = node.journal.requests[request_id]
    kept = node.journal.statements[request_id]
    snapshot = node.world.snapshot_of(message.signed.message)
    job = open_job(message.signed, snapshot, node.address, request_id in node.journal.proving)
    pinned = node.journal.orders.get(request_id)
    order = pinned or node.world.order_of(job, node.seen, node.drawn)
    late = order is not None and pinned is None and node.world.is_late(order, received)
    vouched = any(_author(k.message) in snapshot.members and not k.own for k in kept)
    history: list[tuple[ev.Event, Millis]] = []
    if order is not None and (not late or vouched):
        history.append((order, Millis(received)))
    for one in kept:
        history += [(event, Millis(one.time)) for event in _events(node, one)]
    job = replay(job, history)
    case = Case(message, job, received, node.dice(request_id), late=late and not vouched)
    case.present = {event.proof_hash for event, _ in history if isinstance(event, ev.Fetched)}
    _take_up(node, case, kept)


def _take_up(node: Node, case: Case, kept: list[Kept]) -> None:
    """Go on where it stood; what was journalled and maybe never sent is said again."""
    node.cases[case.id] = case
    if case.job.order is None:
        node.waiting[case.id] = case
    for signed in case.job.announcements.values():
        node.fetch(case, signed.message)
    node.feed(case, ev.Tick())
    if case.job.accepted is not None:
        settler.consider(node, case)
    if not case.job.over and node.conduct.tells:
        for one in kept:
            if one.own:
                node.publish(one.message)


def _events(node: Node, kept: Kept) -> list[ev.Event]:
    match kept.message:
        case AnnouncementMessage(_, signed, _):
            said = signed.message
            here = said.proof_hash in node.journal.proofs
            fetched: list[ev.Event] = [ev.Fetched(said.prover, said.proof_hash)] if here else []
            return [ev.Announced(signed), *fetched]
        case VotesMessage(_, votes):
            return [ev.Voted(cast) for cast in votes]
        case DeclineMessage(_, declined, _):
            return [ev.Declined(declined)]
        case CancelMessage(_, cancelled):
            return [ev.Cancelled(cancelled)]


def _author(message: Statement) -> bytes | None:
    match message:
        case AnnouncementMessage() | DeclineMessage():
            return message.signed.signer
        case VotesMessage(_, votes):
            return votes[0].signed.signer
        case CancelMessage():
            return None
