"""The real application on a real display, with a real Docker engine and a real Secret Service."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpn_desktop.adapters.keyring import KeyringSecrets
from gpn_desktop.core.errors import KeyringUnavailable
from tests import displays
from tests.contract.runtime import images

pytestmark = pytest.mark.timeout(300)
CLOSED_WITHIN = 5.0
BACK_WITHIN = 5.0


def missing(what: str) -> None:
    if os.environ.get("GPN_REQUIRE_ENGINES") == "1":
        pytest.fail(f"required (GPN_REQUIRE_ENGINES=1): {what}")
    pytest.skip(what)


@pytest.fixture
def account(tmp_path: Path) -> Iterator[str]:
    """A name in the keyring that is this test's own, empty again afterwards."""
    if not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        missing("DBUS_SESSION_BUS_ADDRESS is not set: there is no Secret Service")
    secrets = KeyringSecrets(f"e2e-{os.getpid()}-{tmp_path.name}", within=20)
    try:
        asyncio.run(secrets.probe())
    except KeyringUnavailable as error:
        missing(str(error))
    yield secrets._account
    asyncio.run(secrets.forget())


@pytest.fixture
def display() -> Iterator[str]:
    with displays.display() as name:
        yield name


def environment(folder: Path, account: str, display: str) -> dict[str, str]:
    """A home of the test's own, on its display and the machine's bus."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("GPN_", "QT_QPA"))}
    data = folder / "data"
    return {**ours, "DISPLAY": display, "GPN_DATA_DIR": str(data), "GPN_KEY_NAME": account,
            "GPN_CONFIG": "", "XDG_CONFIG_HOME": str(folder / "config")}  # fmt: skip


def test_from_first_start_to_a_paid_proof(tmp_path: Path, account: str, display: str) -> None:
    images.need_docker()
    command = [sys.executable, "-m", "tests.e2e.driver", str(tmp_path), "2"]
    run = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment(tmp_path, account, display),
        timeout=280,
        check=False,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    told = {key: value for line in lines for key, value in line.items()}
    assert run.returncode == 0, run.stderr[-3000:]
    assert told["platform"] == "xcb"
    assert (told["wallet"], told["tested"]) == ("keyring", True)
    assert told["runtime"] == "docker"
    assert told["paid"] == 3  # the warm-up is one
    assert told["earned"] > 0
    assert told["peers"] == 2
    assert len(told["tour"]) >= 5
    assert told["back_in"] < BACK_WITHIN
    assert told["bad"] == []
    assert {"home", "consumers", "jobs", "votes", "earnings", "wallet", "network", "health"} <= set(
        told["pages"]
    )
    assert told["closed_in"] < CLOSED_WITHIN
    assert "Task was destroyed" not in run.stderr
    errors = [line for line in run.stderr.splitlines() if " ERROR " in line or "never retrieved" in line]
    assert len(errors) == 1, errors
    assert "the network's thread died" in errors[0]
    held = asyncio.run(KeyringSecrets(account, within=20).load())
    assert held.secret.hex() not in run.stdout + run.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_window_ends_in_order_on_a_signal(
    tmp_path: Path, account: str, display: str, number: signal.Signals
) -> None:
    """Where nothing is set up: from a start page on a real display."""
    command = [sys.executable, "-m", "gpn_desktop", "--startup-report"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path, account, display),
    ) as program:
        assert program.stdout is not None
        assert "first_paint_ms" in program.stdout.readline()
        began = time.monotonic()
        program.send_signal(number)
        _, errors = program.communicate(timeout=30)
    assert program.returncode == 0, errors
    assert time.monotonic() - began < CLOSED_WITHIN
    assert "Task was destroyed" not in errors
    assert "Traceback" not in errors
