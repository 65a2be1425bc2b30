"""Users of other login packages, imported and logged in: the packages themselves made them."""

from __future__ import annotations

import pytest

from tests.projects import run_cases

#: What the packages do, under our strict filter.
_THEIRS = [
    "ignore:defusedxml.cElementTree is deprecated:DeprecationWarning",
    "ignore:unclosed <ssl.SSLSocket:ResourceWarning",
]


@pytest.mark.slow
def test_imported_users_log_in() -> None:
    run_cases("peers", *(f"-W{warning}" for warning in _THEIRS), without=("TEST_DATABASE",))
