"""The window under load, as a process of its own: ``python -m tests.bench.window_program history|load``.

Its node is the test suite's scripted one, because a real one does not see 10,000 requests in the time that a
benchmark has. Network, store, chain code and widgets are the real ones.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyside6")

import psutil  # type: ignore[import-untyped]
import qasync  # type: ignore[import-untyped]

from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.adapters.sqlite import SqliteStore
from gpn_desktop.composition import parts  # noqa: F401  # all that a node imports counts as its memory
from gpn_desktop.core.history import JobOrder
from gpn_desktop.core.types import Gwei
from gpn_desktop.ports.network import Received
from gpn_desktop.ports.store import JobRow
from gpn_desktop.services.demo.stage import new_key
from gpn_desktop.services.views import JobView, Phase
from gpn_desktop.ui.app import SWITCH_SECONDS
from gpn_desktop.ui.collector import MainThreadCollector
from gpn_desktop.ui.pages.jobs import JobsPage
from gpn_desktop.ui.shell import Shell, open_shell
from gpn_desktop.ui.window import MainWindow
from tests.bench.transfer import DOMAIN, Shelf
from tests.bench.window_gossip import CONSUMER, RATE
from tests.ui.fake import FakeFacade, demo_view, hash32, history_row, job

HISTORY: Final = 100_000
LIVE: Final = 500
JOBS: Final = 10_000
LOAD_SECONDS: Final = 10.0
TICK: Final = 0.1
ROUNDS: Final = 5


class Stored(FakeFacade):
    """Its history is a real store's."""

    def __init__(self, store: SqliteStore, jobs: tuple[JobView, ...]) -> None:
        super().__init__(replace(demo_view(), jobs=jobs))
        self._store = store

    async def jobs(self, offset: int, limit: int, search: str, order: JobOrder) -> list[JobRow]:
        return await self._store.jobs(offset, limit, search, order)


async def _took(page: JobsPage, act: Callable[[], object]) -> float:
    """Milliseconds from the wish until the first page of rows is painted."""
    came = asyncio.Event()
    page.model.counted.connect(came.set)
    began = time.perf_counter()
    act()
    came.clear()  # what is told at once is the old content
    await came.wait()
    page.table.viewport().repaint()
    took = (time.perf_counter() - began) * 1000
    page.model.counted.disconnect(came.set)
    assert page.model.rows
    return took


def _past(number: int, now: int) -> JobRow:
    """One in fifty expired; what was earned and how long it took is mixed."""
    row = history_row(number, now)
    expired = number % 50 == 49
    return replace(
        row,
        phase=(Phase.EXPIRED if expired else Phase.PAID).value,
        earned=Gwei(number * 7919 % 1_000_003),
        verdict_ms=0 if expired else row.received_ms + number * 104_729 % 60_000,
    )


