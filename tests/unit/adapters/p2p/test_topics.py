"""Names on the wire: of a deployment, of testing mode, and of networks that choose their own."""

from __future__ import annotations

from gpn_desktop.adapters.p2p.topics import Kind, Names
from gpn_desktop.core.types import TESTING_DOMAIN, Address, Domain

DOMAIN = Domain(5, Address(bytes(19) + b"\x01"))
CONSUMER = Address(bytes(19) + b"\x02")
CONTRACT_TEXT = "0x" + "00" * 19 + "01"
CONSUMER_TEXT = "0x" + "00" * 19 + "02"


def test_names_follow_from_the_deployment() -> None:
    names = Names(DOMAIN)
    assert names.topic(Kind.VOTES, CONSUMER) == f"/gpn/1/5/{CONTRACT_TEXT}/{CONSUMER_TEXT}/votes"
    assert names.topic(Kind.STATUS, None) == f"/gpn/1/5/{CONTRACT_TEXT}/status"
    assert (names.fetch, names.sync) == ("/gpn/fetch/1", "/gpn/sync/1")


def test_who_is_counted_by_the_requests_hears_the_other_topics_already() -> None:
    names = Names(DOMAIN)
    assert names.topics(CONSUMER)[-1] == names.topic(Kind.REQUESTS, CONSUMER)


def test_testing_mode_meets_no_other_network() -> None:
    names, testing = Names(DOMAIN), Names(TESTING_DOMAIN)
    assert not set(names.topics(CONSUMER)) & set(testing.topics(CONSUMER))
    assert {names.fetch, names.sync}.isdisjoint({testing.fetch, testing.sync})


def test_a_network_may_choose_its_own() -> None:
    names = Names(DOMAIN, "/mine", "/mine/fetch", "/mine/sync")
    topic = names.topic(Kind.REQUESTS, CONSUMER)
    assert topic == f"/mine/5/{CONTRACT_TEXT}/{CONSUMER_TEXT}/requests"
    assert names.served(topic) == CONSUMER
    assert Names(DOMAIN).served(topic) is None
    assert (names.fetch, names.sync) == ("/mine/fetch", "/mine/sync")
