"""The options of the commands that use a chain without being a node. Values are read where they are used."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_site(parser: argparse.ArgumentParser, contract: bool = True) -> None:
    parser.add_argument("--ethereum-api", metavar="URL", help="the chain's endpoint (default: ETHEREUM_API)")
    parser.add_argument("--chain-id", metavar="N", help="refuse an endpoint of any other chain")
    if contract:
        parser.add_argument(
            "--contract-address",
            metavar="0x…",
            help="the settlement contract (default: CONTRACT_ADDRESS, else the chain's newest known one)",
        )
    parser.add_argument("--data-dir", metavar="FOLDER", help="where contracts and signed nonces are kept")


def add_key(parser: argparse.ArgumentParser, whose: str) -> None:
    parser.add_argument(
        "--key-file", required=True, type=Path, help=f"{whose}: a v3 keystore, or 64 hex digits"
    )
