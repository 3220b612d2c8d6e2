"""Machines for the nodes of a test: network namespaces on a bridge, which can be cut in two and joined again.

Nothing of it touches the machine's own network. A node has one interface, to its peers. What the test itself
needs (the chain at the node, the node's gRPC here) goes through doors: sockets keep the namespace that they
were made in, so both ends of a door belong to this process.

A cut is silent, as on the Internet: packets vanish, and nobody is told that a host is gone.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gpn_desktop.adapters.system.processes import PROGRAM, ProcessLauncher
from gpn_desktop.ports.processes import NodeProcess, NodeSpec

NAMESPACES = Path("/run/netns")
CLONE_NEWNET = 0x40000000
P2P_PORT = 4410
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def need_namespaces() -> None:
    """Skips where this user may not make network namespaces; fails where engines are required."""
    try:
        _ip(["netns add gpn-probe", "netns del gpn-probe"])
        problem = "" if shutil.which("nsenter") else "nsenter (util-linux) is missing"
    except (OSError, subprocess.CalledProcessError) as error:
        problem = f"no network namespace can be made: {getattr(error, 'stderr', '') or error}".strip()
    if problem and os.environ.get("GPN_REQUIRE_ENGINES") == "1":
        pytest.fail(f"network namespaces are required (GPN_REQUIRE_ENGINES=1): {problem}")
    if problem:
        pytest.skip(f"{problem}; root and iproute2 are needed")


def _ip(lines: Iterable[str], namespace: str = "") -> None:
    where = ["-n", namespace] if namespace else []
    text = "\n".join(lines) + "\n"
    subprocess.run(["ip", *where, "-batch", "-"], input=text, check=True, capture_output=True, text=True)


def _sweep() -> None:
    """Remove what test runs that were killed have left."""
    for entry in NAMESPACES.iterdir() if NAMESPACES.is_dir() else ():
        match = re.fullmatch(r"gpn-(\d+)-\w+", entry.name)
        if match is not None and not Path("/proc", match[1]).exists():
            _ip([f"netns del {entry.name}"])


def socket_in(namespace: str) -> socket.socket:
    """A TCP socket of another namespace; only the thread that makes it ever goes there."""
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def make() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with (NAMESPACES / namespace).open() as place:
            if libc.setns(place.fileno(), CLONE_NEWNET):
                failed.append(OSError(ctypes.get_errno(), "setns"))
                return
        made.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    made[0].setblocking(False)
    made[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made[0]


@dataclass
class Door:
    """Hands connections to ``listener`` on to where ``further`` leads, unless it is shut."""

    listener: socket.socket
    further: Callable[[], Awaitable[Streams]]
    shut: bool = False
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self.listener)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.shut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await self.further()
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            self._open -= {writer, far_writer}
            writer.transport.abort()
            far_writer.transport.abort()

    def close(self) -> None:
        """Nobody gets through any more, and whoever is inside is thrown out."""
        self.shut = True
        for writer in self._open:
            writer.transport.abort()

    def open(self) -> None:
        self.shut = False

    async def aclose(self) -> None:
        self.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.write_eof()


@dataclass
class Lab:
    """``size`` hosts, counted from 0, at 10.77.0.1 and so on."""

    size: int
    prefix: str = field(default_factory=lambda: f"gpn-{os.getpid()}")
    chain_doors: dict[int, Door] = field(default_factory=dict)
    grpc_ports: dict[int, int] = field(default_factory=dict)
    _doors: list[Door] = field(default_factory=list)

    @property
    def hub(self) -> str:
        return f"{self.prefix}-hub"

    def host(self, number: int) -> str:
        return f"{self.prefix}-n{number}"

    def address(self, number: int) -> str:
        return f"10.77.0.{number + 1}"

    # cables -----------------------------------------------------------------------------------------------

    def build(self) -> None:
        hosts = range(self.size)
        _ip([f"netns add {self.hub}", *(f"netns add {self.host(n)}" for n in hosts)])
        bridges = [f"link add {name} type bridge" for name in ("here", "there")]
        _ip([*bridges, "link set here up", "link set there up"], self.hub)
        for number in hosts:
            port, far = f"port{number}", f"lan address {_mac(number)} netns {self.host(number)}"
            _ip(
                [
                    f"link add {port} type veth peer name {far}",
                    f"link set {port} master here",
                    f"link set {port} up",
                ],
                self.hub,
            )
            # Neighbours are known for good, or the cut would be told: "no route to host" after three seconds.
            others = [n for n in hosts if n != number]
            _ip(
                [
                    "link set lo up",
                    f"addr add {self.address(number)}/24 dev lan",
                    "link set lan up",
                    "route add default dev lan",
                    *(f"neigh add {self.address(n)} lladdr {_mac(n)} nud permanent dev lan" for n in others),
                ],
                self.host(number),
            )

    def cut(self, away: Iterable[int]) -> None:
        """Those hosts hear only each other from now on, and the others only the others."""
        _ip([f"link set port{n} master there" for n in away], self.hub)

    def heal(self) -> None:
        _ip([f"link set port{n} master here" for n in range(self.size)], self.hub)

    async def close(self) -> None:
        for door in self._doors:
            await door.aclose()
        for name in (self.hub, *map(self.host, range(self.size))):
            if (NAMESPACES / name).exists():
                _ip([f"netns del {name}"])

    # doors ------------------------------------------------------------------------------------------------

    async def _door(self, listener: socket.socket, further: Callable[[], Awaitable[Streams]]) -> Door:
        door = Door(listener, further)
        self._doors.append(door)
        await door.start()
        return door

    async def open_doors(self, number: int, chain_port: int) -> None:
        """The chain at the host's own loopback; the host's gRPC, on the same port here as there."""
        if number in self.chain_doors:
            return
        inside = socket_in(self.host(number))
        inside.bind(("127.0.0.1", chain_port))
        self.chain_doors[number] = await self._door(
            inside, lambda: asyncio.open_connection("127.0.0.1", chain_port)
        )
        outside = socket.create_server(("127.0.0.1", 0))
        outside.setblocking(False)
        port = self.grpc_ports[number] = int(outside.getsockname()[1])
        await self._door(outside, lambda: self._connect(number, port))

    async def _connect(self, number: int, port: int) -> Streams:
        made = socket_in(self.host(number))
        try:
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
        except OSError:
            made.close()
            raise
        return await asyncio.open_connection(sock=made)

    def command(self, number: int) -> Sequence[str]:
        """What runs a program on a host, in front of its own words."""
        return ("nsenter", f"--net={NAMESPACES / self.host(number)}")


def _mac(number: int) -> str:
    return f"02:00:0a:4d:00:{number + 1:02x}"


class LabLauncher(ProcessLauncher):
    """Each node on its host: node-1 on the first."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(os.environ)
        self._lab = lab

    def program(self, spec: NodeSpec) -> Sequence[str]:
        number = _number(spec)
        settings = (
            "GPN_P2P_HOST=0.0.0.0",
            f"PORT={P2P_PORT}",
            f"GPN_GRPC_PORT={self._lab.grpc_ports[number]}",
            "GPN_CAPACITY=4",  # a node that is full declines, which is not what is looked at
        )
        return (*self._lab.command(number), "env", *settings, *PROGRAM)

    async def launch(self, spec: NodeSpec) -> NodeProcess:
        await self._lab.open_doors(_number(spec), int(spec.chain.ws_url.rsplit(":", 1)[1]))
        return await super().launch(spec)


def _number(spec: NodeSpec) -> int:
    return int(spec.name.removeprefix("node-")) - 1


@asynccontextmanager
async def lab(size: int) -> AsyncIterator[Lab]:
    """Hosts that are gone again when the block ends, however it ends."""
    need_namespaces()
    _sweep()
    made = Lab(size)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(made.close)
        made.build()
        yield made