async def history(window: MainWindow, store: SqliteStore) -> dict[str, float]:
    """Medians of opening, sorting and filtering the jobs page over a history of 100,000."""
    now = int(time.time() * 1000)
    for start in range(0, HISTORY, 2000):
        await asyncio.gather(*(store.put_job(_past(n, now)) for n in range(start, start + 2000)))
    window.attach(Stored(store, ()))
    window.go("jobs")
    page = window.pages["jobs"]
    assert isinstance(page, JobsPage)
    wanted = history_row(HISTORY - 7, now).request_id.hex()

    def leave() -> None:
        window.go("home")
        page.model.started = False

    def sort(order: JobOrder) -> Callable[[], None]:
        def act() -> None:
            page.order.choose(order.value)
            page._search_now()

        return act

    def search(words: str) -> Callable[[], None]:
        def act() -> None:
            page.search.setText(words)
            sort(JobOrder.NEWEST)()

        return act

    cases: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "open": (leave, lambda: window.go("jobs")),
        "sort": (sort(JobOrder.NEWEST), sort(JobOrder.EARNED)),
        "slowest": (sort(JobOrder.NEWEST), sort(JobOrder.SLOWEST)),
        "filter": (search(""), search(Phase.EXPIRED.value)),
        "find": (search(""), search(wanted)),
    }
    found: dict[str, float] = {}
    for name, (before, act) in cases.items():
        times = []
        for _ in range(ROUNDS):
            before()
            await asyncio.sleep(0.2)  # its own answer must not count as the next one's
            times.append(await _took(page, act))
        found[name] = round(sorted(times)[ROUNDS // 2], 1)
    return found


async def load(window: MainWindow, store: SqliteStore) -> dict[str, float]:
    """The loop's lag while gossip comes and rows change, then the memory after many jobs."""
    base = tuple(job(number, Phase.PROVING) for number in range(LIVE))
    turns = [tuple(replace(one, phase=phase) for one in base) for phase in (Phase.PROVING, Phase.VERIFYING)]
    facade = Stored(store, base)
    window.attach(facade)
    window.go("jobs")
    network = LibP2PNetwork(new_key(), DOMAIN, NetworkOptions())
    await network.start(Shelf())
    await network.join(CONSUMER)
    heard = 0
    flowing = asyncio.Event()

    async def listen() -> None:
        nonlocal heard
        async for event in network.events():
            heard += isinstance(event, Received)
            if heard == RATE:
                flowing.set()

    listening = asyncio.create_task(listen())
    gossip = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.window_gossip", network.listen_addresses()[0]
    )
    await flowing.wait()
    gc.collect()
    gc.freeze()
    figures = await lag(facade, turns)
    before, since = heard, time.perf_counter()
    await asyncio.sleep(2)
    figures["heard"] = round((heard - before) / (time.perf_counter() - since))
    gossip.terminate()
    await gossip.wait()
    figures |= await memory(facade, store)
    listening.cancel()
    await network.aclose()
    return figures


async def lag(facade: FakeFacade, turns: list[tuple[JobView, ...]]) -> dict[str, float]:
    """How late the GUI thread's loop is, asked every 2 ms; all live rows change ten times a second."""
    lags = []
    end = time.perf_counter() + LOAD_SECONDS
    tick, next_tick = 0, time.perf_counter()
    while (now := time.perf_counter()) < end:
        if now >= next_tick:
            tick, next_tick = tick + 1, now + TICK
            facade.change(head=tick, jobs=turns[tick % 2])
        asked = time.perf_counter()
        await asyncio.sleep(0.002)
        lags.append((time.perf_counter() - asked - 0.002) * 1000)
    lags.sort()
    return {"p99": round(lags[int(len(lags) * 0.99)], 1), "max": round(lags[-1], 1)}


async def memory(facade: FakeFacade, store: SqliteStore) -> dict[str, float]:
    """Resident memory in MB after 10,000 jobs came, were shown, ended and were kept; after as many more."""
    own = psutil.Process()
    now = int(time.time() * 1000)
    found = {}
    for lap, name in enumerate(("memory", "later")):
        for start in range(0, JOBS, LIVE):
            numbers = range(10**6 + lap * JOBS + start, 10**6 + lap * JOBS + start + LIVE)
            for phase in (Phase.WAITING, Phase.PROVING, Phase.VERIFYING, Phase.PAID):
                facade.change(jobs=tuple(job(n, phase, received_ms=now + n) for n in numbers))
                await asyncio.sleep(TICK)
            ended = (replace(history_row(n, now + n), request_id=hash32(n)) for n in numbers)
            await asyncio.gather(*(store.put_job(row) for row in ended))
        gc.collect()
        found[name] = round(own.memory_info().rss / 1e6, 1)
    return found


CASES: Final[dict[str, Callable[[MainWindow, SqliteStore], Awaitable[dict[str, float]]]]] = {
    "history": history,
    "load": load,
}


async def main(shell: Shell, case: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "node.db")
        await store.open()
        window = MainWindow(shell.theme, "GPN Desktop")
        collector = MainThreadCollector(window)
        shell.hold(window)
        found = await CASES[case](window, store)
        print(json.dumps(found), flush=True)
        await window.tasks.aclose()
        window.finish()
        collector.stop()
        await store.aclose()


if __name__ == "__main__":
    frame = open_shell("dark", report=False)
    frame.theme.app.setQuitOnLastWindowClosed(False)
    sys.setswitchinterval(SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=lambda: qasync.QEventLoop(frame.theme.app)) as runner:
        runner.run(main(frame, sys.argv[1]))
