"""Readings as Prometheus writes them, from a registry of our own: nothing that a library counts gets in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gpn_desktop.services.meters import Spread
from gpn_desktop.services.readings import Counted, Readings

Found = Mapping[tuple[str, ...], float]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Exporter(Collector):
    def __init__(self) -> None:
        self._readings = Readings()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)  # of this process: memory, processor time, open files

    def collect(self) -> Iterable[Metric]:
        return families(self._readings)

    def text(self, readings: Readings) -> bytes:
        """In the text format that every Prometheus reads."""
        self._readings = readings
        return generate_latest(self._registry)


def families(now: Readings) -> Iterator[Metric]:
    """Every metric of ours, without samples where there is nothing to tell."""
    yield _info(now)
    yield from _requests(now)
    yield from _votes(now)
    yield from _money(now)
    yield from _network(now)
    yield from _chain(now)
    yield from _work(now)


def _info(now: Readings) -> Metric:
    family = InfoMetricFamily("gpn_node", "Which program this is, and on which network.")
    family.add_metric([], {"version": now.version, "network": now.network, "runtime": now.runtime})
    return family


def _requests(now: Readings) -> Iterator[Metric]:
    yield _counter(
        "gpn_requests_received", "Requests taken in, from clients of this node or from peers.",
        ("from",), now.received,
    )  # fmt: skip
    yield _counter(
        "gpn_requests_refused", "Requests that were not taken in, by the code of the error.",
        ("from", "code"), now.refused,
    )  # fmt: skip
    yield _counter(
        "gpn_requests", "Requests that came to an outcome; one that is paid was verified and settled before.",
        ("outcome",), now.outcomes,
    )  # fmt: skip
    yield _gauge("gpn_requests_open", "Requests in work, by phase.", ("phase",), now.open)
    yield _counter(
        "gpn_attempts", "Turns of provers that were decided, this node's own or others', by how they ended.",
        ("by", "outcome"), now.attempts,
    )  # fmt: skip
    yield _counter(
        "gpn_declines", "Turns that this node declined, by its reason or the code of the error.",
        ("reason",), now.declines,
    )  # fmt: skip
    yield _histogram("gpn_verdict_seconds", "From a request's coming to its verified proof.", now.verdicts)


def _votes(now: Readings) -> Iterator[Metric]:
    yield _counter("gpn_votes", "Votes cast by this node, and received.", ("by", "verdict"), now.votes)
    yield _counter(
        "gpn_votes_refused", "Votes whose author did not show the proof.", (), {(): now.votes_refused}
    )
    yield _counter(
        "gpn_contradictions",
        "Statements by which a member contradicted itself.",
        (),
        {(): now.contradictions},
    )


def _money(now: Readings) -> Iterator[Metric]:
    yield _gauge(
        "gpn_transactions", "The latest 500 transactions of the journal, by state.",
        ("state",), now.transactions,
    )  # fmt: skip
    earned: Found = {(where,): amount for where, amount in now.earned.items()}
    yield _gauge("gpn_earned_gwei", "Earned, by where it is.", ("state",), earned)
    yield _gauge("gpn_fees_gwei", "Paid for gas.", (), {(): now.fees})


def _network(now: Readings) -> Iterator[Metric]:
    yield _gauge("gpn_peers", "Connected peers.", (), {(): now.peers})
    trips: Found = {(quantile,): seconds for quantile, seconds in now.round_trips.items()}
    yield _gauge(
        "gpn_peer_round_trip_seconds", "Of connected peers: the quickest (0), the median, the slowest (1).",
        ("quantile",), trips,
    )  # fmt: skip
    yield _counter("gpn_network_drops", "What peers sent and was dropped, by reason.", ("reason",), now.drops)
    yield _gauge("gpn_bans", "Peers that are banned at present.", (), {(): now.bans})
    yield _counter("gpn_network_restarts", "Restarts of the peer-to-peer host.", (), {(): now.host_restarts})


def _chain(now: Readings) -> Iterator[Metric]:
    up: Found = {} if now.chain_up is None else {(): int(now.chain_up)}
    age: Found = {} if now.chain_head_age is None else {(): now.chain_head_age}
    yield _gauge("gpn_chain_up", "Whether an endpoint answers; absent in testing mode.", (), up)
    yield _gauge("gpn_chain_head", "Number of the latest block.", (), {(): now.chain_head} if up else {})
    yield _gauge("gpn_chain_head_age_seconds", "Since the time of the latest block.", (), age)


def _work(now: Readings) -> Iterator[Metric]:
    yield _histogram("gpn_prove_seconds", "This node's proofs, in the container.", now.proving)
    yield _histogram("gpn_verify_seconds", "This node's checks of proofs, in the container.", now.verifying)
    yield _counter(
        "gpn_prover_faults", "Proofs and checks that failed on this node, by the code of the error.",
        ("role", "code"), now.faults,
    )  # fmt: skip
    yield _gauge("gpn_proofs_in_work", "Proofs being made.", (), {(): now.proofs_in_work})
    yield _gauge("gpn_capacity", "Proofs that can be made at a time.", (), {(): now.capacity})
    yield _gauge("gpn_paused", "Whether the node takes no turns.", (), {(): int(now.paused)})
    yield _gauge("gpn_workers", "Connected machines of this operator's cluster.", (), {(): now.workers})
    yield _gauge("gpn_alerts", "What the operator has to see, 20 at most.", (), {(): now.alerts})
    yield _gauge("gpn_store_bytes", "The journal and the blobs on the disk.", (), {(): now.store_bytes})


def _counter(name: str, about: str, labels: tuple[str, ...], counted: Counted) -> Metric:
    family = CounterMetricFamily(name, about, labels=labels)
    for key, number in counted.items():
        family.add_metric(key, number)
    return family


def _gauge(name: str, about: str, labels: tuple[str, ...], found: Found) -> Metric:
    family = GaugeMetricFamily(name, about, labels=labels)
    for key, value in found.items():
        family.add_metric(key, value)
    return family


def _histogram(name: str, about: str, spread: Spread) -> Metric:
    family = HistogramMetricFamily(name, about)
    bounds = [*(f"{bound:g}" for bound in spread.bounds), "+Inf"]
    family.add_metric([], list(zip(bounds, accumulate(spread.counts), strict=True)), spread.total)
    return family
