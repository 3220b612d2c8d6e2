"""The entry point ``gpn-desktop``."""

import sys

from gpn_desktop.cli import main

if __name__ == "__main__":
    sys.exit(main())
