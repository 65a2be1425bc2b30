"""A pytest plugin for ``pytest -n auto``: who runs what, and the longest first, so that no worker is left with them alone.

A file's tests stay together, because they share fixtures: a demo, a browser, a server. The files named here have long
tests without any; those are dealt out one by one.
"""

from __future__ import annotations

from typing import Any

import pytest

#: The longest first. A file that is not here comes later, those with slow tests before all others.
LONGEST_FIRST = [
    "tests/test_engines.py",
    "tests/tokens/test_refresh_storm.py",
    "tests/tokens/test_refresh_faults.py",
    "tests/logout/test_backchannel.py",
    "tests/test_example_project.py",
    "tests/growth",
    "tests/browser",
    "tests/webdriver",
    "tests/test_benchmarks.py",
    "tests/test_soak.py",
    "tests/test_memory.py",
    "tests/storage/test_data_size.py",
    "tests/tokens/test_outside_requests.py",
]
ONE_BY_ONE = {"tests/test_engines.py", "tests/tokens/test_refresh_storm.py", "tests/tokens/test_refresh_faults.py"}


def _rank(item: pytest.Item) -> int:
    for rank, path in enumerate(LONGEST_FIRST):
        if item.nodeid.startswith(path):
            return rank
    return len(LONGEST_FIRST) + (item.get_closest_marker("slow") is None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            if file in ONE_BY_ONE:
                return nodeid
            if file.startswith("tests/webdriver/"):
                engine = nodeid.partition("[")[2].partition("]")[0].partition("-")[0]
                return f"tests/webdriver[{engine}]"  # each browser's tests share it
            return "tests/browser" if file.startswith("tests/browser/") else file

    return Scheduler(config, log)
