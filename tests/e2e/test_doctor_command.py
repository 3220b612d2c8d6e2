"""``gpn-desktop doctor`` on this machine, whatever it has: findings for people and for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

KEY = "0123456789abcdef0123456789abcdef"
CHECKS = {
    "settings", "docker", "gpu", "disk", "folder", "clock", "ports", "chain", "contract", "keyring", "backup",
    "versions",
}  # fmt: skip


def doctor(folder: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("GPN_")}
    command = [sys.executable, "-m", "gpn_desktop", "doctor", *options]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**ours, "GPN_DATA_DIR": str(folder), "XDG_CONFIG_HOME": str(folder), **env},
    )


def test_every_check_has_a_finding_with_what_to_do(tmp_path: Path) -> None:
    said = doctor(tmp_path, "--json", ETHEREUM_API=f"ws://127.0.0.1:9/v3/{KEY}")
    report = json.loads(said.stdout)
    assert {finding["key"] for finding in report["findings"]} == CHECKS
    assert said.returncode == 1
    assert report["ok"] is False
    chain = next(finding for finding in report["findings"] if finding["key"] == "chain")
    assert chain["level"] == "bad"
    assert "127.0.0.1:9" in chain["result"]
    for finding in report["findings"]:
        assert finding["level"] == "good" or finding["remedy"], finding
    assert KEY not in said.stdout + said.stderr
    assert "Traceback" not in said.stderr


def test_settings_that_cannot_be_used_are_a_finding_and_no_crash(tmp_path: Path) -> None:
    said = doctor(tmp_path, PORT="many")
    assert said.returncode == 1
    assert "Traceback" not in said.stderr
    lines = said.stdout.splitlines()
    assert lines[-1].endswith("not known.")
    assert any(line.startswith("BAD ") and "Settings" in line for line in lines)
    assert any("Do: " in line for line in lines)
