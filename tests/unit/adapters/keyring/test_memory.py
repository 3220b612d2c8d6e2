"""A key that comes by a pipe: read once, and no further than its line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from gpn_desktop.adapters.keyring import MemorySecrets, PipeSecrets, new_key
from gpn_desktop.core.errors import KeyMissing, KeyUnusable

KEY = new_key()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    with suppress(OSError):  # a test may have closed it
        os.close(write)


async def test_a_key_by_pipe_is_read_once(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], KEY.secret.hex().encode() + b"\n")
    secrets = PipeSecrets(pipe[0])
    assert await secrets.load() == KEY
    assert await secrets.load() == KEY
    assert KEY.secret.hex() not in repr(secrets) + repr(await secrets.load())


async def test_what_follows_the_line_stays_in_the_pipe(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpn_desktop.adapters.keyring.memory.STDIN", pipe[0])
    os.write(pipe[1], b"0x" + KEY.secret.hex().encode() + b"\nstop\n")
    assert await PipeSecrets(pipe[0]).load() == KEY
    assert os.read(pipe[0], 100) == b"stop\n"
    os.close(pipe[0])


async def test_without_a_newline_the_end_of_the_pipe_will_do(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], KEY.secret.hex().encode())
    os.close(pipe[1])
    assert await PipeSecrets(pipe[0]).load() == KEY


async def test_nothing_comes(pipe: tuple[int, int]) -> None:
    with pytest.raises(KeyMissing, match="within"):
        await PipeSecrets(pipe[0], within=0.05).load()


async def test_the_pipe_ends_or_is_none(pipe: tuple[int, int]) -> None:
    os.close(pipe[1])
    with pytest.raises(KeyMissing, match="ended"):
        await PipeSecrets(pipe[0]).load()
    with pytest.raises(KeyMissing, match="cannot be read"):
        await PipeSecrets(987_654).load()


@pytest.mark.parametrize("line", [b"hello\n", b"\xff" * 64 + b"\n", b"1" * 1_000])
async def test_noise(pipe: tuple[int, int], line: bytes) -> None:
    os.write(pipe[1], line)
    with pytest.raises(KeyUnusable):
        await PipeSecrets(pipe[0]).load()


async def test_a_pipe_keeps_nothing(pipe: tuple[int, int]) -> None:
    with pytest.raises(KeyUnusable):
        await PipeSecrets(pipe[0]).save(KEY)
    os.close(pipe[0])


async def test_memory_shows_nothing() -> None:
    secrets = MemorySecrets(KEY)
    assert await secrets.load() == KEY
    assert KEY.secret.hex() not in repr(secrets)
    assert str(KEY.secret) not in repr(secrets) + repr(KEY)
