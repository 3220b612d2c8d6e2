"""The entry point ``gpn-desktop``."""

import sys

from gpn_desktop.early import early_shell


def main() -> int:
    """Show the window, if one is coming, and then import what reads the arguments."""
    shell = early_shell(sys.argv[1:])
    from gpn_desktop import cli

    return cli.main(shell=shell)


if __name__ == "__main__":
    sys.exit(main())
