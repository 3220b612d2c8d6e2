"""The command line: what it takes, and one line without a traceback when something is wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gpn_desktop import __version__
from gpn_desktop.composition.command_args import (
    add_cluster,
    add_consumer,
    add_contracts,
    add_doctor,
    add_image,
    add_key,
    add_simulate,
    add_site,
)
from gpn_desktop.config import add_arguments
from gpn_desktop.core.errors import GpnError

if TYPE_CHECKING:
    from gpn_desktop.ui.shell import Shell

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None, shell: Shell | None = None) -> int:
    """Run one command; its exit code. ``shell`` is the window, where it is in sight already."""
    args = _parser().parse_args(argv)
    try:
        return _run(args, shell)
    except GpnError as error:
        print(f"gpn-desktop: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(args: argparse.Namespace, shell: Shell | None) -> int:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its C core writes past logging, from its import on
    # Imported late: --help and --version should not wait for web3, libp2p or Qt.
    from gpn_desktop.composition import commands

    match args.command:
        case "node":
            return commands.node(args)
        case "demo":
            return commands.demo(args, shell)
        case "request":
            return commands.request(args)
        case "contracts":
            return commands.contracts(args)
        case "consumer":
            return commands.consumer(args)
        case "image":
            return commands.image(args)
        case "cluster":
            return commands.cluster(args)
        case "journal":
            return commands.journal(args)
        case "worker":
            return commands.worker(args)
        case "key":
            return commands.key(args)
        case "simulate":
            return commands.simulate(args)
        case "doctor":
            return commands.doctor(args)
        case _:
            return commands.window(args, shell)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpn-desktop", description="A node of a generic proving network. Without a command: the window."
    )
    parser.add_argument("--version", action="version", version=f"gpn-desktop {__version__}")
    parser.add_argument("--config", type=Path, help="a TOML file with the node's settings")
    parser.add_argument("--startup-report", action="store_true",
                        help="print how long the window took to appear, as a line of JSON")  # fmt: skip
    commands = parser.add_subparsers(dest="command", metavar="command")
    _node(commands.add_parser("node", help="run a node without a window"))
    _demo(commands.add_parser("demo", help="a whole network on this machine, with money that is not real"))
    _request(commands.add_parser("request", help="order a proof as a consumer"))
    add_contracts(commands.add_parser("contracts", help="deploy the settlement contract, or look at one"))
    add_consumer(commands.add_parser("consumer", help="a consumer's account: register, pay in, leave"))
    add_image(commands.add_parser("image", help="prover images: pull, try, check, remove"))
    add_cluster(commands.add_parser("cluster", help="prove on several machines: set up, invite"))
    _worker(commands.add_parser("worker", help="prove on this machine for a node on another one"))
    _journal(commands.add_parser("journal", help="the record of what the node signed: begin a new one"))
    _key(commands.add_parser("key", help="the node's key in the OS keyring"))
    add_simulate(commands.add_parser("simulate", help="the network under faults, on virtual time"))
    add_doctor(
        commands.add_parser("doctor", help="what holds this machine back from earning, and what to do")
    )
    return parser


def _node(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="a TOML file with the settings")
    parser.add_argument("--events", action="store_true", help="tell what happens as lines of JSON on stdout")
    parser.add_argument(
        "--key-stdin",
        action="store_true",
        help="read the key (hex) from stdin; the node ends when stdin is closed",
    )
    parser.add_argument("--prove-seconds", type=float, default=0.0, help="how long the test prover takes")
    parser.add_argument("--cheat", action="store_true", help="announce false proofs; local chains only")
    add_arguments(parser)


def _worker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="a TOML file with the settings")
    parser.add_argument("--join", metavar="CODE", help="of gpn-desktop cluster join-code; - for stdin")
    parser.add_argument("--name", help="how the node shows this machine (default: its own name)")
    parser.add_argument("--events", action="store_true", help="a line of JSON on stdout once it is connected")
    parser.add_argument("--prove-seconds", type=float, default=0.0, help="how long the test prover takes")
    add_arguments(parser)


def _journal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["new"], help="set a damaged journal aside and begin a new one")
    parser.add_argument("--config", type=Path, help="a TOML file with the node's settings")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    add_arguments(parser)


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--headless", action="store_true", help="no window")
    parser.add_argument("--nodes", type=int, default=5, help="2 to 16 (default 5)")
    parser.add_argument("--requests", type=int, default=5, help="1 to 100 (default 5)")
    parser.add_argument("--cheat", type=int, default=0, metavar="K", help="K nodes announce false proofs")
    parser.add_argument("--crash", action="store_true", help="kill the first prover in mid-proof")
    parser.add_argument("--batch", action="store_true", help="settle all requests in one transaction")
    parser.add_argument("--absent", type=int, default=0, metavar="K", help="K nodes leave first")
    parser.add_argument("--consumers", type=_names, default=(), metavar="PROVER,PROVER",
                        help="a consumer for each of these images (default: one, groth16)")  # fmt: skip
    parser.add_argument("--builtin", action="store_true", help="the test prover, even where Docker is")
    parser.add_argument("--json", action="store_true", help="a JSON report as the last line")
    parser.add_argument("--keep", action="store_true", help="keep the nodes' folders and say where they are")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _request(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gateway", required=True, metavar="HOST:PORT", help="a node's gRPC address")
    add_site(parser)
    add_key(parser, "the consumer's key")
    parser.add_argument("--data", required=True, type=Path, help="the payload; - for stdin")
    parser.add_argument("--ref", required=True, help="your id of the request, 1 to 128 characters")
    parser.add_argument("--reward", required=True, type=int, metavar="GWEI")
    parser.add_argument("--timeout", type=int, default=60, help="seconds of one prover's turn (default 60)")
    parser.add_argument("--confirmations", type=int, default=3, help="depth of the anchor block (default 3)")
    parser.add_argument("--quorum", type=int, help="valid votes asked for (default: a majority)")
    parser.add_argument("--canary", action="append", default=[], metavar="HOST:PORT",
                        help="a prover to ask for a false proof, to see who checks")  # fmt: skip
    parser.add_argument("--output", type=Path, help="write the proof there")


def _key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["new", "import", "show"],
                        help="make one, take one (hex on stdin), or print the address")  # fmt: skip
