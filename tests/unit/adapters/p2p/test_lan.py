from __future__ import annotations

import pytest

from gpn_desktop.adapters.p2p.identity import peer_of_secret
from gpn_desktop.adapters.p2p.lan import claimed, service_of
from gpn_desktop.adapters.p2p.topics import Names
from gpn_desktop.core.types import TESTING_DOMAIN, Address, Domain

PEER = peer_of_secret((2).to_bytes(32, "big"))
HERE = f"/ip4/192.168.1.7/tcp/4410/p2p/{PEER}"


def test_every_network_has_a_service_of_its_own() -> None:
    names = {service_of(Names(domain).base) for domain in (Domain(5, Address(bytes(20))), TESTING_DOMAIN)}
    assert len(names) == 2
    assert all(len(name.split(".")[0]) <= 16 for name in names)  # 15 characters behind the underscore


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        (HERE.encode(), [HERE]),
        (f"/ip6/fd00::7/tcp/4410/p2p/{PEER}".encode(), [f"/ip6/fd00::7/tcp/4410/p2p/{PEER}"]),
        (f"/ip4/8.8.8.8/tcp/4410/p2p/{PEER}".encode(), []),  # a local network has no such host
        (f"/dns4/example.org/tcp/4410/p2p/{PEER}".encode(), []),
        (b"/ip4/192.168.1.7/tcp/4410", []),
        (b"\xff\xfe\x00", []),
        (None, []),
    ],
)
def test_only_addresses_of_a_local_network_are_taken(text: bytes | None, taken: list[str]) -> None:
    assert list(claimed({b"dnsaddr": text})) == taken


def test_a_record_is_read_up_to_its_fourth_address() -> None:
    record = {f"dnsaddr{n}".encode(): f"/ip4/10.0.0.{n}/tcp/1/p2p/{PEER}".encode() for n in range(9)}
    assert len(list(claimed({b"other": b"x", **record}))) == 4
