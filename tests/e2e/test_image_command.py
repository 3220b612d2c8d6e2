"""``gpn-desktop image``: what operators and authors type, on a real engine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from gpn_desktop.core import errors
from tests.contract.runtime import images
from tests.e2e.terminal import Said

TIMES = ("prove", "verify")


def name_of(image: str) -> str:
    """As the engine finds it: by the registry's digest, or by its own id."""
    return str(images.built(image))


def gpn(*arguments: str, folder: Path) -> Said:
    command = [sys.executable, "-m", "gpn_desktop", "image", *arguments]
    env = {**os.environ, "GPN_DATA_DIR": str(folder), "XDG_CONFIG_HOME": str(folder)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=110, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(("image", "proof"), [("groth16", 288), ("ezkl", 5472)])
def test_both_proof_systems_are_tried_and_judged(tmp_path: Path, image: str, proof: int) -> None:
    images.need_docker()
    offer = ["--timeout", "60", "--reward", "2100000", "--runs", "2"]

    good = gpn("try", name_of(image), *offer, "--json", folder=tmp_path)
    told = gpn("try", name_of(image), "--timeout", "0.01", "--runs", "1", folder=tmp_path)
    poor = gpn("try", name_of(image), "--reward", "1000", "--gas-gwei", "50", "--runs", "1", "--json",
               folder=tmp_path)  # fmt: skip

    assert good.code == 0, good.err
    found = good.json
    assert found["go"] is True
    assert found["proof_bytes"] == proof
    assert found["violations"] == found["failures"] == []
    assert found["cold_start"] > 0
    assert 10_000_000 < found["peak_memory"] < 512 * 1024 * 1024
    assert all(0 < found[what]["median"] <= found[what]["worst"] for what in TIMES)
    assert int(found["net_wei"]) > 0
    assert told.code == 1
    assert "NO GO" in told.out
    assert "over the turn's 0.01 s" in told.out
    assert poor.code == 1
    assert int(poor.json["net_wei"]) < 0


def test_a_hostile_image_is_a_no_go_with_its_reasons(tmp_path: Path) -> None:
    images.need_docker()
    hostile = images.hostile()
    data = tmp_path / "input"
    data.write_bytes(b"x")

    tried = gpn("try", str(hostile), "--runs", "1", "--data", str(data), "--json", folder=tmp_path)
    checked = gpn("check", str(hostile), "--data", str(data), "--json", folder=tmp_path)

    assert tried.code == 0, tried.err  # a request named "trial-1" is none of its misbehaviours
    failed = {check["name"] for check in checked.json["checks"] if check["must"] and not check["good"]}
    assert checked.code == 1
    assert checked.json["fit"] is False
    assert "answers malformed calls and goes on" in failed


@pytest.mark.parametrize("image", ["mock", "groth16", "ezkl"])
def test_the_reference_images_keep_to_the_api(tmp_path: Path, image: str) -> None:
    images.need_docker()

    said = gpn("check", name_of(image), "--json", folder=tmp_path)

    assert [check for check in said.json["checks"] if not check["good"]] == []
    assert len(said.json["checks"]) == 14
    assert (said.code, said.json["fit"]) == (0, True)


def test_an_author_begins_with_a_prover_that_works(tmp_path: Path) -> None:
    images.need_docker()
    images.built("ezkl")  # its base is the template's where the official one cannot be pulled
    base = f"gpn/python:{platform.python_version()}-{platform.machine()}"
    mine = tmp_path / "mine"

    made = gpn("new", str(mine), "--json", folder=tmp_path)
    checked = gpn("check", str(mine), "--build-arg", f"BASE={_base(base)}", "--json", folder=tmp_path)
    again = gpn("new", str(mine), folder=tmp_path)

    assert "prover.py" in made.json["files"]
    assert checked.json["fit"] is True, checked.out
    assert again.code == 1
    assert errors.BadOption.code in again.err


def _base(local: str) -> str:
    has = subprocess.run(["docker", "image", "inspect", local], capture_output=True, check=False)
    return local if has.returncode == 0 else "python:3.11-slim-bookworm"


def test_images_are_pulled_listed_removed_and_pruned(tmp_path: Path) -> None:
    images.need_registry()
    image = images.hostile()
    images.forget(image)

    pulled = gpn("pull", f"{image.name}:test", "--json", folder=tmp_path)
    listed = gpn("list", "--json", folder=tmp_path)
    pruned = gpn("prune", "--json", folder=tmp_path)
    after = gpn("list", "--json", folder=tmp_path)

    assert pulled.json == {"image": str(image)}
    (row,) = listed.json["images"]
    assert (row["image"], row["state"]) == (str(image), "ready")
    assert row["size"] > 3_000_000
    assert pruned.json["freed"] > 2_000_000
    assert after.json == {"images": []}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("try", "NO NAME"), errors.ImageNameInvalid),
        (("try", "127.0.0.1:1/gpn/nothing"), errors.ImageUnavailable),
        (("try", "x", "--runs", "0"), errors.BadOption),
        (("try", "x", "--gas-gwei", "much"), errors.BadOption),
        (("try", "x", "--committee", "1"), errors.BadOption),
        (("remove", "127.0.0.1:1/gpn/nothing"), errors.ImageUnavailable),
    ],
)
def test_what_is_wrong_is_one_line_with_a_code(
    tmp_path: Path, arguments: tuple[str, ...], error: type[errors.GpnError]
) -> None:
    images.need_docker()

    said = gpn(*arguments, folder=tmp_path)

    assert said.code == 1
    assert error.code in said.err
    assert "Traceback" not in said.err


def test_a_folder_that_does_not_build_says_so(tmp_path: Path) -> None:
    images.need_docker()
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "Dockerfile").write_text("FROM scratch\nCOPY nothing /\n")

    for folder in (tmp_path / "empty", broken):
        said = gpn("check", str(folder), folder=tmp_path)
        assert said.code == 1
        assert errors.ImageNotBuilt.code in said.err


def test_without_docker_the_remedy_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gpn_desktop", "image", "try", "gpn/x"]
    env = {"DOCKER_HOST": "unix:///nowhere/docker.sock", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}

    said = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)

    assert said.returncode == 1
    assert errors.EngineMissing.code in said.stderr
    assert "Install Docker" in said.stderr
    assert len(said.stderr.strip().splitlines()) == 1
