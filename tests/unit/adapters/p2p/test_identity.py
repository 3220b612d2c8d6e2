from __future__ import annotations

import pytest
from libp2p.crypto.ed25519 import create_new_key_pair as new_ed25519
from libp2p.crypto.secp256k1 import create_new_key_pair
from libp2p.peer.id import ID

from gpn_desktop.adapters.p2p.identity import PREFIX, ForeignKey, Roster, address_of_peer, peer_of_secret
from gpn_desktop.core.eip712 import address_of_secret

SECRET = (42).to_bytes(32, "big")


def test_the_peer_id_is_the_librarys_own() -> None:
    assert peer_of_secret(SECRET) == ID.from_pubkey(create_new_key_pair(SECRET).public_key)


def test_a_peer_id_and_an_address_name_one_key() -> None:
    peer, roster = peer_of_secret(SECRET), Roster()
    assert address_of_peer(peer.to_bytes()) == address_of_secret(SECRET)
    assert roster.peer(address_of_secret(SECRET)) is None
    assert roster.address(peer) == address_of_secret(SECRET)
    assert roster.peer(address_of_secret(SECRET)) == peer


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        ID.from_pubkey(new_ed25519().public_key).to_bytes(),
        PREFIX + b"\x02" + b"\xff" * 32,
        PREFIX + b"\x05" + b"\x01" * 32,
        peer_of_secret(SECRET).to_bytes() + b"\x00",
    ],
    ids=["nothing", "another kind of key", "no point of the curve", "no form of a key", "one byte too many"],
)
def test_other_keys_are_refused(raw: bytes) -> None:
    with pytest.raises(ForeignKey):
        address_of_peer(raw)


def test_the_roster_is_bounded() -> None:
    roster = Roster()
    for number in range(1, 4200):
        roster.address(peer_of_secret(number.to_bytes(32, "big")))
    assert roster.peer(address_of_secret((1).to_bytes(32, "big"))) is None
    assert roster.peer(address_of_secret((4199).to_bytes(32, "big"))) is not None
