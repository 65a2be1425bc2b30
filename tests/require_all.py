"""A pytest plugin: where every program is required, a skipped test is a failed one.

It acts only when ``DJANGO_AUTH0_FLOW_REQUIRE_ALL`` is set. Tests that are expected to fail are left alone.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.programs import REQUIRE_ALL, all_required


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{reason}: skipped, although {REQUIRE_ALL} is set"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if all_required() and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if all_required() and report.skipped:
        _fail(report)
    return report
