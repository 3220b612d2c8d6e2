"""Who may come in, by the host that a connection comes from: keys cost nothing, IP addresses do.

Before a peer has said who it is there is nothing else to go by. Hosts behind one address translation share
their address, so the limits are wide enough for a small company's nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Final

from gpn_desktop.adapters.p2p.options import Limits
from gpn_desktop.adapters.p2p.standing import Buckets
from gpn_desktop.adapters.p2p.tally import Drop, Tally

Remote = tuple[str, int]  # IP address and port
SITE_BYTES: Final = 8  # of an IPv6 address; whoever has one has the whole /64


class Doors:
    """Inbound connections of one node, by their remote ends."""

    def __init__(self, limits: Limits, tally: Tally) -> None:
        self._limits, self._tally = limits, tally
        self._rate = Buckets(limits.host_rate, limits.host_burst)
        self._inside: Counter[bytes] = Counter()
        self._pending: dict[Remote, Callable[[], None]] = {}  # the longest waiting first

    def enter(self, remote: Remote, show_out: Callable[[], None]) -> bool:
        """Whether a connection may go on; ``leave`` when it ends. ``show_out`` ends one that dawdles."""
        host = host_of(remote)
        if self._inside[host] >= self._limits.per_host or not self._rate.take(host):
            self._inside += Counter()  # forgets the zeros
            self._tally.add(Drop.CONNECTIONS)
            return False
        self._inside[host] += 1
        self._pending[remote] = show_out
        if len(self._pending) > self._limits.pending:
            self._make_room()
        return True

    def settled(self, remote: Remote) -> None:
        """The other side has said who it is, and is welcome."""
        self._pending.pop(remote, None)

    def leave(self, remote: Remote) -> None:
        self._pending.pop(remote, None)
        host = host_of(remote)
        self._inside[host] -= 1
        if self._inside[host] <= 0:
            del self._inside[host]

    def _make_room(self) -> None:
        """The oldest of the host with the most pending ones goes, so that newcomers are not kept out."""
        crowd = Counter(host_of(remote) for remote in self._pending)
        worst = crowd.most_common(1)[0][0]
        oldest = next(remote for remote in self._pending if host_of(remote) == worst)
        self._tally.add(Drop.CONNECTIONS)
        self._pending.pop(oldest)()


def host_of(remote: Remote) -> bytes:
    """What counts as one host: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        address = ip_address(remote[0].partition("%")[0])
    except ValueError:
        return b""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped.packed if address.ipv4_mapped else address.packed[:SITE_BYTES]
    return address.packed
