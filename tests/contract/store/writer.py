"""A process that writes until it is killed: ``python -m tests.contract.store.writer PATH``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gpn_desktop.adapters.sqlite import SqliteStore
from gpn_desktop.core.eip712 import keccak
from tests.contract.store import samples
from tests.contract.store.samples import CONSUMER, NOW

AT_ONCE = 5


async def main(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()

    async def promise(number: int) -> None:
        order = samples.request(number)
        cursor, _, _ = await asyncio.gather(
            store.keep(order.request_id, CONSUMER, order, True, NOW),
            store.put_job(samples.job(number)),
            store.put_blob(keccak(str(number).encode()), str(number).encode()),
        )
        print(number, cursor, flush=True)

    for start in range(0, 1_000_000, AT_ONCE):
        await asyncio.gather(*(promise(start + n) for n in range(AT_ONCE)))


asyncio.run(main(Path(sys.argv[1])))
