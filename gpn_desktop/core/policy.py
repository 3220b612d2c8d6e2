"""Whether *this* node proves: the operator's terms, which never decide how it votes (protocol.md)."""

from __future__ import annotations

from dataclasses import dataclass

from gpn_desktop.core.types import Gwei


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's terms. ``min_reward`` per proof."""

    paused: bool = False
    min_reward: Gwei = Gwei(0)


def refusal(policy: Policy, reward: Gwei, unsettled: Gwei, balance: Gwei | None) -> str | None:
    """Why the node declines its turn, as a short code for people; None to take it.

    Args:
        unsettled: the rewards of the consumer's other requests that are not settled yet.
        balance: what the consumer has on the contract, None where there is no contract.
    """
    if policy.paused:
        return "paused"
    if reward < policy.min_reward:
        return "price"
    if balance is not None and unsettled + reward > balance:
        return "exposure"  # settling would fail for want of balance, and the work be unpaid
    return None
