"""Readings as Prometheus reads them, and a dashboard and alerts that ask for nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import yaml
from prometheus_client.parser import text_string_to_metric_families

from gpn_desktop.adapters.metrics.exporter import Exporter, families
from gpn_desktop.resources import RESOURCES
from gpn_desktop.services.meters import SHORT, Durations
from gpn_desktop.services.readings import Readings

NAME = re.compile(r"\b(gpn_[a-z_]+)")
SUFFIXES = ("_total", "_bucket", "_sum", "_count")
NOT_SHOWN = {"gpn_node"}  # what the node is, as labels


def samples(readings: Readings) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = Exporter().text(readings).decode()
    return {
        (s.name, frozenset(s.labels.items())): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def known() -> set[str]:
    return {family.name for family in families(Readings())}


def base(name: str) -> str:
    """The metric behind the name of one of its series."""
    ending = next((s for s in SUFFIXES if name.endswith(s) and name.removesuffix(s) in known()), "")
    return name.removesuffix(ending)


def test_every_reading_comes_out_as_it_went_in() -> None:
    spread = Durations(SHORT)
    for seconds in (0.01, 0.2, 99.0):
        spread.add(seconds)
    found = samples(
        Readings(
            outcomes={("paid",): 3},
            votes={("own", "valid"): 7},
            drops={("flood",): 5},
            verifying=spread.spread,
            chain_up=False,
            chain_head=42,
            chain_head_age=1.5,
            earned={"claimable": 123_456.0},
        )
    )
    assert found["gpn_requests_total", frozenset({("outcome", "paid")})] == 3
    assert found["gpn_votes_total", frozenset({("by", "own"), ("verdict", "valid")})] == 7
    assert found["gpn_network_drops_total", frozenset({("reason", "flood")})] == 5
    assert found["gpn_verify_seconds_bucket", frozenset({("le", "0.25")})] == 2
    assert found["gpn_verify_seconds_bucket", frozenset({("le", "+Inf")})] == 3
    assert found["gpn_verify_seconds_count", frozenset()] == 3
    assert found["gpn_chain_up", frozenset()] == 0
    assert found["gpn_chain_head_age_seconds", frozenset()] == 1.5
    assert found["gpn_earned_gwei", frozenset({("state", "claimable")})] == 123_456


def test_a_node_without_a_chain_tells_nothing_of_one() -> None:
    names = {name for name, _ in samples(replace(Readings(), chain_up=None))}
    assert not {"gpn_chain_up", "gpn_chain_head", "gpn_chain_head_age_seconds"} & names


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    dashboard = json.loads((RESOURCES / "grafana" / "gpn-desktop.json").read_text())
    asked = {
        base(name)
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
        for name in NAME.findall(target["expr"])
    }
    assert asked <= known()
    assert known() - asked - NOT_SHOWN == set()
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_the_alerts_ask_for_metrics_that_exist() -> None:
    rules = yaml.safe_load((RESOURCES / "grafana" / "alerts.yml").read_text())["groups"][0]["rules"]
    assert len(rules) >= 8
    for rule in rules:
        assert {base(name) for name in NAME.findall(rule["expr"])} <= known(), rule["alert"]
        assert rule["annotations"]["summary"]
