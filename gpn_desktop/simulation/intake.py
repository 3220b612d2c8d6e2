"""How requests come to a node of a run: admitted by the rules, parked for the chain, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gpn_desktop.core.errors import RequestRefused
from gpn_desktop.core.messages import RequestMessage
from gpn_desktop.core.request import check
from gpn_desktop.core.types import Millis
from gpn_desktop.simulation.chain import CONFIRMATIONS

if TYPE_CHECKING:
    from gpn_desktop.simulation.node import Node

PATIENCE_MS: Final = 60_000  # how long a request may be ahead of this node's chain


def on_request(node: Node, message: RequestMessage, received: Millis) -> None:
    """A request by gossip, by sync, or from its consumer."""
    request_id = message.request_id
    if request_id in node.cases or request_id in node.refused or request_id in node.journal.requests:
        return
    request = message.signed.message
    known = node.chain_up and node.seen >= request.details.anchor_block + CONFIRMATIONS
    if not known:
        if node.now <= request.deadline * 1000 and (not node.chain_up or node.now - received < PATIENCE_MS):
            node.parked.setdefault(request_id, (message, received))
        return
    try:
        check(message.signed, node.world.facts(request))
    except RequestRefused:
        node.refused.add(request_id)
        return
    if _nonce_is_free(node, message):
        node.open(message, received)
    else:
        node.refused.add(request_id)


def _nonce_is_free(node: Node, message: RequestMessage) -> bool:
    """Of two requests on one nonce the lower id counts, until one is announced."""
    request = message.signed.message
    for other in node.cases.values():
        same = other.job.request.consumer == request.consumer and other.job.request.nonce == request.nonce
        if not same or other.refused:
            continue
        if other.job.announcements or other.id < message.request_id or other.paid:
            return False
        other.refused = True
        other.timer += 1
        node.waiting.pop(other.id, None)
    return True


def unpark(node: Node) -> None:
    """The chain moved on: look again at what waited for it."""
    parked, node.parked = node.parked, {}
    for message, received in parked.values():
        on_request(node, message, Millis(received))
