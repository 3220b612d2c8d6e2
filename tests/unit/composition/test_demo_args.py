"""What a demo with several consumers can be asked for, and how the others are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpn_desktop import cli
from gpn_desktop.composition import demo
from gpn_desktop.composition.demo_args import DemoArgs, reference_images
from gpn_desktop.core.errors import ConfigError

TWO = DemoArgs(consumers=("groth16", "mock"))


def test_the_reference_images_can_be_named() -> None:
    assert {"groth16", "mock"} <= set(reference_images())
    DemoArgs(requests=4, consumers=tuple(reference_images()[:4])).check()


@pytest.mark.parametrize(
    "args",
    [
        DemoArgs(),
        DemoArgs(batch=True, consumers=("mock",)),
        TWO,
        replace(TWO, requests=2),
        replace(TWO, builtin=True),
        replace(TWO, cheat=1),
        replace(TWO, crash=True),
        replace(TWO, absent=1),
        DemoArgs(consumers=("mock",) * 4),
    ],
)
def test_these_can_be_played(args: DemoArgs) -> None:
    args.check()


def test_an_unknown_prover_is_refused_with_the_list() -> None:
    with pytest.raises(ConfigError) as refused:
        DemoArgs(consumers=("groth16", "groth17")).check()
    assert "'groth17'" in str(refused.value)
    assert ", ".join(reference_images()) in str(refused.value)


@pytest.mark.parametrize("name", ["", ".", "..", "common", "mock/../mock"])
def test_only_an_image_is_a_prover(name: str) -> None:
    with pytest.raises(ConfigError, match="possible are"):
        DemoArgs(consumers=(name,)).check()


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (DemoArgs(consumers=("mock",) * 5), "at most 4"),
        (replace(TWO, requests=1), "each of 2 consumers"),
        (replace(TWO, batch=True), "--batch goes with one consumer"),
    ],
)
def test_these_are_refused(args: DemoArgs, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        args.check()


def test_the_command_line_refuses_before_anything_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "--headless", "--consumers", "mock, nothing"]) == 1
    said = capsys.readouterr().err
    assert "'nothing'" in said
    assert "[GPN-1101]" in said


async def test_the_built_in_prover_stands_in_for_every_consumer() -> None:
    said: list[str] = []
    images = await demo.choose_images(replace(TWO, builtin=True), said.append)
    assert [image.label for image in images] == ["builtin:test"] * 2
    assert said == []


async def test_without_an_engine_it_is_said_whom_the_built_in_prover_replaces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demo, "docker_available", lambda: False)
    said: list[str] = []
    images = await demo.choose_images(TWO, said.append)
    assert images == [demo.BUILTIN] * 2
    assert len(said) == 1
    assert "instead of groth16 and mock" in said[0]
    assert "proves nothing" in said[0]
    assert await demo.choose_images(DemoArgs(), said.append) == [demo.BUILTIN]


async def test_an_image_is_built_once_for_all_who_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    async def build(_script: object, name: str) -> str:
        built.append(name)
        return f'noise\n{{"name": "gpn/{name}", "digest": "sha256:{len(built):064x}"}}\n'

    monkeypatch.setattr(demo, "docker_available", lambda: True)
    monkeypatch.setattr(demo, "_run_build", build)
    args = DemoArgs(consumers=("mock", "groth16", "mock"))
    images = await demo.choose_images(args, lambda _: None)
    assert built == ["mock", "groth16"]
    assert [image.name for image in images] == ["gpn/mock", "gpn/groth16", "gpn/mock"]
    assert images[0] == images[2]
    assert images[1].sample != images[0].sample
    assert {image.runtime for image in images} == {"docker"}
    assert await demo.choose_images(DemoArgs(), lambda _: None)
    assert built[2:] == ["groth16"]
