"""The entry point ``gpn-desktop``."""

from gpn_desktop.cli import main

if __name__ == "__main__":
    main()
