"""The load: requests at a steady rate through two gateways, each followed to its settlement."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from gpn_desktop.adapters.grpc.client import ProvingClient
from gpn_desktop.composition import demo
from gpn_desktop.core.errors import AnchorUnknown, GatewayUnreachable, GpnError, RateLimited
from gpn_desktop.ports.processes import NodeSpec
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.demo.stage import Stage
from gpn_desktop.services.views import Phase
from tests.soak.samples import HEAD, Growth, Sample, growth, take

SAMPLE_EVERY: Final = 5.0  # seconds
REWARD: Final = 120_000  # gwei: two hours of them fit into the consumer's deposit
TURN_SECONDS: Final = 30
IN_FLIGHT: Final = 60  # half of a consumer's nonces
SETTLE_BATCH: Final = 10
SETTLE_AGE: Final = 5
END_SECONDS: Final = 120.0  # for the last ones to settle
RETRY_AFTER: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 16.0)  # seconds; one given up holds up all later ones
SETTLED: Final = (Phase.SETTLED, Phase.PAID)
REFUSED_FOR_NOW: Final = (
    RateLimited,
    AnchorUnknown,
)  # the gateway has too much to do, or is behind the chain

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """``seconds`` of load at ``rate`` requests a second."""

    seconds: float
    rate: float
    nodes: int = 5
    csv: Path | None = None


@dataclass
class Report:
    """Latencies are from sending to the verdict, in milliseconds: the first and the last quarter's."""

    wanted_rate: float
    rate: float = 0.0
    minutes: float = 0.0
    sent: int = 0
    verified: int = 0
    settled: int = 0
    held_back: int = 0  # times that a request waited since too many were under way
    asked_to_wait: int = 0  # times that a gateway had too much to do, or did not answer in time
    failures: dict[str, int] = field(default_factory=dict)
    p50_ms: tuple[float, float] = (0.0, 0.0)
    p95_ms: tuple[float, float] = (0.0, 0.0)
    nodes: list[Growth] = field(default_factory=list)
    lost_nodes: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Nothing got lost."""
        return self.sent > 0 and self.settled == self.sent and not self.lost_nodes and not self.failures

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    def text(self) -> str:
        lines = [
            f"{self.sent} requests in {self.minutes:.1f} min, {self.rate:.2f}/s of {self.wanted_rate:g}/s",
            f"{self.verified} verified, {self.settled} settled, failures {self.failures or 'none'}",
            f"verdict p50 {self.p50_ms[0]:.0f} -> {self.p50_ms[1]:.0f} ms, "
            f"p95 {self.p95_ms[0]:.0f} -> {self.p95_ms[1]:.0f} ms",
        ]
        lines += [
            f"{n.node}: {n.rss_mb[0]} -> {n.rss_mb[1]} MB "
            f"({n.percent:+.2f} %, {n.percent_an_hour:+.2f} %/h), "
            f"files {n.files[0]} -> {n.files[1]}, threads {n.threads[0]} -> {n.threads[1]}, "
            f"store {n.store_mb} MB"
            for n in self.nodes
        ]
        return "\n".join(lines)


class _Stage(Stage):
    def make_spec(self, number: int) -> NodeSpec:
        return replace(super().make_spec(number), settle_batch=SETTLE_BATCH, settle_age=SETTLE_AGE)


async def soak(wanted: Wanted, stop: asyncio.Event, say: Say = lambda _: None) -> Report:
    """Everything that it starts it ends, whatever happens."""
    args = demo.DemoArgs(wanted.nodes, 1, cheat=0, crash=False, builtin=True, keep=False)
    with tempfile.TemporaryDirectory(prefix="gpn-soak-") as name:
        made = demo.make_stage(args, demo.process_launcher(), [replace(demo.BUILTIN, delay=0.0)], Path(name))
        stage = _Stage(**{f: getattr(made, f) for f in ("options", "images", "localnet", "crew", "chain_of",
                                                        "gateway_to", "say")})  # fmt: skip
        try:
            await stage.build()
            return await _Load(wanted, stage, Path(name), stop, say).run()
        finally:
            await stage.aclose()


class _Load:
    def __init__(self, wanted: Wanted, stage: Stage, folder: Path, stop: asyncio.Event, say: Say) -> None:
        self._wanted, self._stage, self._folder, self._stop, self._say = wanted, stage, folder, stop, say
        self._report = Report(wanted.rate)
        self._samples: list[Sample] = []
        self._times: list[float] = []
        self._failures: Counter[str] = Counter()
        self._places = asyncio.Semaphore(IN_FLIGHT)
        self._began = time.monotonic()
        self._gateways = [ProvingClient(operator.grpc) for operator in stage.operators[:2]]

    async def run(self) -> Report:
        sampling = asyncio.create_task(self._sample())
        try:
            await self._send_all()
        finally:
            sampling.cancel()
            for gateway in self._gateways:
                await gateway.aclose()
        return self._summed_up()

    async def _send_all(self) -> None:
        running: set[asyncio.Task[None]] = set()
        number = 0
        self._began = time.monotonic()
        while not self._stop.is_set() and time.monotonic() - self._began < self._wanted.seconds:
            self._stage.crew.told.clear()  # nobody reads what the nodes told; it is this program's own memory
            self._report.held_back += self._places.locked()
            await self._places.acquire()
            task = asyncio.create_task(self._request(number))
            running.add(task)
            task.add_done_callback(running.discard)
            number += 1
            await self._until(self._began + number / self._wanted.rate)
        self._report.minutes = (time.monotonic() - self._began) / 60
        if running:
            await asyncio.wait(running, timeout=END_SECONDS)
        for task in list(running):
            task.cancel()
            self._failures["never settled"] += 1

    async def _until(self, due: float) -> None:
        """The next request's time, or the end of the load."""
        left = due - time.monotonic()
        if left > 0:
            try:
                async with asyncio.timeout(left):
                    await self._stop.wait()
            except TimeoutError:
                return

    async def _request(self, number: int) -> None:
        try:
            order = await self._stage.consumers[0].order(f"request-{number}", REWARD, TURN_SECONDS)
            gateway = self._gateways[number % len(self._gateways)]
            began = time.perf_counter()
            await self._submit(gateway, order)
            self._report.sent += 1
            await self._follow(gateway, order, began)
        except GpnError as error:
            self._failures[error.code] += 1
            self._say(f"request {number}: {error}")
        finally:
            self._places.release()

    async def _follow(self, gateway: ProvingClient, order: Order, began: float) -> None:
        """To its settlement; a gateway that does not answer in time is asked again."""
        verified = False
        while True:
            try:
                async for view in gateway.watch(order.id):
                    if not verified and view.phase in (Phase.VERIFIED, *SETTLED):
                        verified = True
                        self._report.verified += 1
                        self._times.append((time.perf_counter() - began) * 1000)
                    if view.phase in SETTLED:
                        self._report.settled += 1
                        return
                self._failures["ended otherwise"] += 1
                return
            except GatewayUnreachable:
                self._report.asked_to_wait += 1
                await asyncio.sleep(RETRY_AFTER[0])

    async def _submit(self, gateway: ProvingClient, order: Order) -> None:
        """A gateway that asks for patience gets it: the same order again is the same request.

        One that is given up frees its nonce, if no gateway can have taken it.
        """
        taken = False
        for pause in (*RETRY_AFTER, 0.0):
            try:
                await gateway.submit(order.signed.message, order.signed.signature, order.payload)
                return
            except (*REFUSED_FOR_NOW, GatewayUnreachable) as error:
                taken |= isinstance(error, GatewayUnreachable)
                if not pause and not taken:
                    await self._stage.consumers[0].discard(order)
                if not pause:
                    raise
                self._report.asked_to_wait += 1
                await asyncio.sleep(pause)

    async def _sample(self) -> None:
        if self._wanted.csv is not None:
            await asyncio.to_thread(self._wanted.csv.write_text, HEAD + "\n")
        while True:
            await asyncio.sleep(SAMPLE_EVERY)
            at = time.monotonic() - self._began
            taken = await asyncio.to_thread(take, at, self._folder)
            self._samples += taken
            if self._wanted.csv is not None:
                await asyncio.to_thread(self._append, taken)
            memory = " ".join(f"{s.rss / 1e6:.0f}" for s in taken)
            report = self._report
            self._say(f"{at:.0f} s: {report.sent} sent, {report.settled} settled, {memory} MB")

    def _append(self, taken: list[Sample]) -> None:
        assert self._wanted.csv is not None
        with self._wanted.csv.open("a") as file:
            file.writelines(sample.row() + "\n" for sample in taken)

    def _summed_up(self) -> Report:
        report, times = self._report, self._times
        report.rate = round(report.sent / max(report.minutes * 60, 1), 3)
        report.failures = dict(self._failures)
        report.nodes = growth(self._samples)
        report.lost_nodes = list(self._stage.crew.lost)
        quarter = max(1, len(times) // 4)
        if times:
            ends = times[:quarter], times[-quarter:]
            report.p50_ms = (statistics.median(ends[0]), statistics.median(ends[1]))
            report.p95_ms = (_p95(ends[0]), _p95(ends[1]))
        return report


def _p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]
