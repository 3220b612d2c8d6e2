"""Nobody's money is spent without a yes."""

from __future__ import annotations

import builtins
import io

import pytest

from gpn_desktop.composition.asking import confirm, show
from gpn_desktop.core.errors import NotConfirmed


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "goes_on"),
    [("y", True), ("Yes ", True), ("", False), ("n", False), ("yep", False), ("no", False)],
)
async def test_only_yes_is_yes(monkeypatch: pytest.MonkeyPatch, answer: str, goes_on: bool) -> None:
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin", Tty())
    monkeypatch.setattr(builtins, "input", lambda prompt: asked.append(prompt) or answer)
    if goes_on:
        await confirm(yes=False)
    else:
        with pytest.raises(NotConfirmed):
            await confirm(yes=False)
    assert len(asked) == 1


async def test_where_nobody_sits_only_the_option_is_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(NotConfirmed):
        await confirm(yes=False)
    await confirm(yes=True)


async def test_an_end_of_input_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Tty(""))

    def ended(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(builtins, "input", ended)
    with pytest.raises(NotConfirmed):
        await confirm(yes=False)


def test_one_result_in_two_forms(capsys: pytest.CaptureFixture[str]) -> None:
    show({"a": 1}, {"a": "one", "long": "two"}, as_json=True)
    assert capsys.readouterr().out == '{"a": 1}\n'
    show({"a": 1}, {"a": "one", "long": "two"}, as_json=False)
    assert capsys.readouterr().out == "a     one\nlong  two\n"
