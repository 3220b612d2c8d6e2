"""Who runs which tests when several workers share them: ``make test ARGS="-n 2 --no-loadscope-reorder"``.

Ports, files and keyring entries are each test's own. What is shared is the machine: so the tests that fill
its processors by themselves, and those that drop images from the one Docker engine, stay on one worker each.
"""

from __future__ import annotations

import os

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

ONE_WORKER = {  # the first that fits
    "tests/contract/runtime/": "docker",
    "tests/contract/cluster/": "docker",
    "tests/e2e/test_image_command.py": "docker",
    "tests/e2e/test_desktop.py": "docker",
    "tests/e2e/": "processes",
}


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """The tests of a file share what its fixtures start; those of a group share more.

    xdist's own ``xdist_group`` marks do nothing with pytest 9.2: they are written into a node id that it no
    longer reads.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        groups = (group for place, group in ONE_WORKER.items() if file.startswith(place))
        return next(groups, file)


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes by its nature runs where somebody asked for it, as ``.ci/run`` does."""
    if os.environ.get("GPN_SLOW") == "1":
        return
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.skip(reason="takes minutes; GPN_SLOW=1 runs it"))
