"""The command line. Parsing only: what a command does is composed in ``composition``."""

from __future__ import annotations

import argparse

from gpn_desktop import __version__


def main() -> None:
    """Parse the arguments and run the command."""
    parser = argparse.ArgumentParser(prog="gpn-desktop", description=__doc__)
    parser.add_argument("--version", action="version", version=f"gpn-desktop {__version__}")
    parser.parse_args()
