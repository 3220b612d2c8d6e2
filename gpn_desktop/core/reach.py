"""The doctor's rules for what is outside of this machine: time, ports, the chain and its contract. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import Final

from gpn_desktop.core.health import Finding, Level, age, undecided
from gpn_desktop.core.said import joined, said

# Turns are counted in seconds of the chain's time: a clock that is off answers too early or too late.
SKEW_WARN: Final = 2.0
SKEW_BAD: Final = 10.0
# Blocks of the slower chains come every 12 s; a minute without one is a node that has fallen behind.
HEAD_WARN: Final = 60.0
HEAD_BAD: Final = 300.0
SHARED: Final = IPv4Network("100.64.0.0/10")  # of providers, for customers behind one public address


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One configured chain node, named without its access key; ``error`` if it did not answer."""

    name: str
    chain_id: int = 0
    head: int = 0
    age: float = 0.0  # seconds since its newest block, by this machine's clock
    error: str = ""


class PortState(Enum):
    FREE = "free"
    OURS = "ours"
    TAKEN = "taken"
    REFUSED = "refused"  # the system does not let this user listen there
    ANY = "any"  # port 0: the system chooses one at the start


@dataclass(frozen=True, slots=True)
class Port:
    name: str  # "peers" or "consumers"
    host: str
    port: int
    state: PortState
    setting: str


def judge_clock(skew: float | None, compared: str) -> Finding:
    """``skew`` in seconds, positive where this machine is ahead; ``compared`` says with what."""
    key, title = "clock", "Clock"
    if skew is None:
        return undecided(
            key,
            title,
            said("Nothing to compare with: {compared}", compared=compared),
            "Let the system keep the time, and check again once a chain endpoint answers.",
        )
    off = abs(skew)
    found = said("right to within {limit} s", limit=f"{SKEW_WARN:g}")
    if off > SKEW_WARN:
        off_by = f"{off:.1f}"
        found = said("{off} s ahead", off=off_by) if skew > 0 else said("{off} s behind", off=off_by)
    result = said("{found}; compared with {compared}", found=found, compared=compared)
    if off <= SKEW_WARN:
        return Finding(key, title, Level.GOOD, result, "Turns are taken and votes are cast in time.")
    meaning = (
        "Turns begin and end by the second: this node proves too early or too late, and votes may be late."
    )
    level = Level.WARN if off <= SKEW_BAD else Level.BAD
    if level is Level.BAD:
        meaning = "With this clock most turns are missed, since they begin and end by the second."
    remedy = "Let the system keep the time (NTP)."
    return Finding(key, title, level, result, meaning, remedy, "sudo timedatectl set-ntp true")


def is_public(host: str) -> bool:
    """Whether an address can be reached from the whole Internet, as far as the address itself tells."""
    try:
        return ip_address(host).is_global
    except ValueError:
        return True  # a name: it was announced to be reached under


def judge_ports(ports: Sequence[Port], addresses: Sequence[str], announced: Sequence[str]) -> Finding:
    """``addresses``: this machine's own; ``announced``: hosts that the settings tell peers to come to."""
    key, title = "ports", "Ports and reachability"
    result = joined(map(_port_words, ports))
    blocked = next((port for port in ports if port.state in (PortState.TAKEN, PortState.REFUSED)), None)
    if blocked is not None:
        return _blocked(blocked, result)
    peers = next((port for port in ports if port.name == "peers"), None)
    if peers is None:
        return undecided(key, title, "No port is configured.")
    if is_loopback(peers.host):
        meaning = "Only programs on this machine can reach this node: no peer from outside can."
        remedy = "Set p2p.host to 0.0.0.0, unless this is a test."
        return Finding(key, title, Level.WARN, result, meaning, remedy)
    reach = [host for host in (*announced, *addresses) if is_public(host)]
    if reach:
        meaning = said("Peers can reach this node at {host}, if no firewall is in between.", host=reach[0])
        return Finding(
            key, title, Level.GOOD, said("{result}; no outside service was asked", result=result), meaning
        )
    return _hidden(peers, result, addresses)


