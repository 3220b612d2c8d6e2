"""Peers on the same local network, by multicast DNS. Off unless wanted: it tells everybody there whose node
this machine runs.

zeroconf is used directly. What libp2p 0.8.1 puts around it changes the host's peer store from zeroconf's
threads without a lock; sleeps in its callbacks for up to 18 s for each name that somebody announces and does
not answer for; keeps every name that it ever heard; lets any machine empty the addresses of any peer by
naming it; and speaks on all interfaces, under a name that every libp2p program there answers to.

What is heard is a claim like any other address: it goes into the book, is dialled, and the peer has to prove
who it is.
"""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

import trio
from zeroconf import Error, IPVersion, ServiceInfo, ServiceListener, Zeroconf

from gpn_desktop.adapters.p2p import book
from gpn_desktop.adapters.p2p.standing import Buckets
from gpn_desktop.core.eip712 import keccak

log = logging.getLogger("gpn.p2p")

KEY: Final = b"dnsaddr"  # as libp2p's specification has it
MAX_CLAIMED: Final = 4  # addresses of one node
RATE: Final = 0.5  # addresses per second that are taken up, once the burst is over
BURST: Final = 128.0


def service_of(network: str) -> str:
    """The service's name for a network, so that nodes of others are not even heard; at most 15 characters."""
    return f"_gpn-{keccak(network.encode()).hex()[:8]}._tcp.local."


def claimed(properties: Mapping[bytes, bytes | None]) -> Iterator[str]:
    """The addresses in a record that can be meant: dialable, and of a local network."""
    texts = [value for key, value in properties.items() if key.startswith(KEY) and value is not None]
    for text in texts[:MAX_CLAIMED]:
        address = text.decode("ascii", "replace")
        with suppress(ValueError):
            _, where = book.split(address)
            if ip_address(str(where).split("/")[2]).is_private:
                yield address


async def run(network: str, own: Sequence[str], found: Callable[[str], None]) -> None:
    """Announce the own addresses, and tell of others' by ``found``, until cancelled.

    Where multicast is not to be had, a warning is all that comes of it.
    """
    token = trio.lowlevel.current_trio_token()
    taken = Buckets(RATE, BURST)

    def heard(info: ServiceInfo) -> None:
        """On a thread of zeroconf's."""
        for address in claimed(info.properties):
            if address not in own and taken.take(KEY):
                with suppress(trio.RunFinishedError):
                    token.run_sync_soon(found, address)

    try:
        speaker = await trio.to_thread.run_sync(_open, service_of(network), own, heard)
    except (OSError, Error) as error:
        log.warning("peers on the local network are not looked for: %s", error or type(error).__name__)
        return
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(speaker.close)  # a goodbye, and its threads: a quarter of a second


class _Ear(ServiceListener):
    """Called on a thread of zeroconf's."""

    def __init__(self, heard: Callable[[ServiceInfo], None]) -> None:
        self._heard = heard

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        info = ServiceInfo(type_, name)
        # Whoever announces a name sends the record behind it along: nothing is asked, nothing waited for.
        if info.load_from_cache(zc):
            self._heard(info)

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.add_service(zc, type_, name)

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        """Anybody can say that of anybody; the dialer finds out."""


def _open(service: str, own: Sequence[str], heard: Callable[[ServiceInfo], None]) -> Zeroconf:
    """Speaks and listens on the interface of the own address only. The name is random: none conflict."""
    places = [where for where in (book.split(address)[1] for address in own) if "/ip4/" in str(where)]
    hosts = [str(where.value_for_protocol("ip4")) for where in places]
    if not hosts:
        raise OSError("this node listens by IPv6 alone")
    speaker = Zeroconf(interfaces=hosts, ip_version=IPVersion.V4Only)
    try:
        name = secrets.token_hex(8)
        speaker.register_service(
            ServiceInfo(
                service,
                f"{name}.{service}",
                addresses=[socket.inet_aton(host) for host in hosts],
                port=int(places[0].value_for_protocol("tcp")),
                properties={KEY.decode() + (str(n) if n else ""): address for n, address in enumerate(own)},
                server=f"{name}.local.",
            )
        )
        speaker.add_service_listener(service, _Ear(heard))
    except BaseException:
        speaker.close()
        raise
    return speaker
