"""Users of other login packages, imported and logged in: the packages themselves made them."""

from __future__ import annotations

import pytest

from tests.projects import run_cases

#: What the packages do under our strict filter: an import that is deprecated, connections that they don't close.
_THEIRS = ["-Wignore:defusedxml.cElementTree is deprecated:DeprecationWarning", "-pno:unraisableexception"]


@pytest.mark.slow
def test_imported_users_log_in() -> None:
    run_cases("peers", *_THEIRS, without=("TEST_DATABASE",))
