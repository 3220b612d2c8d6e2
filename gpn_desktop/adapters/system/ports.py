"""Whether this node could listen at an address, and which addresses the machine has. Asks nobody outside."""

from __future__ import annotations

import errno
import socket
import sys
from ipaddress import ip_address

import psutil  # type: ignore[import-untyped]

from gpn_desktop.core.reach import PortState


def port_state(host: str, port: int) -> PortState:
    """By listening there for an instant, as the node would. Blocks for no longer than a name takes."""
    if port == 0:
        return PortState.ANY
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as listening:
            if sys.platform != "win32":  # there it would let two programs have the same port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(1)
    except OSError as error:
        denied = error.errno in (errno.EACCES, errno.EPERM)
        return PortState.REFUSED if denied else PortState.TAKEN
    return PortState.FREE


def addresses() -> tuple[str, ...]:
    """This machine's own addresses that are worth telling others: none of its loopback or links."""
    found = []
    for interface in psutil.net_if_addrs().values():
        for entry in interface:
            if entry.family not in (socket.AF_INET, socket.AF_INET6):
                continue
            text = str(entry.address).partition("%")[0]
            try:
                address = ip_address(text)
            except ValueError:
                continue
            if not (address.is_loopback or address.is_link_local):
                found.append(text)
    return tuple(found)
