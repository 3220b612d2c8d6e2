"""How the tests are dealt out when several workers run them: ``make test ARGS="-n 2 --dist loadgroup"``.

Ports, files and keyring entries are each test's own. What is shared is the machine: so the tests that fill
its processors by themselves, and those that drop images from the one Docker engine, stay on one worker each.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
ONE_WORKER = {  # the first that fits
    "contract/runtime/": "docker",
    "contract/cluster/": "docker",
    "e2e/test_image_command.py": "docker",
    "e2e/": "processes",
}


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        file = item.path.relative_to(HERE).as_posix()
        groups = (group for place, group in ONE_WORKER.items() if file.startswith(place))
        # The tests of a file share what its fixtures start.
        item.add_marker(pytest.mark.xdist_group(next(groups, file)))
