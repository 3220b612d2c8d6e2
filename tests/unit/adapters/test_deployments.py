"""The list of deployments: only ever longer, and never half written."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gpn_desktop.adapters.system.deployments import FileDeploymentBook
from gpn_desktop.core.errors import StoreCorrupt, StoreFull
from gpn_desktop.core.types import Address, Gwei, Hash32, Wei
from gpn_desktop.ports.chain import ContractParams
from gpn_desktop.ports.deployment import Deployment

TERMS = ContractParams(
    86_400, 172_800, 86_400, 432_000, Wei(2**95 + 1), Gwei(1000), 6000, 2000, 2000, 600, Gwei(500)
)


def deployment(number: int, chain_id: int = 5) -> Deployment:
    return Deployment(
        chain_id,
        Address(bytes([number]) * 20),
        number,
        Hash32(bytes([number]) * 32),
        Address(b"\7" * 20),
        TERMS,
        "ab" * 32,
        "0.8.30",
    )


def test_what_goes_in_comes_out_in_order(tmp_path: Path) -> None:
    book = FileDeploymentBook(tmp_path / "new" / "folder")
    assert book.deployments(5) == []
    for number in (1, 2, 3):
        book.add(deployment(number))
    book.add(deployment(9, chain_id=6))
    assert FileDeploymentBook(tmp_path / "new" / "folder").deployments(5) == [
        deployment(1),
        deployment(2),
        deployment(3),
    ]


def test_an_entry_stays_as_it_is(tmp_path: Path) -> None:
    book = FileDeploymentBook(tmp_path)
    book.add(deployment(1))
    book.add(replace(deployment(1), block=99))
    assert book.deployments(5) == [deployment(1)]


def test_many_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: FileDeploymentBook(tmp_path).add(deployment(n)), range(1, 31)))
    assert sorted(d.block for d in FileDeploymentBook(tmp_path).deployments(5)) == list(range(1, 31))
    assert {p.name for p in tmp_path.iterdir()} == {"5.json", ".lock"}


@pytest.mark.parametrize("change", [{"contract": "0x12"}, {"params": {}}, {"chainId": "x"}, {"tx": 5}])
def test_a_damaged_entry_is_an_error(tmp_path: Path, change: dict[str, object]) -> None:
    book = FileDeploymentBook(tmp_path)
    book.add(deployment(1))
    raw = json.loads(book.path(5).read_text())
    raw["deployments"][0] |= change
    book.path(5).write_text(json.dumps(raw))
    with pytest.raises(StoreCorrupt):
        book.deployments(5)
    with pytest.raises(StoreCorrupt):
        book.add(deployment(2))


def test_another_chain_s_file_is_an_error(tmp_path: Path) -> None:
    book = FileDeploymentBook(tmp_path)
    book.add(deployment(1))
    book.path(5).rename(book.path(6))
    with pytest.raises(StoreCorrupt, match="another chain"):
        book.deployments(6)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreFull):
        FileDeploymentBook(tmp_path / "file" / "deployments").add(deployment(1))
