"""Which of the operator's chain nodes is used: one at a time, and another one as soon as it fails.

At a loss the turn is taken by the endpoint that failed least since it last held, and of those by the one that
the operator named first; whoever failed rests, twice as long each time. An endpoint that works is kept,
though one named before it may be back: changing costs a catch-up and fails every call under way, and all
endpoints tell the same chain. The order therefore says who is asked first, at the start and at each loss.

Endpoints are named by their host alone, because their URLs may carry access keys.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from gpn_desktop.adapters.chain.rpc import endpoint_name
from gpn_desktop.core.errors import ChainUnreachable, ContractMissing, GpnError, WrongChain

log = logging.getLogger(__name__)

T = TypeVar("T")

_ITS_FAULT: Final = (ChainUnreachable, WrongChain, ContractMissing)


@dataclass
class Endpoint:
    """``failures`` since it last held, and the loop's time until which it is left alone."""

    url: str
    name: str
    failures: int = 0
    rests_until: float = 0.0
    told: str = ""


class Endpoints:
    """The chain nodes at these URLs, WebSocket or http; waits between tries in seconds."""

    def __init__(self, urls: Sequence[str], first_retry: float, last_retry: float) -> None:
        if not urls:
            raise ValueError("a chain needs an endpoint")
        self._all = [Endpoint(url, endpoint_name(url)) for url in map(websocket_url, urls)]
        self._first_retry = first_retry
        self._last_retry = last_retry
        self._current = self._all[0]

    async def first(self, connect: Callable[[str], Awaitable[T]]) -> T:
        """Connect to the first that can be used, each tried once.

        Raises:
            WrongChain, ContractMissing: all of them serve something else.
            ChainUnreachable
        """
        errors: list[GpnError] = []
        for endpoint in self._all:
            try:
                return await self._use(endpoint, connect)
            except _ITS_FAULT as error:
                errors.append(error)
        away = [error for error in errors if isinstance(error, ChainUnreachable)]
        raise (away or errors)[0]

    async def next(self, connect: Callable[[str], Awaitable[T]]) -> T:
        """Connect to the next that can be used, however long it takes."""
        while True:
            now = asyncio.get_running_loop().time()
            rested = [endpoint for endpoint in self._all if endpoint.rests_until <= now]
            if not rested:
                await asyncio.sleep(min(endpoint.rests_until for endpoint in self._all) - now)
                continue
            try:
                return await self._use(min(rested, key=lambda endpoint: endpoint.failures), connect)
            except GpnError as error:
                log.debug("no chain yet: %s", error)

    def lost(self) -> None:
        """The one in use failed."""
        self._failed(self._current)

    def holds(self) -> None:
        """The one in use has told everything up to its head."""
        self._current.failures = 0

    async def _use(self, endpoint: Endpoint, connect: Callable[[str], Awaitable[T]]) -> T:
        self._current = endpoint
        try:
            made = await connect(endpoint.url)
        except GpnError as error:
            self._failed(endpoint)
            self._tell(endpoint, error)
            raise
        endpoint.told = ""
        if len(self._all) > 1:
            log.info("the chain is followed through %s", endpoint.name)
        return made

    def _failed(self, endpoint: Endpoint) -> None:
        endpoint.failures += 1
        wait = min(self._first_retry * 2.0 ** min(endpoint.failures - 1, 30), self._last_retry)
        # At random, so that all the nodes of a network do not come back at once.
        rest = wait * random.uniform(0.5, 1)
        endpoint.rests_until = asyncio.get_running_loop().time() + rest

    def _tell(self, endpoint: Endpoint, error: GpnError) -> None:
        """Once, until something else is wrong with it."""
        if endpoint.told != error.code:
            endpoint.told = error.code
            log.warning("endpoint %s is left out: %s", endpoint.name, error.message)


def websocket_url(url: str) -> str:
    """The chain is followed by subscription, so an http address is taken for the same host's WebSocket."""
    return "ws" + url.removeprefix("http") if url.startswith(("http://", "https://")) else url
