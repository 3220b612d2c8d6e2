"""Every test of this folder runs the contract in process, or says why it cannot."""

from __future__ import annotations

import pytest

from tests.contract.evm.machine import need_pyrevm


@pytest.fixture(scope="module", autouse=True)
def _pyrevm() -> None:
    need_pyrevm()
