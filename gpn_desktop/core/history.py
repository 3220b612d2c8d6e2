"""The orders that people see past requests in: one meaning for stores and tables."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from gpn_desktop.core.types import Gwei, Hash32


class JobOrder(Enum):
    """All but ``OLDEST`` begin with the most: the dearest, the slowest; of equals with the newest."""

    NEWEST = "newest"
    OLDEST = "oldest"
    EARNED = "earned"
    REWARD = "reward"
    SLOWEST = "slowest"


class Dated(Protocol):
    """What orders look at; times in Unix milliseconds, 0 while unknown."""

    @property
    def request_id(self) -> Hash32: ...
    @property
    def received_ms(self) -> int: ...
    @property
    def verdict_ms(self) -> int: ...
    @property
    def reward(self) -> Gwei: ...
    @property
    def earned(self) -> Gwei: ...


def took_ms(job: Dated) -> int:
    """From a request's arrival to its verdict; 0 without one."""
    return max(0, job.verdict_ms - job.received_ms) if job.verdict_ms else 0


def place(job: Dated, order: JobOrder) -> tuple[int, int]:
    """Where a request stands in an order: the smallest is first."""
    match order:
        case JobOrder.NEWEST:
            return -job.received_ms, 0
        case JobOrder.OLDEST:
            return job.received_ms, 0
        case JobOrder.EARNED:
            return -job.earned, -job.received_ms
        case JobOrder.REWARD:
            return -job.reward, -job.received_ms
        case JobOrder.SLOWEST:
            return -took_ms(job), -job.received_ms
