"""Logging to stderr and to the window's log book. Libraries are heard from when they warn; no secret is ever
an argument of a log call."""

from __future__ import annotations

import logging
import sys
from functools import cache

from gpn_desktop.adapters.system.logbook import RingLogBook

LOUD_LIBRARIES = ("libp2p", "multiaddr", "web3", "websockets", "urllib3", "docker", "asyncio", "grpc", "trio")
FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def configure(level: str) -> None:
    """May be called again with another level."""
    root = logging.getLogger()
    if not any(type(handler) is logging.StreamHandler for handler in root.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(FORMAT))
        root.addHandler(handler)
    root.setLevel(level.upper())
    for name in LOUD_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


@cache
def book() -> RingLogBook:
    """This process's log book; it takes lines from the first call on."""
    made = RingLogBook()
    logging.getLogger().addHandler(made)
    return made
