"""Memory that is free inside the process goes back to the system.

The C library's heap keeps what was freed below something that lives: a node that allocates on a dozen threads
held 9 MB of 43 that way after ten minutes of work, and 1 MB more with every hundred seconds (measured at two
requests a second). What it gives back it asks for again when it needs it, at the cost of a page fault.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import Callable
from typing import Final

EVERY_SECONDS: Final = 60.0


def trimmer() -> Callable[[], object] | None:
    """What gives free memory back; None where the C library has no such thing: all but glibc.

    Source: https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    if sys.platform != "linux":
        return None
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:  # musl
        return None
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return lambda: trim(0)


async def keep_trim() -> None:
    """Give back what is free, every minute, until cancelled."""
    trim = trimmer()
    while trim is not None:
        await asyncio.sleep(EVERY_SECONDS)
        await asyncio.to_thread(trim)
