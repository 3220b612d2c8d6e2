"""Logging to stderr. Libraries are heard from when they warn; no secret is ever an argument of a log call."""

from __future__ import annotations

import logging
import sys

LOUD_LIBRARIES = ("libp2p", "web3", "websockets", "urllib3", "docker", "asyncio", "grpc", "trio")


def configure(level: str) -> None:
    logging.basicConfig(
        level=level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    for name in LOUD_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
