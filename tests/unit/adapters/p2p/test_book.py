from __future__ import annotations

from pathlib import Path

import pytest

from gpn_desktop.adapters.p2p.book import MAX_ADDRESSES, MAX_ENTRIES, AddressBook, seen_from, split
from gpn_desktop.adapters.p2p.identity import peer_of_secret


def peer(number: int) -> str:
    return str(peer_of_secret(number.to_bytes(32, "big")))


ME = peer_of_secret((1).to_bytes(32, "big"))


def test_an_address_is_split_into_peer_and_place() -> None:
    who, where = split(f"/dns4/node.example/tcp/4001/p2p/{peer(2)}")
    assert str(who) == peer(2)
    assert str(where) == "/dns4/node.example/tcp/4001"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/ip4/127.0.0.1/tcp/1",
        f"/ip4/127.0.0.1/udp/1/p2p/{peer(2)}",
        f"/ip4/127.0.0.1/tcp/70000/p2p/{peer(2)}",
        f"/ip4/300.0.0.1/tcp/1/p2p/{peer(2)}",
        "/ip4/127.0.0.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        f"/ip4/127.0.0.1/tcp/1/p2p/{peer(2)}/p2p-circuit",
        f"/dns4/{'x' * 300}/tcp/1/p2p/{peer(2)}",
    ],
)
def test_what_cannot_be_dialled_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"address|key|peer"):
        split(address)
    assert AddressBook(None, ME).learn(address) is None


@pytest.mark.parametrize(
    ("claimed", "remote", "result"),
    [
        ("0.0.0.0", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("198.51.100.1", "203.0.113.7", "198.51.100.1"),
        ("0.0.0.0", None, "0.0.0.0"),
        ("0.0.0.0", "::1", "0.0.0.0"),
        ("::", "2001:db8::7", "2001:db8::7"),
        ("::1", "fe80::7%eth0", "fe80::7"),
        ("::", "203.0.113.7", "::"),
    ],
)
def test_a_place_that_means_nothing_here_is_where_the_peer_comes_from(
    claimed: str, remote: str | None, result: str
) -> None:
    family = "ip6" if ":" in claimed else "ip4"
    address = f"/{family}/{claimed}/tcp/4001/p2p/{peer(2)}"
    assert seen_from(address, remote) == f"/{family}/{result}/tcp/4001/p2p/{peer(2)}"


def test_the_book_is_kept_between_runs(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    book = AddressBook(path, ME)
    book.learn(f"/ip4/127.0.0.1/tcp/1/p2p/{peer(2)}")
    book.learn(f"/ip4/127.0.0.1/tcp/2/p2p/{peer(2)}")
    book.learn(f"/ip4/127.0.0.1/tcp/3/p2p/{ME}")
    book.save()
    again = AddressBook(path, ME)
    again.load()
    assert again.addresses() == book.addresses()
    assert len(again.addresses()) == 2


def test_the_address_that_worked_is_kept_longest(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    book = AddressBook(path, ME)
    places = [f"/ip4/10.0.0.{number}/tcp/1" for number in range(1, 8)]
    for where in places[:4]:
        book.learn(f"{where}/p2p/{peer(2)}")
    who, _ = split(f"{places[0]}/p2p/{peer(2)}")
    book.worked(who, places[0])
    for where in places[4:]:
        book.learn(f"{where}/p2p/{peer(2)}")
    assert book.entries[who].addresses == [places[0], *places[4:]]
    book.save()
    again = AddressBook(path, ME)
    again.load()
    assert again.entries[who].addresses == book.entries[who].addresses


@pytest.mark.parametrize("content", ["", "{", '{"a": 1}', "[1, null]", '["nonsense"]'])
def test_a_damaged_book_is_an_empty_one(tmp_path: Path, content: str) -> None:
    path = tmp_path / "peers.json"
    path.write_text(content)
    book = AddressBook(path, ME)
    book.load()
    assert book.addresses() == []


def test_the_book_is_bounded_and_prefers_peers_that_answer() -> None:
    book = AddressBook(None, ME)
    for number in range(2, MAX_ENTRIES + 2):
        assert book.learn(f"/ip4/127.0.0.1/tcp/1/p2p/{peer(number)}", kept=number == 2)
    new = f"/ip4/127.0.0.1/tcp/1/p2p/{peer(999)}"
    assert book.learn(new) is None
    for number in (2, 7, 9):
        who, _ = split(f"/ip4/127.0.0.1/tcp/1/p2p/{peer(number)}")
        book.entries[who].failures = number
    assert book.learn(new) is not None
    left = {str(who) for who in book.entries}
    assert peer(9) not in left
    assert {peer(2), peer(7)} <= left
    for port in range(2, 20):
        book.learn(f"/ip4/127.0.0.1/tcp/{port}/p2p/{peer(999)}")
    assert len(book.addresses([split(new)[0]])) == MAX_ADDRESSES
