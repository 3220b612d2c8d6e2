"""An X server for one test: nobody else's windows, and none that another test has taken away."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def display(size: str = "1920x1200") -> Iterator[str]:
    """The name of a fresh display of this size; the test is skipped where there is no Xvfb."""
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        if os.environ.get("GPN_REQUIRE_ENGINES") == "1":
            pytest.fail("required (GPN_REQUIRE_ENGINES=1): Xvfb")
        pytest.skip("There is no Xvfb here (Debian: xvfb), so no window can be shown")
    read, write = os.pipe()
    # Without -noreset it starts over when its last window closes, and who comes just then is turned away.
    command = [xvfb, "-displayfd", str(write), "-screen", "0", f"{size}x24", "-nolisten", "tcp", "-noreset"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as answer:
            number = answer.readline().strip()
        try:
            assert number, "Xvfb did not start"
            yield f":{number}"
        finally:
            server.terminate()
