"""Where peers listen: the addresses a node dials, kept between runs, so that one contact is enough."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from libp2p.peer.id import ID
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from gpn_desktop.adapters.p2p.identity import address_of_peer

MAX_ENTRIES: Final = 256
MAX_ADDRESSES: Final = 4  # of one peer
MAX_TEXT: Final = 256
MAX_AT_PLACE: Final = 4  # peers said to be at one host and port
MAX_AT_HOST: Final = 64
PATIENCE: Final = 5  # failed dials of a peer that is only known by hearsay


@dataclass(slots=True)
class Entry:
    """One peer's addresses, the one that worked or was learnt last at the end.

    ``kept`` entries were configured. ``hearsay`` is what others tell, until it turns out to be true.
    """

    addresses: list[str] = field(default_factory=list)
    failures: int = 0
    kept: bool = False
    hearsay: bool = False


def split(address: str) -> tuple[ID, Multiaddr]:
    """Peer id and address without it; ValueError unless it is dialable TCP that ends with a node's id."""
    if len(address) > MAX_TEXT:
        raise ValueError("the multiaddress is too long")
    try:
        whole = Multiaddr(address)
        names = [protocol.name for protocol in whole.protocols()]
        raw = whole.value_for_protocol("p2p")
    except Exception as error:  # multiaddr raises a dozen kinds, LookupError and its own among them
        raise ValueError(f"not a multiaddress with a peer id: {error}") from error
    if names not in (
        ["ip4", "tcp", "p2p"],
        ["ip6", "tcp", "p2p"],
        ["dns4", "tcp", "p2p"],
        ["dns", "tcp", "p2p"],
    ):
        raise ValueError(f"not a TCP address with a peer id: {'/'.join(names)}")
    peer = ID.from_base58(str(raw))
    address_of_peer(peer.to_bytes())
    return peer, whole.decapsulate_code(421)


def plausible(address: str, remote: str) -> bool:
    """Whether somebody at ``remote``, an IP address, can know this address.

    A host that only a network of its own can reach is of use to the neighbours in it, one that only its
    machine can reach to nobody else. Otherwise strangers could have this node dial around in its own network.
    """
    try:
        where = split(address)[1]
        teller = ip_address(remote.partition("%")[0])
    except ValueError:
        return False
    family = where.protocols()[0].name
    if family not in ("ip4", "ip6"):
        return True  # a name; whoever resolves it decides
    told = ip_address(str(where.value_for_protocol(family)))
    if told.is_loopback:
        return teller.is_loopback
    return told.is_global or not teller.is_global


def seen_from(address: str, remote: str | None) -> str:
    """An address that a peer claims, completed with the host its connection comes from.

    A host that only means something on the peer's own machine is replaced; any other is left as it is.
    """
    peer, where = split(address)
    family, host = str(where).split("/")[1:3]
    if not family.startswith("ip") or remote is None:
        return address
    claimed, observed = ip_address(host), ip_address(remote.partition("%")[0])
    local = claimed.is_unspecified or (claimed.is_loopback and not observed.is_loopback)
    if not local or observed.version != claimed.version:
        return address
    return f"/{family}/{observed}/tcp/{where.value_for_protocol('tcp')}/p2p/{peer}"


class AddressBook:
    def __init__(self, path: Path | None, me: ID) -> None:
        self._path, self._me = path, me
        self.entries: dict[ID, Entry] = {}
        self._dirty = False

    def load(self) -> None:
        """Read what an earlier run kept; a damaged file is as good as none."""
        if self._path is None:
            return
        try:
            known = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return
        if isinstance(known, list):
            for address in known[: MAX_ENTRIES * MAX_ADDRESSES]:
                if isinstance(address, str):
                    self.learn(address)
        self._dirty = False

    def save(self) -> None:
        """Write the book if it changed, so that a crash leaves the old one or the new one."""
        if self._path is None or not self._dirty:
            return
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(self.addresses()))
        os.replace(draft, self._path)  # noqa: PTH105 - atomic on every system
        self._dirty = False

    def learn(self, address: str, *, kept: bool = False, hearsay: bool = False) -> ID | None:
        """Add an address; None when it is no use (malformed, this node's own, or one crowd too many)."""
        try:
            peer, where = split(address)
        except ValueError:
            return None
        if peer == self._me:
            return None
        entry = self.entries.get(peer)
        text = str(where)
        if hearsay and (entry is None or text not in entry.addresses) and self._crowded(text):
            return None
        if entry is None:
            if len(self.entries) >= MAX_ENTRIES and not self._make_room():
                return None
            entry = self.entries[peer] = Entry(hearsay=hearsay)
        entry.kept |= kept
        if text not in entry.addresses:
            entry.addresses = [*entry.addresses, text][-MAX_ADDRESSES:]
            self._dirty = True
        return peer

    def worked(self, peer: ID, where: str) -> None:
        """An address led to the peer: it is tried first the next time, and is the last to be pushed out."""
        entry = self.entries.get(peer)
        if entry is not None and where in entry.addresses[:-1]:
            entry.addresses.remove(where)
            entry.addresses.append(where)
            self._dirty = True

    def _crowded(self, text: str) -> bool:
        """Whether enough peers are said to be there: a liar could have somebody dialled by everyone."""
        host = text.rpartition("/tcp/")[0] + "/tcp/"
        rumours = (entry for entry in self.entries.values() if entry.hearsay)
        there = [a for entry in rumours for a in entry.addresses if a.startswith(host)]
        return there.count(text) >= MAX_AT_PLACE or len(there) >= MAX_AT_HOST

    def reached(self, peer: ID, success: bool) -> None:
        """What came of a dial."""
        entry = self.entries.get(peer)
        if entry is None:
            return
        entry.failures = 0 if success else entry.failures + 1
        entry.hearsay &= not success
        if entry.hearsay and not entry.kept and entry.failures >= PATIENCE:
            del self.entries[peer]

    def _make_room(self) -> bool:
        candidates = [(e.failures, p) for p, e in self.entries.items() if not e.kept and e.failures]
        if not candidates:
            return False
        del self.entries[max(candidates, key=lambda pair: pair[0])[1]]
        return True

    def addresses(self, of: Iterable[ID] | None = None) -> list[str]:
        """Multiaddresses with peer ids, of the given peers or of all."""
        peers = self.entries if of is None else [p for p in of if p in self.entries]
        return [f"{where}/p2p/{peer}" for peer in peers for where in self.entries[peer].addresses]
