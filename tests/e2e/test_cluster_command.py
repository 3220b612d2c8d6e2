"""``gpn-desktop cluster`` and ``worker`` as they are typed, up to a node whose proofs its workers make."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpn_desktop.core import errors
from tests.e2e.terminal import Said

HELD_BACK = (
    "import sys; sys.modules['distributed'] = None; from gpn_desktop.__main__ import main; sys.exit(main())"
)


def gpn(*arguments: str, folder: Path, code: str = "", **settings: str) -> Said:
    command = [sys.executable, *(("-c", code) if code else ("-m", "gpn_desktop")), *arguments]
    env = {**os.environ, "GPN_DATA_DIR": str(folder / "data"), "XDG_CONFIG_HOME": str(folder), **settings}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


def test_a_cluster_is_set_up_once_and_invites(tmp_path: Path) -> None:
    listen = {"GPN_CLUSTER_LISTEN": "127.0.0.1:4420"}

    first = gpn("cluster", "init", folder=tmp_path)
    key = (tmp_path / "data/cluster/authority-key.pem").read_bytes()
    again = gpn("cluster", "init", folder=tmp_path)
    code = gpn("cluster", "join-code", folder=tmp_path, **listen)
    other = gpn("cluster", "join-code", folder=tmp_path, **listen)

    assert (first.json["created"], again.json["created"]) == (True, False)
    assert (tmp_path / "data/cluster/authority-key.pem").read_bytes() == key
    assert code.out.startswith("gpn1-")
    assert code.out != other.out
    assert key.decode().splitlines()[1] not in code.out + code.err
    assert all(path.stat().st_mode & 0o77 == 0 for path in (tmp_path / "data/cluster").glob("*.pem"))


@pytest.mark.parametrize(
    ("words", "settings", "error"),
    [
        (("cluster", "join-code"), {"GPN_CLUSTER_LISTEN": "127.0.0.1:4420"}, errors.ClusterNotSetUp),
        (("worker",), {}, errors.ClusterNotSetUp),
        (("worker", "--join", "nonsense"), {}, errors.JoinRefused),
        (("node",), {"GPN_CLUSTER_LISTEN": "nowhere"}, errors.ConfigError),
    ],
)
def test_what_is_missing_is_told(
    tmp_path: Path, words: tuple[str, ...], settings: dict[str, str], error: type[errors.GpnError]
) -> None:
    said = gpn(*words, folder=tmp_path, **settings)

    assert said.code == 1
    assert f"[{error.code}]" in said.err
    assert "Traceback" not in said.err


def test_a_code_for_a_node_that_listens_everywhere_needs_an_address(tmp_path: Path) -> None:
    gpn("cluster", "init", folder=tmp_path)
    everywhere = {"GPN_CLUSTER_LISTEN": "0.0.0.0:4420"}

    refused = gpn("cluster", "join-code", folder=tmp_path, **everywhere)
    given = gpn("cluster", "join-code", "--address", "10.0.0.5", folder=tmp_path, **everywhere)

    assert f"[{errors.BadOption.code}]" in refused.err
    assert given.code == 0


def test_without_the_extra_the_remedy_is_told(tmp_path: Path) -> None:
    for words in (("cluster", "init"), ("worker",)):
        said = gpn(*words, folder=tmp_path, code=HELD_BACK)
        assert said.code == 1
        assert f"[{errors.ClusterNotInstalled.code}]" in said.err
        assert "gpn-desktop[cluster]" in said.err
