"""A node that is killed at a boundary of its first settlement, as by a power cut: ``dying.py WHEN node …``.

``signed``: the settlement is signed and journalled, and has not left. ``sent``: it has left, and nobody here
has seen a receipt.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

import rlp  # type: ignore[import-untyped]

from gpn_desktop.adapters.chain import bindings
from gpn_desktop.adapters.chain.rpc import Rpc
from gpn_desktop.cli import main
from gpn_desktop.core.types import ZERO_HASH

SETTLING: Final = (
    bindings.settle(ZERO_HASH, bindings.EMPTY_BATCH, [])[:4],
    bindings.settle_attested(ZERO_HASH, bindings.EMPTY_BATCH, [], b"")[:4],
)


def die_at(when: str) -> None:
    """Arrange for the end of this process."""
    send = Rpc.send

    async def deadly(self: Rpc, raw: bytes) -> None:
        settling = bytes(rlp.decode(raw[1:])[7])[:4] in SETTLING
        if settling and when == "signed":
            os.kill(os.getpid(), signal.SIGKILL)
        await send(self, raw)
        if settling:
            os.kill(os.getpid(), signal.SIGKILL)

    Rpc.send = deadly  # type: ignore[method-assign]


if __name__ == "__main__":
    die_at(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