def _hidden(peers: Port, result: str, addresses: Sequence[str]) -> Finding:
    """Behind a router, and maybe behind the provider's as well."""
    own = [found for found in map(_ip, addresses) if found is not None and found.version == 4]
    shared = next((found for found in own if found in SHARED), None)
    near = next((found for found in own if found.is_private and not found.is_loopback), None)
    port = peers.port or said("that Network shows")
    meaning = (
        "A router hides this machine (NAT). The node works by the connections that it opens itself, "
        "but peers cannot come to it: votes and requests may arrive later."
    )
    remedy = said(
        "In the router, forward TCP port {port} to {machine}, and set p2p.announce to the public address, "
        "like /ip4/203.0.113.5/tcp/{port}. UPnP is not used: a router that allows it opens for any program.",
        port=port,
        machine=near or said("this machine"),
    )
    if shared is not None and near is None:
        meaning = (
            "The provider shares one public address among its customers (CGNAT), so no router at home can "
            "forward a port. The node works by the connections that it opens itself."
        )
        remedy = said(
            "To be reached, ask the provider for a public address, or use IPv6: set p2p.host to ::. "
            "Without, it is enough that other members can be reached."
        )
    words = said("{result}; no public address", result=result)
    return Finding("ports", "Ports and reachability", Level.WARN, words, meaning, remedy)


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _blocked(port: Port, result: str) -> Finding:
    remedy = said(
        "End the program that uses port {port}, or set {setting} to another one.",
        port=port.port,
        setting=port.setting,
    )
    command = f"sudo ss -ltnp 'sport = :{port.port}'"
    if port.state is PortState.REFUSED:
        remedy, command = said("Set {setting} to a port above 1023.", setting=port.setting), ""
    meaning = "The node cannot start while it cannot listen there."
    return Finding("ports", "Ports and reachability", Level.BAD, result, meaning, remedy, command)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port_words(port: Port) -> str:
    named: dict[str, object] = {"name": port.name, "port": port.port}
    match port.state:
        case PortState.FREE:
            return said("{name}: port {port} is free", **named)
        case PortState.OURS:
            return said("{name}: port {port} is used by this node", **named)
        case PortState.TAKEN:
            return said("{name}: port {port} is used by another program", **named)
        case PortState.REFUSED:
            return said("{name}: port {port} is not allowed to this user", **named)
        case PortState.ANY:
            return said("{name}: any free port", **named)


def judge_endpoints(endpoints: Sequence[Endpoint], wanted: int | None) -> Finding:
    """``wanted``: the chain id that the settings ask for."""
    key, title = "chain", "Chain endpoints"
    if not endpoints:
        return Finding(
            key,
            title,
            Level.WARN,
            "No endpoint is set",
            "Without a chain nothing can be earned; the demo brings one of its own.",
            "Set chain.api to the address of a chain node, ws:// or wss://.",
        )
    wanted = wanted or next((e.chain_id for e in endpoints if not e.error), None)
    heard = [(e, *_endpoint_words(e, wanted)) for e in endpoints]
    result = joined(words for _, _, words in heard)
    usable = [e for e, level, _ in heard if level is not Level.BAD]
    if not usable:
        return Finding(
            key,
            title,
            Level.BAD,
            result,
            "Without a chain node this node sees no consumers, and nothing it does is paid.",
            "Check the address and the access key of chain.api, or add another endpoint.",
        )
    if all(level is Level.GOOD for _, level, _ in heard):
        return Finding(
            key, title, Level.GOOD, result, "Commitments, settlements and rewards are seen in time."
        )
    return Finding(
        key,
        title,
        Level.WARN,
        result,
        "The node works through the endpoints that are well; with one left, there is no second.",
        "Correct or replace the endpoint in chain.api.",
    )


def _endpoint_words(endpoint: Endpoint, wanted: int | None) -> tuple[Level, str]:
    if endpoint.error:
        return Level.BAD, f"{endpoint.name}: {endpoint.error}"
    if wanted is not None and endpoint.chain_id != wanted:
        return Level.BAD, said(
            "{name}: is of chain {chain}, not {wanted}",
            name=endpoint.name,
            chain=endpoint.chain_id,
            wanted=wanted,
        )
    words = said(
        "{name}: chain {chain}, block {head}, {age} old",
        name=endpoint.name,
        chain=endpoint.chain_id,
        head=f"{endpoint.head:,}",
        age=age(endpoint.age),
    )
    if endpoint.age > HEAD_BAD:
        return Level.BAD, said("{words}, has fallen behind", words=words)
    return (Level.WARN if endpoint.age > HEAD_WARN else Level.GOOD), words


def judge_contract(matches: bool | None, where: str, problem: str = "") -> Finding:
    """``matches``: whether the code is the one that this program knows; None if it could not be read."""
    key, title = "contract", "Settlement contract"
    if matches is None:
        return undecided(key, title, problem, "Correct the chain endpoint first, then check again.")
    if matches:
        result = said("{where} is the contract that this version knows", where=where)
        return Finding(key, title, Level.GOOD, result, "Stake and rewards follow the published rules.")
    return Finding(
        key,
        title,
        Level.BAD,
        problem or said("The code at {where} is another one", where=where),
        "Stake that is sent there may be lost, and this node’s proofs may not be paid.",
        "Do not stake. Check chain.contract, and update the program if the network has moved on.",
        "gpn-desktop contracts verify",
    )
