"""The doctor's rules for what is outside of this machine: time, ports, the chain and its contract. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Final

from gpn_desktop.core.health import Finding, Level, age, undecided

# Turns are counted in seconds of the chain's time: a clock that is off answers too early or too late.
SKEW_WARN: Final = 2.0
SKEW_BAD: Final = 10.0
# Blocks of the slower chains come every 12 s; a minute without one is a node that has fallen behind.
HEAD_WARN: Final = 60.0
HEAD_BAD: Final = 300.0


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
            f"Nothing to compare with: {compared}",
            "Let the system keep the time, and check again once a chain endpoint answers.",
        )
    off = abs(skew)
    way = "ahead" if skew > 0 else "behind"
    result = f"right to within {SKEW_WARN:g} s" if off <= SKEW_WARN else f"{off:.1f} s {way}"
    result = f"{result}; compared with {compared}"
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
    result = "; ".join(_port_words(port) for port in ports)
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
        meaning = f"Peers can reach this node at {reach[0]}, if no firewall is in between."
        return Finding(key, title, Level.GOOD, f"{result}; no outside service was asked", meaning)
    port = peers.port or "that Network shows"
    meaning = (
        "A router hides this machine (NAT). The node works by the connections that it opens itself, "
        "but peers cannot come to it: votes and requests may arrive later."
    )
    remedy = (
        f"In the router, forward TCP port {port} to this machine, and set p2p.announce to the public address."
    )
    return Finding(key, title, Level.WARN, f"{result}; no public address", meaning, remedy)


def _blocked(port: Port, result: str) -> Finding:
    remedy = f"End the program that uses port {port.port}, or set {port.setting} to another one."
    command = f"sudo ss -ltnp 'sport = :{port.port}'"
    if port.state is PortState.REFUSED:
        remedy, command = f"Set {port.setting} to a port above 1023.", ""
    meaning = "The node cannot start while it cannot listen there."
    return Finding("ports", "Ports and reachability", Level.BAD, result, meaning, remedy, command)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port_words(port: Port) -> str:
    what = {
        PortState.FREE: "is free",
        PortState.OURS: "is used by this node",
        PortState.TAKEN: "is used by another program",
        PortState.REFUSED: "is not allowed to this user",
        PortState.ANY: "",
    }[port.state]
    if port.state is PortState.ANY:
        return f"{port.name}: any free port"
    return f"{port.name}: port {port.port} {what}"


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
    said = [(e, *_endpoint_words(e, wanted)) for e in endpoints]
    result = "; ".join(words for _, _, words in said)
    usable = [e for e, level, _ in said if level is not Level.BAD]
    if not usable:
        return Finding(
            key,
            title,
            Level.BAD,
            result,
            "Without a chain node this node sees no consumers, and nothing it does is paid.",
            "Check the address and the access key of chain.api, or add another endpoint.",
        )
    if all(level is Level.GOOD for _, level, _ in said):
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
        return Level.BAD, f"{endpoint.name}: is of chain {endpoint.chain_id}, not {wanted}"
    words = f"{endpoint.name}: chain {endpoint.chain_id}, block {endpoint.head:,}, {age(endpoint.age)} old"
    if endpoint.age > HEAD_BAD:
        return Level.BAD, words + ", has fallen behind"
    return (Level.WARN if endpoint.age > HEAD_WARN else Level.GOOD), words


def judge_contract(matches: bool | None, where: str, problem: str = "") -> Finding:
    """``matches``: whether the code is the one that this program knows; None if it could not be read."""
    key, title = "contract", "Settlement contract"
    if matches is None:
        return undecided(key, title, problem, "Correct the chain endpoint first, then check again.")
    if matches:
        result = f"{where} is the contract that this version knows"
        return Finding(key, title, Level.GOOD, result, "Stake and rewards follow the published rules.")
    return Finding(
        key,
        title,
        Level.BAD,
        problem or f"The code at {where} is another one",
        "Stake that is sent there may be lost, and this node’s proofs may not be paid.",
        "Do not stake. Check chain.contract, and update the program if the network has moved on.",
        "gpn-desktop contracts verify",
    )
